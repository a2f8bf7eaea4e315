"""What a card did over the chosen period, drawn with blocks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from appliance.core.history import History, HistoryPoint, Span
from appliance.core.i18n import Text, _, say
from appliance.core.sample import CardSample
from appliance.tui.drawing import Line, cells, clip, section, stacked
from appliance.tui.drawing import Span as Part
from appliance.tui.glyphs import Glyphs
from appliance.tui.scene import Scene
from appliance.tui.snapshot import CardRow
from appliance.tui.words import gib, percent, temperature, unknown

PERIODS: dict[Span, Text] = {
    "1m": say("1 minute"),
    "1h": say("1 hour"),
    "1d": say("1 day"),
    "30d": say("30 days"),
}
FOUR = 14
"""Rows from which on four graphs are better than two."""
_GAP = 3
_HOTTEST_C = 100.0


class Curve(NamedTuple):
    """A reading to draw: its field in the history, what fills the graph, where it turns bad."""

    reading: str
    name: str
    full: float | None
    write: Callable[[float | None], str]
    warn: float | None = None


def of_all(scene: Scene, height: int) -> list[Line]:
    """Use and memory of all cards together, and over which period."""
    totals = [
        reading.memory_total_mib for row in scene.snapshot.cards() if (reading := row.reading)
    ]
    known = [total for total in totals if total]
    memory = sum(known) / len(known) if known else None
    left = Curve("util_pct", _("in use, all cards"), 100, percent)
    right = Curve("memory_used_mib", _("memory, all cards"), memory, _gigabytes)
    if len(scene.snapshot.cards()) < 2 or _crowded(scene, left, right):
        left, right = left._replace(name=_("in use")), right._replace(name=_("memory"))
    return _pair(scene, "all", left, right, height)


def _crowded(scene: Scene, *curves: Curve) -> bool:
    """Whether a name would leave no room for its numbers."""
    points, half = _points(scene, "all"), (scene.width - _GAP) // 2
    return any(cells(c.name + _note(scene, c, points)) + _GAP > half for c in curves)


def of_card(scene: Scene, card: CardRow, height: int) -> list[Line]:
    """Use and memory, and where there is room heat and power."""
    reading = card.reading or CardSample(id=card.id)
    total = reading.memory_total_mib or (card.card.memory_mib if card.card else None)
    used = Curve("util_pct", _("in use"), 100, percent)
    memory = Curve("memory_used_mib", _("memory"), total, _gigabytes)
    if height < FOUR:
        return _pair(scene, card.id, used, memory, height)
    heat = Curve(
        "temp_c",
        _("temperature"),
        reading.temp_critical_c or _HOTTEST_C,
        _degrees(scene.glyphs),
        reading.temp_warn_c,
    )
    power = Curve("power_w", _("power"), reading.power_limit_w, _watts)
    half = height // 2
    return [
        *_pair(scene, card.id, used, memory, half),
        *_pair(scene, card.id, heat, power, height - half),
    ]


def _degrees(glyphs: Glyphs) -> Callable[[float | None], str]:
    return lambda value: temperature(value, glyphs)


def _gigabytes(value: float | None) -> str:
    return unknown() if value is None else f"{gib(value)}G"


def _watts(value: float | None) -> str:
    return unknown() if value is None else f"{value:.0f} W"


def known(scene: Scene, card: str) -> bool:
    """Whether the history at hand is this card's, of this period, and tells anything."""
    return any(point is not None for point in _points(scene, card))


def _points(scene: Scene, card: str) -> list[HistoryPoint | None]:
    history = scene.snapshot.history
    fits = history and (history.card, history.span) == (card, scene.span)
    return history.points if history and fits else []


def _pair(scene: Scene, card: str, left: Curve, right: Curve, height: int) -> list[Line]:
    half = (scene.width - _GAP) // 2
    one = _graph(scene, card, left, half, height)
    two = _graph(scene, card, right, scene.width - _GAP - half, height)
    return [(*a, Part(" " * _GAP), *b) for a, b in zip(one, two, strict=True)]


def _graph(scene: Scene, card: str, curve: Curve, width: int, height: int) -> list[Line]:
    points = _points(scene, card)
    history = scene.snapshot.history
    values = columns(history, curve.reading, width) if history and points else [None] * width
    full = curve.full or max((v for v in values if v is not None), default=None)
    shares = [100 * v / full if v is not None and full else None for v in values]
    rows = stacked(shares, height - 1, scene.glyphs)
    note = clip(_note(scene, curve, points), width - cells(curve.name) - 2)
    lines: list[Line] = [section(curve.name, width, scene.glyphs, note)]
    limit = 100 * curve.warn / full if curve.warn and full else None
    for number, text in enumerate(rows):
        top = 100 * (len(rows) - number) / len(rows)
        hot = [limit is not None and top > limit <= (share or 0) for share in shares]
        lines.append(_coloured(text, hot))
    return lines


def _coloured(text: str, hot: list[bool]) -> Line:
    """A row of a graph; what is above the limit stands out."""
    runs = itertools.groupby(zip(text, hot, strict=True), key=lambda pair: pair[1])
    return tuple(
        Part("".join(mark for mark, _hot in run), "meter_high" if bad else "graph")
        for bad, run in runs
    )


def _note(scene: Scene, curve: Curve, points: list[HistoryPoint | None]) -> str:
    """The period, and the least and the most that was read in it."""
    period = str(PERIODS[scene.span])
    found = [r for point in points if point and (r := getattr(point, curve.reading)) is not None]
    if not found:
        return period
    least, most = min(r.min for r in found), max(r.max for r in found)
    return f"{curve.write(least)} - {curve.write(most)}  {period}"


def columns(history: History, reading: str, width: int) -> list[float | None]:
    """The means of a reading over the whole span in exactly `width` columns, newest on the right.

    A column is a stretch of time of its own: what is drawn moves on, it does not change its shape.
    """
    values = [_mean_of(point, reading) for point in history.points]
    count = len(values)
    last = round(datetime.fromisoformat(history.until).timestamp()) // history.step_s - 1
    first = last - count + 1
    newest = ((last + 1) * width - 1) // count
    drawn = []
    for column in range(newest - width + 1, newest + 1):
        begin, end = column * count // width, (column + 1) * count // width
        steps = range(max(begin, first), max(begin + 1, min(end, last + 1)))
        drawn.append(_mean(values[step - first] for step in steps))
    return drawn


def _mean_of(point: HistoryPoint | None, reading: str) -> float | None:
    found = getattr(point, reading) if point else None
    return found.mean if found else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
