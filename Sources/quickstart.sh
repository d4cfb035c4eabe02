#!/bin/bash
# From a clone to a running Weir: builds it, starts a real Redis with Weir before it, with two plugins of your own in
# the chain (one in C, one in Swift), and shows that it works. Sources/quickstart.sh --help says more.
set -eu
cd "$(dirname "$0")/.."
root=$PWD

usage() {
    cat <<'HELP'
usage: Sources/quickstart.sh [--check] [--stop] [--help]
  (nothing)  installs what is missing, builds, starts Redis and Weir, shows them at work, and leaves them running
             until Ctrl-C
  --check    the same, then stops them and ends with 0 if everything was as it should be
  --stop     stops what an earlier run left running
Variables: WEIR_QUICKSTART_DIR (the folder for everything that it makes; ~/.cache/weir-quickstart),
WEIR_BUILD_PATH (the build folder; .build), WEIR_BUILD_JOBS (parallel compile jobs).
HELP
}

place=${WEIR_QUICKSTART_DIR:-${HOME:-/tmp}/.cache/weir-quickstart}
build=${WEIR_BUILD_PATH:-.build}
jobs=()
[ -n "${WEIR_BUILD_JOBS:-}" ] && jobs=(-j "$WEIR_BUILD_JOBS")
mode=run
case "${1:-}" in
"") ;;
--check) mode=check ;;
--stop) mode=stop ;;
-h | --help) usage; exit 0 ;;
*) echo "no option '$1'" >&2; usage >&2; exit 64 ;;
esac

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
else bold="" dim="" plain=""; fi
title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
note() { printf '%s%s%s\n' "$dim" "$1" "$plain"; }
fail() {
    printf '\nquickstart: %s\n' "$1" >&2
    exit 1
}

# Stops the process of a pid file, if it still is the program that was started.
stop_one() {
    local file="$place/$1.pid" pid
    [ -f "$file" ] || return 0
    pid=$(cat "$file")
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ]; then
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 100); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
        [ -d "/proc/$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] && kill -9 "$pid" 2>/dev/null
        echo "stopped $1 (pid $pid)"
    fi
    rm -f "$file"
}
stop_all() {
    stop_one weir weir
    stop_one redis redis-server
}
if [ "$mode" = stop ]; then
    stop_all
    exit 0
fi

free_port() { # the first free loopback port from $1 on
    local port=$1
    while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}
