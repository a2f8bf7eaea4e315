"""The last minute and the last hour of every reading, in fixed memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from math import isnan, nan

from appliance.core.sample import Sample
from appliance.tui.words import share

WINDOWS = {"minute": (120, 1.0), "hour": (240, 15.0)}
"""Name: how many points, and how many seconds each one stands for."""


class Ring:
    """The last `size` values, oldest first; `None` is a gap."""

    def __init__(self, size: int) -> None:
        self._values = array("f", [nan]) * size
        self._next = 0

    def add(self, value: float | None) -> None:
        """Forget the oldest for this one."""
        self._values[self._next] = nan if value is None else value
        self._next = (self._next + 1) % len(self._values)

    def last(self, count: int) -> list[float | None]:
        """The newest `count` values; those before the first one are `None`."""
        count = min(count, len(self._values))
        start = self._next - count
        found = (self._values[(start + i) % len(self._values)] for i in range(count))
        return [None if isnan(value) else value for value in found]


class Track:
    """One reading over every window."""

    def __init__(self) -> None:
        self._rings = {name: Ring(size) for name, (size, _) in WINDOWS.items()}
        self._pending: list[float] = []
        self._since = 0.0

    def add(self, value: float | None, at: float) -> None:
        """One reading at the monotonic time `at`; the hour keeps means."""
        self._rings["minute"].add(value)
        if value is not None:
            self._pending.append(value)
        if at - self._since >= WINDOWS["hour"][1]:
            mean = sum(self._pending) / len(self._pending) if self._pending else None
            self._rings["hour"].add(mean)
            self._pending.clear()
            self._since = at

    def last(self, window: str, count: int) -> list[float | None]:
        """The newest `count` points of a window."""
        return self._rings[window].last(count)


class History:
    """Tracks by (card, reading); `host` is the server, `all` the mean of its cards."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str], Track] = {}
        self._newest = ""

    def add(self, sample: Sample, at: float) -> None:
        """Remember a sample once, however often it is seen."""
        if sample.time == self._newest:
            return
        self._newest = sample.time
        for key, value in _readings(sample):
            self._tracks.setdefault(key, Track()).add(value, at)

    def known(self, card: str) -> bool:
        """Whether the last minute knows anything of a card's use."""
        return any(value is not None for value in self.last(card, "util", "minute", 120))

    def gap(self, at: float) -> None:
        """A second of which nothing is known."""
        for track in self._tracks.values():
            track.add(None, at)

    def last(self, card: str, reading: str, window: str, count: int) -> list[float | None]:
        """The newest `count` points; all gaps for what was never read."""
        track = self._tracks.get((card, reading))
        return track.last(window, count) if track else [None] * count


def _readings(sample: Sample) -> Iterable[tuple[tuple[str, str], float | None]]:
    host = sample.host
    yield ("host", "util"), host.cpu_pct
    yield ("host", "memory"), host.memory_used_mib
    yield ("host", "temp"), host.temp_c
    yield ("all", "util"), _mean([card.util_pct for card in sample.cards])
    yield (
        ("all", "memory"),
        _mean([share(card.memory_used_mib, card.memory_total_mib) for card in sample.cards]),
    )
    for card in sample.cards:
        yield (card.id, "util"), card.util_pct
        yield (card.id, "memory"), share(card.memory_used_mib, card.memory_total_mib)
        yield (card.id, "temp"), card.temp_c
        yield (card.id, "power"), share(card.power_w, card.power_limit_w)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
