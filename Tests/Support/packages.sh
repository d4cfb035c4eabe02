# Sourced by Tests/run.sh and Sources/quickstart.sh: installs what is missing with apt, saying what and why.
# Nothing is asked of apt when everything is there. No service that apt starts is left running.
#
#   need PROGRAM-OR-FILE PACKAGE "why"      notes what is missing
#   install_missing                         installs it; fails with the command to run when it may not

missing_packages=""
missing_reasons=""

need() {
    case "$1" in
    /*) [ -e "$1" ] && return 0 ;;
    pkg:*) dpkg-query -W -f '${Status}' "${1#pkg:}" 2>/dev/null | grep -q 'install ok installed' && return 0 ;;
    *) command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] && return 0 ;;
    esac
    missing_packages="$missing_packages $2"
    missing_reasons="$missing_reasons
  $2: $3"
}

install_missing() {
    [ -z "$missing_packages" ] && return 0
    echo "Missing, and installed with apt now:$missing_reasons"
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "This needs root. Please run: apt-get install$missing_packages" >&2
            return 1
        fi
        as_root="sudo"
        echo "(through sudo)"
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "There is no apt-get here. Please install:$missing_packages" >&2
        return 1
    fi
    # A policy that says "do not start services", unless the system has one of its own.
    policy=/usr/sbin/policy-rc.d
    made_policy=""
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null && $as_root chmod 755 "$policy"
        made_policy=yes
    fi
    status=0
    { $as_root apt-get -qq update && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y --no-install-recommends install $missing_packages >/dev/null; } || status=$?
    [ -n "$made_policy" ] && $as_root rm -f "$policy"
    if [ "$status" -ne 0 ]; then
        echo "apt-get could not install:$missing_packages" >&2
        return 1
    fi
    missing_packages=""
}
