#!/bin/sh -e
# Builds the plugin; the same as `swift build -c release`. The last line is the library.
cd "$(dirname "$0")"
swift build -c release "$@" >&2
echo "$PWD/.build/release/lib@NAME@.so"
