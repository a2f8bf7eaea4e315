"""Lines of styled text, measured in terminal cells. No screen, no colours: names of styles only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from rich.cells import cell_len

from appliance.tui.glyphs import Glyphs

Align = Literal["left", "right"]


class Span(NamedTuple):
    """A run of text in one style (a name of `themes.PALETTE`); a click on it does `action`."""

    text: str
    style: str = ""
    action: str = ""


Line = tuple[Span, ...]
BLANK: Line = ()

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_NEVER_FIRST = "，。；：！？、）》」』”’,.;:!?)"
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def clean(text: str) -> str:
    """`text` without anything that would move the cursor, colour the screen or hide itself."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text)).replace("\t", "    ")


def cells(text: str) -> int:
    """How many cells a terminal needs for `text`."""
    return len(text) if text.isascii() else cell_len(text)


def line_cells(line: Line) -> int:
    """How many cells a terminal needs for `line`."""
    return sum(cells(span.text) for span in line)


def head(text: str, width: int) -> str:
    """As much of the beginning of `text` as `width` cells hold."""
    if text.isascii():
        return text[:width]
    used = 0
    for at, character in enumerate(text):
        used += cells(character)
        if used > width:
            return text[:at]
    return text


def clip(text: str, width: int, ellipsis: str = "~") -> str:
    """`text`, cut with `ellipsis` where it is wider than `width` cells."""
    if cells(text) <= width:
        return text
    room = width - cells(ellipsis)
    return head(text, room).rstrip() + ellipsis if room > 0 else head(text, width)


def fit(text: str, width: int, align: Align = "left", ellipsis: str = "~") -> str:
    """`text` in exactly `width` cells."""
    text = clip(text, width, ellipsis)
    room = " " * (width - cells(text))
    return room + text if align == "right" else text + room


def fit_line(line: Line, width: int, ellipsis: str = "~", ground: str = "") -> Line:
    """`line` in exactly `width` cells; `ground` is the style of the room that is left."""
    spare = width - line_cells(line)
    if spare >= 0:
        return (*line, Span(" " * spare, ground)) if spare else line
    return tuple(_cut(line, width, ellipsis))


def _cut(line: Line, width: int, ellipsis: str) -> Iterator[Span]:
    for span in line:
        if cells(span.text) >= width:
            yield span._replace(text=fit(span.text + ellipsis, width, ellipsis=ellipsis))
            return
        width -= cells(span.text)
        yield span


def ends(left: Line, right: Line, width: int, ellipsis: str = "~", ground: str = "") -> Line:
    """`left` and `right` at the two ends of `width` cells; the left one gives way."""
    return (*fit_line(left, width - line_cells(right), ellipsis, ground), *right)


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at spaces, or between CJK characters."""
    return [line for paragraph in text.split("\n") for line in _wrap_one(paragraph, max(2, width))]


def _wrap_one(text: str, width: int) -> Iterator[str]:
    while cells(text) > width:
        taken = head(text, width)
        cut = _break_at(taken, text)
        yield text[:cut].rstrip()
        text = text[cut:].lstrip(" ")
    yield text


def _break_at(taken: str, text: str) -> int:
    """Where to break: after the last space of `taken`, or beside a wide character."""
    at = len(taken)
    if at >= len(text) or text[at] == " ":
        return at
    for cut in range(at, 0, -1):
        if text[cut] in _NEVER_FIRST:
            continue
        if taken[cut - 1] == " " or max(cells(taken[cut - 1]), cells(text[cut])) > 1:
            return cut
    return at


def section(title: str, width: int, glyphs: Glyphs, note: str = "") -> Line:
    """A heading with a rule up to the right end, and a short note set into it."""
    right = f" {note}" if note else ""
    rule = max(0, width - cells(title) - cells(right) - 1)
    return (Span(title, "head"), Span(f" {glyphs.rule * rule}", "rule"), Span(right, "dim"))


def named(name: str, value: str, column: int = 10, style: str = "") -> Line:
    """A name in a column of its own, then its value."""
    return (Span("  " + fit(name, column), "dim"), Span(value, style))


def meter(percent: float | None, width: int, glyphs: Glyphs, style: str) -> Line:
    """A bar of `width` cells; an unknown percentage has none at all."""
    if percent is None or width < 1:
        return (Span(" " * width),)
    filled = min(max(percent, 0.0), 100.0) / 100 * width
    whole = int(filled)
    half = glyphs.half if filled - whole >= 0.5 and whole < width else ""
    rest = width - whole - len(half)
    return (Span(glyphs.full * whole + half, style), Span(glyphs.track * rest, "track"))


def stacked(percents: Sequence[float | None], height: int, glyphs: Glyphs) -> list[str]:
    """A graph, one column a value, `height` rows from the top; unknown values leave a gap."""
    steps = len(glyphs.levels) - 1
    rows = []
    for row in range(height - 1, -1, -1):
        rows.append("".join(_level(p, row, height, steps, glyphs) for p in percents))
    return rows


def _level(percent: float | None, row: int, height: int, steps: int, glyphs: Glyphs) -> str:
    if percent is None:
        return " "
    total = round(min(max(percent, 0.0), 100.0) / 100 * height * steps)
    if row == 0 and total == 0:
        total = 1
    return glyphs.levels[min(max(total - row * steps, 0), steps)]
