"""From a clean clone to the first answered chat, and the same again when it serves already.

    python benchmarks/first_answer.py [--wheels DIR]

Clones the repository into a temporary directory and runs `installers/quickstart.sh` there, in a
home of its own, with whatever Python, uv and package index this machine has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="first-") as directory:
        clone, home = Path(directory, "clone"), Path(directory, "home")
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
        environment = {**os.environ, "HOME": str(home), "APPLIANCE_HOME": str(home / "appliance")}
        command = [str(clone / "installers" / "quickstart.sh"), "--yes", *sys.argv[1:]]
        print("uv" if shutil.which("uv") else "pip", "on", os.cpu_count(), "cores")
        try:
            for what in ("clean clone to first answer", "again, serving already"):
                started = time.monotonic()
                subprocess.run(command, env=environment, check=True, capture_output=True)
                print(f"{what}: {time.monotonic() - started:.1f} s")
        finally:
            program = clone / ".venv" / "bin" / "appliance"
            subprocess.run([str(program), "down"], env=environment, check=False)
            for place in (Path("/usr/local/bin/appliance"), home / ".local/bin/appliance"):
                if place.is_symlink() and place.readlink() == program:
                    place.unlink()


if __name__ == "__main__":
    main()
