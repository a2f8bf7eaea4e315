"""What the cards did over the last minute, hour, day and thirty days, on disk in a fixed size.

Every sample goes into the step under way of each span: least, sum, most. Steps go to the file of
their card every few seconds, the unfinished ones too, so that a killed daemon loses no more than
that; the next one takes an unfinished step up again where it stood.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from math import inf
from pathlib import Path

from appliance.core.history import (
    READINGS,
    STEPS,
    History,
    HistoryPoint,
    Range,
    Span,
)
from appliance.core.sample import CardSample, Sample
from appliance.telemetry.rings import Reading, Record, RingFile

log = logging.getLogger(__name__)
_WRITE_EVERY_S = 5.0
_TRY_AGAIN_S = 60.0
_STANDS_FOR_S = 6
"""How long a reading is the newest one where nobody looks: a little over the sampler's pause."""
_FORGET_S = 30 * 86400
_MOST_CARDS = 512

Values = tuple[float | None, ...]
"""One value, or `None`, for each of `READINGS`."""


class CardHistory:
    """The history of every card of a server, of the server, and of all cards together.

    Safe for a thread that adds and others that read. Never raises for the disk: where nothing can
    be written there is no history, and the reason is in the log.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tracks: dict[str, _Track] = {}
        self._lock = threading.Lock()
        self._written = 0.0
        self._refused = -inf

    def add(self, sample: Sample, at: float) -> None:
        """Remember a sample that was taken at the Unix time `at`."""
        with self._lock:
            for subject, values in _values_of(sample):
                track = self._track(subject)
                if track is not None:
                    track.add(values, at)
            if abs(at - self._written) >= _WRITE_EVERY_S:
                self._written = at
                self._write()

    def read(self, card: str, span: Span, at: float) -> History:
        """A span up to the Unix time `at`; all gaps for a card that was never seen."""
        with self._lock:
            known = card in self._tracks or self._path(card).exists()
            track = self._track(card) if known else None
            records = track.read(span) if track else {}
        steps = STEPS[span]
        last = int(at) // steps.step_s
        points = [_point(records.get(n)) for n in range(last - steps.count + 1, last + 1)]
        until = datetime.fromtimestamp((last + 1) * steps.step_s, UTC)
        return History(
            card=card,
            span=span,
            step_s=steps.step_s,
            until=until.isoformat(),
            points=_bridged(points) if steps.step_s == 1 else points,
        )

    def close(self) -> None:
        """Write what is not written yet."""
        with self._lock:
            self._write()
            for track in self._tracks.values():
                track.close()
            self._tracks.clear()

    def _path(self, subject: str) -> Path:
        return self._directory / f"{hashlib.sha256(subject.encode()).hexdigest()[:20]}.ring"

    def _track(self, subject: str) -> _Track | None:
        known = self._tracks.get(subject)
        if known is None and time.monotonic() - self._refused > _TRY_AGAIN_S:
            try:
                if not self._tracks:
                    self._forget()
                known = self._tracks[subject] = _Track(RingFile(self._path(subject)))
            except OSError as error:
                self._refused = time.monotonic()
                log.warning("no history is kept: %s", error)
        return known

    def _forget(self) -> None:
        """Cards that left long ago; what a killed daemon was about to make."""
        if not self._directory.is_dir():
            return
        files = sorted(self._directory.iterdir(), key=lambda path: path.stat().st_mtime)
        old = time.time() - _FORGET_S
        for path in files:
            if path.suffix == ".part" or path.stat().st_mtime < old:
                path.unlink(missing_ok=True)
        for path in files[:-_MOST_CARDS]:
            path.unlink(missing_ok=True)

    def _write(self) -> None:
        try:
            for track in self._tracks.values():
                track.write()
        except OSError as error:
            log.warning("the history was not written: %s", error)


class _Track:
    """One subject: its file, and the steps that are not in it yet."""

    def __init__(self, file: RingFile) -> None:
        self._file = file
        self._open: dict[Span, _Step] = {}
        self._closed: list[tuple[Span, int, Record]] = []

    def add(self, values: Values, at: float) -> None:
        if all(value is None for value in values):
            return
        for span, steps in STEPS.items():
            number = int(at) // steps.step_s
            step = self._open.get(span)
            if step is None or step.number != number:
                if step is not None:
                    self._closed.append((span, step.number, step.record()))
                before = self._file.read(span).get(number) if step is None else None
                step = self._open[span] = _Step(number, before)
            step.add(values)

    def write(self) -> None:
        closed, self._closed = self._closed, []
        for span, number, record in closed:
            self._file.write(span, number, record)
        for span, step in self._open.items():
            if step.news:
                self._file.write(span, step.number, step.record())
                step.news = False

    def read(self, span: Span) -> dict[int, Record]:
        found = self._file.read(span)
        found |= {number: record for s, number, record in self._closed if s == span}
        step = self._open.get(span)
        return found | {step.number: step.record()} if step else found

    def close(self) -> None:
        self._file.close()


class _Step:
    """The step under way: per reading how many values, least, sum, most."""

    def __init__(self, number: int, before: Record | None) -> None:
        self.number = number
        self.news = False
        self._sums = [
            [n, least, mean * n, most] if n else [0, inf, 0.0, -inf]
            for n, least, mean, most in before or ((0, 0.0, 0.0, 0.0),) * len(READINGS)
        ]

    def add(self, values: Values) -> None:
        self.news = True
        for value, sums in zip(values, self._sums, strict=True):
            if value is not None:
                sums[0] += 1
                sums[1] = min(sums[1], value)
                sums[2] += value
                sums[3] = max(sums[3], value)

    def record(self) -> Record:
        return tuple(_reading(int(n), least, total, most) for n, least, total, most in self._sums)


def _reading(n: int, least: float, total: float, most: float) -> Reading:
    return (n, least, total / n, most) if n else (0, 0.0, 0.0, 0.0)


def _point(record: Record | None) -> HistoryPoint | None:
    if record is None:
        return None
    ranges = {
        name: Range(min=round(least, 2), mean=round(mean, 2), max=round(most, 2))
        for name, (n, least, mean, most) in zip(READINGS, record, strict=True)
        if n
    }
    return HistoryPoint(**ranges)


def _bridged(points: list[HistoryPoint | None]) -> list[HistoryPoint | None]:
    """A reading stands for the seconds until the next one, as long as that is not overdue."""
    last, age = None, 0
    bridged: list[HistoryPoint | None] = []
    for point in points:
        last, age = (point, 0) if point is not None else (last, age + 1)
        bridged.append(last if age < _STANDS_FOR_S else None)
    return bridged


def _values_of(sample: Sample) -> Iterator[tuple[str, Values]]:
    cards = [_card_values(card) for card in sample.cards]
    host = sample.host
    yield "host", (host.cpu_pct, host.memory_used_mib, host.temp_c, None, None)
    yield "all", tuple(map(_mean, zip(*cards, strict=True))) or (None,) * len(READINGS)
    for card, values in zip(sample.cards, cards, strict=True):
        yield card.id, values


def _card_values(card: CardSample) -> Values:
    return (card.util_pct, card.memory_used_mib, card.temp_c, card.power_w, card.clock_mhz)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
