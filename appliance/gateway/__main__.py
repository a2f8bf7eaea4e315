"""`python -m appliance.gateway --state DIR --port N`: one gateway, in the foreground."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.gateway.server import serve


def main() -> int:
    """Serve until told to stop; the exit codes are those of every command."""
    parser = argparse.ArgumentParser(prog="python -m appliance.gateway")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        serve(options.state, options.port)
    except ApplianceError as error:
        sys.stderr.write(f"error: {error}\nhint: {error.hint}\n")
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
