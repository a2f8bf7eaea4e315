"""The fourth identical try is not made, and yet it never gives up for good."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from appliance.node import restarts
from appliance.node.restarts import Restarts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def die(kept: Restarts, clock: list[float], again: str, times: int = 3) -> list[bool]:
    stuck = []
    for _ in range(times):
        stuck.append(kept.died("the same", again))  # type: ignore[arg-type]
        clock[0] += 5.0
    return stuck


def test_what_may_pass_by_itself_is_tried_every_minute(tmp_path: Path, clock: list[float]) -> None:
    kept = Restarts(tmp_path)

    assert die(kept, clock, "slowly") == [False, False, True]
    assert not kept.due()
    clock[0] += restarts.SLOWLY_S
    assert kept.due()


def test_what_does_not_pass_waits_for_the_files_to_change(
    tmp_path: Path, clock: list[float]
) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"half")
    kept = Restarts(model)
    die(kept, clock, "changed")

    clock[0] += 10_000
    assert not kept.due()

    model.write_bytes(b"whole again")
    clock[0] += 10
    assert kept.due()
    assert kept.deaths == 0


def test_a_model_that_comes_back_is_a_change(tmp_path: Path, clock: list[float]) -> None:
    kept = Restarts(tmp_path / "model")
    die(kept, clock, "changed")
    clock[0] += 10
    assert not kept.due()

    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a.safetensors").write_bytes(b"x")
    clock[0] += 10
    assert kept.due()


def test_a_kill_from_outside_is_never_held_against_it(tmp_path: Path, clock: list[float]) -> None:
    kept = Restarts(tmp_path)

    assert not any(die(kept, clock, "soon", times=9))
    clock[0] += 60
    assert kept.due()


def test_an_answer_in_between_begins_anew(tmp_path: Path, clock: list[float]) -> None:
    kept = Restarts(tmp_path)
    die(kept, clock, "slowly", times=2)
    kept.answered()

    assert die(kept, clock, "slowly", times=1) == [False]


def test_every_part_of_a_split_model_counts(tmp_path: Path, clock: list[float]) -> None:
    first, second = (tmp_path / f"m-{n:05}-of-00002.gguf" for n in (1, 2))
    first.write_bytes(b"whole")
    second.write_bytes(b"half")
    kept = Restarts(first)
    die(kept, clock, "changed")

    second.write_bytes(b"whole again")
    clock[0] += 10
    assert kept.due()
