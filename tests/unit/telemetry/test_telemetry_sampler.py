"""The sampler: fresh while somebody looks, patient with a box that is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.core.inventory import Card, Host, Inventory
from appliance.core.sample import CardSample, Sample
from appliance.telemetry import sampler as module
from appliance.telemetry.sampler import Sampler


class FakeBox:
    """A box with one card, whose readings and patience the test decides on."""

    def __init__(self) -> None:
        self.util: float | None = 1.0
        self.looks = 0
        self.samples = 0
        self.closed = False
        self.processes = False
        self.gate = threading.Event()
        self.gate.set()

    def inventory(self) -> Inventory:
        self.looks += 1
        state: Any = "lost" if self.util is None else "ok"
        return Inventory(host=Host(), cards=[Card(id="a", vendor="nvidia", state=state)])

    def sample(self, *, processes: bool = False) -> Sample:
        self.processes = processes
        assert self.gate.wait(30)
        self.samples += 1
        if self.util == -1:
            raise RuntimeError("the driver is gone")
        return Sample(time="t", cards=[CardSample(id="a", util_pct=self.util)])

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> FakeBox:
    found = FakeBox()
    monkeypatch.setattr(module, "open_box", lambda state: found)
    monkeypatch.setattr(module, "_WATCHED_S", 0.05)
    monkeypatch.setattr(module, "_UNWATCHED_S", 0.1)
    monkeypatch.setattr(module, "_LOOK_AGAIN_S", 0.0)
    return found


@pytest.fixture
def sampler(box: FakeBox, tmp_path: Path) -> Iterator[Sampler]:
    running = Sampler(tmp_path)
    running.start()
    yield running
    box.gate.set()
    running.stop()
    assert box.closed


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def test_samples_keep_coming_and_tell_their_age(sampler: Sampler, box: FakeBox) -> None:
    until(lambda: box.samples >= 3)

    assert sampler.sample().cards[0].util_pct == 1.0
    box.gate.clear()
    until(lambda: sampler.sample().cards[0].age_s > 0.3)


def test_a_box_that_hangs_does_not_keep_people_waiting(sampler: Sampler, box: FakeBox) -> None:
    until(lambda: box.samples >= 1)
    box.gate.clear()
    until(lambda: sampler._lock.locked())

    assert sampler.inventory().cards[0].id == "a"
    assert sampler.sample().cards[0].util_pct == 1.0


def test_a_card_that_falls_silent_is_looked_at_again(sampler: Sampler, box: FakeBox) -> None:
    until(lambda: box.samples >= 2)
    assert sampler.inventory().cards[0].state == "ok"
    looks = box.looks

    box.util = None
    until(lambda: sampler.inventory().cards[0].state == "lost")
    box.util = 2.0
    until(lambda: sampler.inventory().cards[0].state == "ok")

    assert box.looks == looks + 2


def test_a_box_that_fails_is_asked_again(sampler: Sampler, box: FakeBox) -> None:
    until(lambda: box.samples >= 1)
    box.util = -1
    failed = box.samples
    until(lambda: box.samples >= failed + 3)

    box.util = 3.0
    until(lambda: sampler.sample().cards[0].util_pct == 3.0)


def test_a_fresh_inventory_is_looked_for(sampler: Sampler, box: FakeBox) -> None:
    until(lambda: box.samples >= 1)
    before = box.looks

    sampler.inventory()
    assert box.looks == before
    sampler.inventory(fresh=True)
    assert box.looks == before + 1


def test_one_that_never_began_can_be_stopped(box: FakeBox, tmp_path: Path) -> None:
    Sampler(tmp_path).stop()

    assert box.closed


def test_samples_make_history_that_outlives_the_sampler(box: FakeBox, tmp_path: Path) -> None:
    first = Sampler(tmp_path)
    first.start()
    until(lambda: box.samples >= 2)
    first.stop()

    second = Sampler(tmp_path)
    point = second.history("a", "30d").points[-1]
    second.stop()
    assert point is not None
    assert point.util_pct is not None
    assert point.util_pct.mean == 1.0


def test_processes_are_asked_for_while_somebody_looks_at_them(
    sampler: Sampler, box: FakeBox
) -> None:
    until(lambda: box.samples >= 1)
    assert not box.processes
    sampler.sample(processes=True)
    until(lambda: box.processes)