wait_for() { # seconds, a command
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

title "1. What is needed"
command -v swift >/dev/null 2>&1 || fail "swift is not in PATH: install Swift 6.3 from https://www.swift.org/install/"
. Tests/Support/packages.sh
need /usr/include/yaml.h libyaml-dev "Weir reads YAML with it"
need pkg-config pkg-config "finds libyaml for the build"
need redis-server redis-server "the database of this demonstration"
need redis-cli redis-tools "the client of this demonstration"
need make make "builds the plugin in C"
need curl curl "shows the metrics"
install_missing || fail "not everything could be installed"
note "swift, libyaml, redis-server, redis-cli, make, curl: all there"

title "2. Build (release; some minutes the first time)"
for product in weir Essentials; do
    swift build --scratch-path "$build" ${jobs[@]+"${jobs[@]}"} -c release --product "$product" ||
        fail "the build failed"
done
weir=$(cd "$build" && pwd)/release/weir
note "$weir"

title "3. Two plugins of your own, built against plugin-sdk/ alone"
mkdir -p "$place"
stop_all
for language in c swift; do
    name=limit-$language
    if [ ! -d "$place/$name" ]; then
        note "\$ weir plugins new $name --lang $language"
        "$weir" plugins new "$name" --lang "$language" --sdk "$root/plugin-sdk" --into "$place/$name" >"$place/$name.log" 2>&1 ||
            { cat "$place/$name.log" >&2; fail "weir plugins new failed"; }
    fi
    note "\$ $place/$name/build.sh"
    if ! (cd "$place/$name" && ./build.sh) >"$place/$name.log" 2>&1; then
        cat "$place/$name.log" >&2
        fail "the plugin $name does not build (rm -r $place/$name makes it anew)"
    fi
done
limit_c=$(tail -1 "$place/limit-c.log")
limit_swift=$(tail -1 "$place/limit-swift.log")
case "$limit_c" in /*) ;; *) limit_c="$place/limit-c/$limit_c" ;; esac
case "$limit_swift" in /*) ;; *) limit_swift="$place/limit-swift/$limit_swift" ;; esac
"$weir" plugins info "$limit_c" >/dev/null || fail "the plugin in C cannot be read"
"$weir" plugins info "$limit_swift" >/dev/null || fail "the plugin in Swift cannot be read"
note "$limit_c"
note "$limit_swift"

title "4. Redis, and Weir before it"
redis_port=$(free_port 6379)
weir_port=$(free_port $((redis_port + 1)))
admin_port=$(free_port 9001)
cat >"$place/topology.yaml" <<YAML
observability_interface: "127.0.0.1:$admin_port"
plugins:
  - "$limit_c"
  - "$limit_swift"
sources:
  - Redis:
      name: redis
      listen_addr: "127.0.0.1:$weir_port"
      chain:
        - QueryCounter: {name: counter, counter_name: main}
        - LimitC: {name: limit-c, max_bytes: 64KiB}         # yours, in C
        - LimitSwift: {name: limit-swift, max_bytes: 32KiB} # yours, in Swift
        - RedisSinkSingle: {name: sink, remote_address: "127.0.0.1:$redis_port", connect_timeout_ms: 3000}
YAML
finish() {
    trap - EXIT INT TERM
    echo
    stop_all
}
trap 'finish' EXIT
trap 'finish; exit 0' INT TERM
setsid redis-server --bind 127.0.0.1 --port "$redis_port" --save "" --dir "$place" >"$place/redis.log" 2>&1 &
echo $! >"$place/redis.pid"
wait_for 10 redis-cli -p "$redis_port" ping || fail "redis-server did not start: see $place/redis.log"
"$weir" check "$place/topology.yaml" || fail "the topology is not right"
setsid "$weir" run "$place/topology.yaml" >"$place/weir.log" 2>&1 &
echo $! >"$place/weir.pid"
wait_for 10 grep -q "Weir is now accepting connections" "$place/weir.log" || {
    cat "$place/weir.log" >&2
    fail "Weir did not start"
}
note "Redis on 127.0.0.1:$redis_port, Weir on 127.0.0.1:$weir_port, metrics on http://127.0.0.1:$admin_port/metrics"

title "5. It works"
bad=0
show() { # what must be in the answer, then the words of redis-cli
    local want=$1 answer
    shift
    answer=$(redis-cli -p "$weir_port" "$@" 2>&1 | tr '\n' ' ')
    printf '  redis-cli -p %s %-34s %s\n' "$weir_port" "$*" "${answer:0:90}"
    case "$answer" in *"$want"*) ;; *) bad=1 && printf '  ^ expected: %s\n' "$want" ;; esac
}
show PONG ping
show OK set greeting "hello"
show hello get greeting
show 2 rpush list a b
show "a b" lrange list 0 -1
value=$(head -c 40000 /dev/zero | tr '\0' x)
answer=$(redis-cli -p "$weir_port" set big "$value" 2>&1 || true)
printf '  redis-cli -p %s %-34s %s\n' "$weir_port" "set big (40,000 bytes)" "${answer:0:90}"
case "$answer" in OK*) bad=1 && echo "  ^ expected: refused by LimitSwift" ;; esac
note "  (refused by your plugin in Swift: its limit is 32 KiB)"
metrics=$(curl -sf "http://127.0.0.1:$admin_port/metrics") || fail "no metrics"
counted=$(printf '%s\n' "$metrics" | grep 'query_count' | grep '"GET"' || true)
printf '  %s\n' "$counted"
case "$counted" in *" 1") ;; *) bad=1 && echo "  ^ expected: one GET counted" ;; esac
[ "$bad" -eq 0 ] || fail "not everything was as it should be; the log: $place/weir.log"

if [ "$mode" = check ]; then
    finish
    echo "quickstart: all as it should be"
    exit 0
fi
title "6. What next"
cat <<NEXT
  redis-cli -p $weir_port                         your own commands; any Redis client works
  redis-benchmark -p $weir_port -P 16 -q -t get   how fast it is
  curl http://127.0.0.1:$admin_port/metrics        what is counted
  $place/topology.yaml
                                              the chain; change it, and run: weir check FILE, weir run FILE
  $place/limit-c/plugin.c
                                              your plugin; change it, build.sh, start again
  plugin-sdk/README.md                        a plugin in five minutes
  Plugins/README.md                           the transforms that come with Weir

Redis and Weir run until Ctrl-C.
NEXT
while [ -d "/proc/$(cat "$place/weir.pid")" ] && [ -d "/proc/$(cat "$place/redis.pid")" ]; do sleep 1; done
fail "a server ended; see the logs in $place"
