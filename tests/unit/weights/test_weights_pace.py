"""How many connections are kept, on lines whose speed is a formula and whose clock is ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.core.progress import Cancel
from appliance.weights.pace import Pace
from appliance.weights.speeds import Speeds

MOST = 16


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Line:
    """A pull over a line that gives `bps(connections)`, with as many as there is room for."""

    def __init__(self, bps: Callable[[int], float]) -> None:
        self.clock = Clock()
        self.pace = Pace(MOST, self.clock)
        self.bps = bps
        self.fetched = 0.0
        self.active = 0

    def run(self, seconds: float) -> None:
        end = self.clock.now + seconds
        while self.clock.now < end:
            while self.active and self.pace.crowded():
                self.pace.leave()
                self.active -= 1
            while self.pace.enter():
                self.active += 1
            self.clock.now += 0.1
            self.fetched += 0.1 * self.bps(self.active)
            self.pace.observe(int(self.fetched))


def test_more_connections_are_taken_while_that_is_faster() -> None:
    line = Line(lambda n: min(n * 10e6, 120e6))
    line.run(5)
    before = line.fetched
    line.run(60)
    assert (line.fetched - before) / 60 > 0.93 * 120e6


def test_a_line_that_one_connection_fills_ends_with_few() -> None:
    line = Line(lambda n: 100e6)
    line.run(60)
    assert line.active <= 2


def test_a_line_that_suffers_from_many_stays_near_its_best() -> None:
    line = Line(lambda n: 80e6 if n == 6 else 60e6 if n in (4, 5, 7, 8) else 20e6)
    before = line.fetched
    line.run(120)
    assert (line.fetched - before) / 120 >= 0.85 * 60e6
    assert 3 <= line.active <= 9


def test_a_line_that_becomes_better_is_noticed() -> None:
    line = Line(lambda n: min(n * 10e6, 40e6))
    line.run(30)
    line.bps = lambda n: n * 10e6
    line.run(180)
    before = line.fetched
    line.run(60)
    assert (line.fetched - before) / 60 > 0.8 * MOST * 10e6


@pytest.mark.parametrize("start", [1.0, 5.0])
def test_a_server_that_had_too_much_gets_half_for_five_minutes(start: float) -> None:
    line = Line(lambda n: n * 10e6)
    line.run(start)
    before = line.active
    for _ in range(before):  # every connection hears it
        line.pace.refused()
    line.run(280)
    assert line.active == max(1, before // 2)
    line.run(60)
    assert line.active > before // 2


def test_a_second_file_begins_when_the_first_leaves_connections_unused() -> None:
    clock = Clock()
    pace = Pace(MOST, clock)
    cancel = Cancel()
    with pace.file(cancel):
        while pace.enter():
            pass
        clock.now += 10
        assert not pace._idle()
        pace.leave()
        assert pace._idle()
        with pace.file(cancel):
            assert not pace._idle()  # it has had no time to use them
            clock.now += 1
            assert pace._idle()


def test_speed_is_what_came_in_the_last_seconds_of_use() -> None:
    clock = Clock()
    speeds = Speeds(clock)
    assert speeds.bps("a") is None
    speeds.opened("a")
    for _ in range(20):
        clock.now += 0.25
        speeds.add("a", 250_000)
    assert speeds.bps("a") == pytest.approx(1e6, rel=0.1)
    clock.now += 3.0  # it stalls
    assert (speeds.bps("a") or 0) < 0.7e6
    speeds.closed("a")
    kept = speeds.bps("a")
    clock.now += 1000
    assert speeds.bps("a") == kept
    assert speeds.total("a") == 5_000_000
