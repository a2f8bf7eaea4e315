"""Whether a power cut at any moment can tear a file or lose what the operator was told.

    python benchmarks/crash.py [--cuts 20000]

A model is fetched, replaced by a newer revision and removed, with every write, name and flush noted
(tests/unit/weights/power_cut.py); then the disk is rebuilt as it may be after a cut at a random
step, with anything lost that was not flushed, and the store on it is read.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/unit/weights"))

import pytest
from hub import LoopbackHub
from test_weights_power_cut import check, history


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuts", type=int, default=20_000)
    cuts = parser.parse_args().cuts
    with tempfile.TemporaryDirectory() as work, pytest.MonkeyPatch.context() as patch:
        place = Path(work)
        (place / "hub").mkdir()
        with LoopbackHub(place / "hub") as hub:
            patch.setenv("HF_ENDPOINT", hub.hf_endpoint)
            patch.setenv("NO_PROXY", "127.0.0.1")
            recorder = history(hub, place, patch)
        began, seen = time.perf_counter(), Counter[str]()
        for seed in range(cuts):
            chance = random.Random(seed)
            target = place / "after"
            after = chance.randrange(len(recorder.steps) + 1)
            seen[check(recorder, after, target, chance) or "no model"] += 1
            shutil.rmtree(target)
    print(f"{len(recorder.steps)} steps, {cuts:,} cuts in {time.perf_counter() - began:.0f} s")
    print("no file torn, no promise broken; found:", dict(seen))


if __name__ == "__main__":
    main()
