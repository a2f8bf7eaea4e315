"""Whether the readers of model headers survive what nobody should have written.

    python benchmarks/fuzz_headers.py [--inputs 1000000] [--seed 1] [--save DIR]

Inputs are made from whole headers, changed where it hurts (tests/unit/weights/header_fuzz.py), and
read in one process. An exception other than a refusal, an input that takes longer than ten seconds
or more than 200 MiB fails the run; the input is saved.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/unit/weights"))

from header_fuzz import KINDS, Case, cases, check, extremes

LONGEST_S = 10
MOST_MIB = 200
SHARES = {"gguf": 0.6, "safetensors": 0.35, "template": 0.05}


class Failed(Exception):
    """An input that was not survived."""


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def too_long(_number: int, _frame: object) -> None:
    raise Failed(f"longer than {LONGEST_S} s")


def survive(case: Case) -> tuple[bool, float]:
    """Whether it was taken, and in how many seconds."""
    signal.alarm(LONGEST_S)
    began = time.perf_counter()
    taken = check(case)
    seconds = time.perf_counter() - began
    signal.alarm(0)
    if peak_mib() > MOST_MIB:
        raise Failed(f"more than {MOST_MIB} MiB")
    return taken, seconds


def run(name: str, inputs: Iterable[Case], save: Path) -> None:
    count, taken, slowest, began = 0, 0, 0.0, time.perf_counter()
    for count, case in enumerate(inputs, start=1):
        try:
            was_taken, seconds = survive(case)
        except Exception as error:
            signal.alarm(0)
            save.mkdir(parents=True, exist_ok=True)
            path = save / f"{name}-{count}"
            path.write_bytes(case.data)
            sys.exit(f"{name} input {count} (said to have {case.size} bytes): {error!r}; {path}")
        taken += was_taken
        slowest = max(slowest, seconds)
    print(
        f"{name:<12} {count:>9,} inputs, {taken:>7,} taken, "
        f"{count / (time.perf_counter() - began):>7,.0f}/s, slowest {slowest * 1000:.0f} ms, "
        f"peak {peak_mib():.0f} MiB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, default=Path("fuzz-failures"))
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, too_long)
    for kind in KINDS:
        inputs = islice(cases(kind, options.seed), round(options.inputs * SHARES[kind]))
        run(kind, inputs, options.save)
    run("extreme", extremes(), options.save)


if __name__ == "__main__":
    main()
