#!/bin/bash
# Runs all tests of Weir. The last line is "N passed, N failed, N skipped", summed over all parts; the exit code is 0
# if nothing failed and every part ran. What is missing is installed with apt first.
set -u
cd "$(dirname "$0")/.." || exit 70

usage() {
    cat <<'HELP'
usage: Tests/run.sh [--quick] [--only PART]… [--list] [--help]
  --quick      the parts format, build and unit only
  --only PART  only this part; may be given again
  --list       names the parts
Parts, in the order in which they run:
  format       swift format lint --strict on every Swift file
  build        the debug build, all warnings errors, imports checked against the declared dependencies
  unit         unit tests (debug)
  release      the release build
  integration  Weir (release) before a real Redis: Tests/Integration
  suites       redis-py's tests and Redis's own Tcl suite, through Weir and directly: Tests/Integration/suites
Variables: WEIR_BUILD_JOBS (parallel compile jobs), WEIR_BUILD_PATH (build folder, .build), WEIR_TEST_CACHE (outside
suites, ~/.cache/weir-tests).
HELP
}

all_parts="format build unit release integration suites"
parts=""
while [ $# -gt 0 ]; do
    case "$1" in
    --quick) parts="format build unit" ;;
    --only)
        case " $all_parts " in *" ${2:-} "*) parts="$parts $2" ;; *) echo "no part '${2:-}'" >&2; usage >&2; exit 64 ;; esac
        shift ;;
    --list) printf '%s\n' $all_parts; exit 0 ;;
    -h | --help) usage; exit 0 ;;
    *) echo "no option '$1'" >&2; usage >&2; exit 64 ;;
    esac
    shift
done
[ -n "$parts" ] || parts=$all_parts
wanted() { case " $parts " in *" $1 "*) return 0 ;; *) return 1 ;; esac }

build_path=${WEIR_BUILD_PATH:-.build}
flags=(--scratch-path "$build_path" --explicit-target-dependency-import-check error)
[ -n "${WEIR_BUILD_JOBS:-}" ] && flags+=(-j "$WEIR_BUILD_JOBS")
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
passed=0 failed=0 skipped=0
started=$SECONDS

say() { printf '\n== %s  (%d:%02d)\n' "$1" $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)); }
count() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }

# One thing that succeeds or fails as a whole.
step() {
    local name=$1 log="$logs/$1"
    shift
    if "$@" >"$log" 2>&1; then
        count 1 0 0
        echo "$name: done"
    else
        count 0 1 0
        grep -E 'error|warning' "$log" | sort -u | head -40
        tail -15 "$log"
        echo "$name: FAILED"
        return 1
    fi
}

# Runs `swift test` and adds its tests to the sum. Swift Testing ends with "Test run with N tests …" and names each
# test that fails or is skipped; a run without that line (a crash, a build error) is a failure.
swift_tests() {
    local name=$1 log="$logs/$1"
    shift
    timeout -k 10 1200 swift test "${flags[@]}" --disable-xctest "$@" 2>&1 | tee "$log" | progress
    local total bad skips
    total=$(sed -n 's/.*Test run with \([0-9]*\) tests\{0,1\} .*/\1/p' "$log" | tail -1)
    if [ -z "$total" ]; then
        tail -30 "$log"
        echo "$name: FAILED: it did not come to its end"
        count 0 1 0
        return 1
    fi
    bad=$(grep -cE '^. Test .* failed after [0-9.]+ seconds' "$log")
    skips=$(grep -cE '^. Test .* skipped(: ".*"|\.)$' "$log")
    grep -E '^. (Test|Suite) .* skipped(: ".*"|\.)$' "$log" | sed 's/^. /  /' | sort | uniq
    [ "$bad" -eq 0 ] && grep -qE '^. Test run with .* failed' "$log" && bad=1
    count $((total - bad - skips)) "$bad" "$skips"
    echo "$name: $((total - bad - skips)) passed, $bad failed, $skips skipped"
    [ "$bad" -eq 0 ]
}

# Shows what fails at once, and a dot for every ten tests that pass.
progress() {
    awk '/ passed after / { if (++n % 10 == 0) { printf "."; fflush() } }
         /✘|✗|error:|Fatal error/ { print; fflush() }
         END { print "" }'
}

. Tests/Support/packages.sh
if ! command -v swift >/dev/null 2>&1; then
    echo "swift is not in PATH: install Swift 6.3 from https://www.swift.org/install/" >&2
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
need /usr/include/yaml.h libyaml-dev "Weir reads YAML with it"
need pkg-config pkg-config "finds libyaml for the build"
need redis-server redis-server "the real Redis of the tests"
need redis-cli redis-tools "redis-cli, for the outside suites"
need haproxy haproxy "what the benchmark compares with"
need nutcracker nutcracker "twemproxy, what the benchmark compares with"
need python3 python3 "runs the outside suites"
need pkg:python3-venv python3-venv "keeps redis-py's tests apart from the system's Python"
need tclsh tcl "runs Redis's own test suite"
need make make "builds a plugin in C"
if ! install_missing; then
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi

if wanted format; then
    say "format"
    swift_files=$(find Package.swift Sources Plugins plugin-sdk Tests -name '*.swift' -not -path '*/.build/*' \
        -not -path '*/templates/*')
    step format swift format lint --strict $swift_files
fi
built=yes
if wanted build || wanted unit || wanted integration; then
    say "build (debug)"
    step build swift build "${flags[@]}" --build-tests || built=
fi
if wanted unit; then
    say "unit tests"
    if [ -n "$built" ]; then swift_tests unit --skip-build --skip IntegrationTests; else count 0 1 0; echo "unit: NOT RUN"; fi
fi
released=yes
if wanted release || wanted integration || wanted suites; then
    say "build (release)"
    step release swift build "${flags[@]}" -c release || released=
fi
WEIR_BINARY=$(cd "$build_path" 2>/dev/null && pwd)/release/weir
export WEIR_BINARY
if wanted integration; then
    say "integration tests, on the release build"
    if [ -n "$built" ] && [ -n "$released" ]; then
        swift_tests integration --skip-build --filter IntegrationTests
    else
        count 0 1 0
        echo "integration: NOT RUN: it was not built"
    fi
fi
if wanted suites; then
    say "outside suites, through Weir and directly"
    if [ -n "$released" ]; then
        python3 -B Tests/Integration/suites/run.py --proxy weir --binary "$WEIR_BINARY" 2>&1 | tee "$logs/suites"
        numbers=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$logs/suites" | tail -1)
        if [ -n "$numbers" ]; then count $numbers; else count 0 1 0; echo "suites: FAILED: no result"; fi
    else
        count 0 1 0
        echo "suites: NOT RUN: it was not built"
    fi
fi
say "end"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
