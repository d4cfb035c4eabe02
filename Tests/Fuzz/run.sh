#!/bin/sh
# run.sh SECONDS [BUILD_FOLDER]: builds the RESP fuzzer with the address sanitizer and runs it for so long. New inputs
# go to BUILD_FOLDER/corpus; a crash leaves its input there as crash-*: fix it, and add the file to corpus/resp, which
# the unit tests replay.
set -eu
seconds=${1:?seconds}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${2:-$root/.build/fuzz}
mkdir -p "$build/corpus"
codec=$(ls "$root"/Sources/WeirRESP/*.swift | grep -v /RESPCodec.swift)    # its adapter needs other modules
# shellcheck disable=SC2086  # one word a file
swiftc -O -wmo -parse-as-library -module-name RESPFuzz -D FUZZING -sanitize=fuzzer,address \
    -swift-version 6 -enable-upcoming-feature InternalImportsByDefault \
    -I "$root/plugin-sdk/CWeir" \
    $codec "$root/Tests/WeirRESPTests/FuzzChecks.swift" "$here/RESPFuzz.swift" \
    -o "$build/resp"
cd "$build"
export SWIFT_BACKTRACE=enable=no
exec nice -n 19 ./resp -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -dict="$here/resp.dict" corpus "$here/corpus/resp"
