# shellcheck shell=sh
# Sourced by the scripts beside it: sets PYTHON to a Python of 3.11 or newer.

for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 none; do
    if [ "$candidate" = none ]; then
        echo "error: no Python 3.11 or newer on this machine" >&2
        echo "hint: install the package python3.11 (or a newer one), or set PYTHON=/path/to/it" >&2
        exit 1
    fi
    if "$candidate" -c 'import sys, sqlite3, ssl; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        PYTHON=$candidate
        break
    fi
done
