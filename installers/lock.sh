#!/bin/sh
# Write requirements/*.txt anew from pyproject.toml: every version and hash, no index, no machine.
# Needs uv. Run it after a change to the dependencies and commit what it writes.
set -eu
cd "$(dirname "$0")/.."

lock() {
    out=$1
    shift
    env -u UV_INDEX_URL -u UV_DEFAULT_INDEX -u UV_INDEX -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS \
        uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-emit-find-links \
        "$@" --output-file "$out" pyproject.toml requirements/build.in
    echo "$out: $(grep -c '^[a-z]' "$out") packages"
}

lock requirements/runtime.txt
lock requirements/dev.txt --extra dev
