"""Which of the engines made here are kept."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.engines.kept import forget_old, in_use, switch_to, whole_ones

NOTE = "note.json"


def made(root: Path, key: str, *, at_s: float) -> Path:
    """One that was made at that time, here or elsewhere."""
    place = root / key
    place.mkdir()
    (place / NOTE).touch()
    os.utime(place, (at_s, at_s))
    return place


def test_the_way_back_is_to_the_one_in_use_before_whenever_it_was_made(tmp_path: Path) -> None:
    for key, at_s in (("compiled-here", 3000.0), ("brought-along", 1000.0), ("latest", 2000.0)):
        switch_to(made(tmp_path, key, at_s=at_s))
        forget_old(tmp_path, NOTE, key)

    assert in_use(tmp_path) == "latest"
    assert [place.name for place in whole_ones(tmp_path, NOTE)] == ["latest", "brought-along"]
