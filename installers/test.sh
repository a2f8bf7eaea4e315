#!/bin/sh
# Install what the tests need and run them; arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
. installers/python.sh
"$PYTHON" installers/environment.py dev
exec .venv/bin/python -m pytest "$@"
