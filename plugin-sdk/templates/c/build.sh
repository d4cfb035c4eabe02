#!/bin/sh -e
# Builds the plugin; the same as `make`. The last line is the library.
cd "$(dirname "$0")"
make "$@" >&2
echo "$PWD/lib@NAME@.so"
