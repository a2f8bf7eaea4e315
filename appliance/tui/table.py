"""Tables whose columns share a width: the less important give way, the elastic ones grow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

from appliance.core.i18n import Text
from appliance.tui.drawing import Align, Line, Span, cells, fit, fit_line, line_cells

GAP = 2


@dataclass(frozen=True)
class Column:
    """`rank` 0 never goes; the highest rank goes first. Widths are cells."""

    key: str
    title: Text | str
    least: int
    most: int
    rank: int = 0
    align: Align = "left"
    snug: bool = False
    """As wide as its widest value, within its limits; the others grow into what is left."""

    def floor(self) -> int:
        """The narrowest it can be, its title being whole."""
        return max(self.least, cells(str(self.title)))


Widths = dict[str, int]


Values = Mapping[str, Line]


def arrange(columns: Sequence[Column], width: int, rows: Sequence[Values] = ()) -> Widths:
    """The columns that fit into `width`, in order, with the cells each one gets."""
    kept = [_snug(column, rows) if column.snug else column for column in columns]
    while len(kept) > 1 and _needed(kept) > width and max(c.rank for c in kept) > 0:
        kept.remove(max(kept, key=lambda c: c.rank))
    widths = {c.key: c.floor() for c in kept}
    spare = width - _needed(kept)
    for column in columns:
        if spare < 0 and column.snug and column.key in widths:
            less = min(-spare, widths[column.key] - column.floor())
            widths[column.key] -= less
            spare += less
    while spare > 0:
        growing = [c for c in kept if widths[c.key] < c.most]
        if not growing:
            break
        share = max(1, spare // len(growing))
        for column in growing:
            more = min(share, column.most - widths[column.key], spare)
            widths[column.key] += more
            spare -= more
    return widths


def _snug(column: Column, rows: Sequence[Values]) -> Column:
    widest = max((line_cells(row[column.key]) for row in rows if column.key in row), default=0)
    width = min(max(column.floor(), widest), column.most)
    return replace(column, least=width, most=width)


def _needed(columns: Sequence[Column]) -> int:
    return sum(c.floor() for c in columns) + GAP * (len(columns) - 1)


class Rows(Sequence[Line]):
    """A header and rows that are made when somebody looks at them: most are out of view."""

    def __init__(self, header: Line, count: int, make: Callable[[int], Line]) -> None:
        self._header = header
        self._count = count
        self._make = make
        self._made: dict[int, Line] = {}

    def __len__(self) -> int:
        return self._count + 1

    @overload
    def __getitem__(self, y: int) -> Line: ...

    @overload
    def __getitem__(self, y: slice) -> list[Line]: ...

    def __getitem__(self, y: int | slice) -> Line | list[Line]:
        if isinstance(y, slice):
            return [self[at] for at in range(*y.indices(len(self)))]
        if not 0 <= y <= self._count:
            raise IndexError(y)
        if y == 0:
            return self._header
        if y not in self._made:
            self._made[y] = self._make(y - 1)
        return self._made[y]


def whole(columns: Sequence[Column], rows: Sequence[Values], width: int) -> list[Line]:
    """Header and rows."""
    widths = arrange(columns, width, rows)
    return [header(columns, widths), *(row(columns, widths, values) for values in rows)]


def header(columns: Sequence[Column], widths: Widths) -> Line:
    """The titles over their columns."""
    titles = {
        c.key: (Span(fit(str(c.title), widths[c.key], c.align), "dim"),)
        for c in columns
        if c.key in widths
    }
    return row(columns, widths, titles)


def row(columns: Sequence[Column], widths: Widths, values: Values) -> Line:
    """One row; a value wider than its column is cut."""
    spans: list[Span] = []
    for column in columns:
        if column.key not in widths:
            continue
        if spans:
            spans.append(Span(" " * GAP))
        spans.extend(_cell(values.get(column.key, ()), widths[column.key], column.align))
    return tuple(spans)


def _cell(value: Line, width: int, align: Align) -> Line:
    if align == "right" and len(value) == 1:
        return (value[0]._replace(text=fit(value[0].text, width, "right")),)
    return fit_line(value, width)
