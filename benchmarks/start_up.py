"""What a command costs before it does anything: CPU time and memory of the least of ten runs.

python benchmarks/start_up.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("appliance")
RUNS = 10


def cost(command: list[str]) -> tuple[float, float]:
    """CPU milliseconds and peak MiB of one run."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    for arguments in (["--version"], ["--help"], ["up", "--help"]):
        runs = [cost([str(PROGRAM), *arguments]) for _ in range(RUNS)]
        milliseconds, mib = min(runs)
        print(f"appliance {' '.join(arguments):12} {milliseconds:4.0f} ms CPU  {mib:3.0f} MiB")


if __name__ == "__main__":
    main()
