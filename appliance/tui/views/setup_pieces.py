"""Lines that the pages of the wizard are put together from."""

from __future__ import annotations

from appliance.core.i18n import Text
from appliance.tui.drawing import BLANK, Line, Span, cells, fit, fit_line, wrap
from appliance.tui.scene import Scene
from appliance.tui.screens.setup_state import Wizard

NAME = 16
"""Cells of a column of names."""


def joined(groups: list[list[Line]]) -> list[Line]:
    """The groups without anything between them."""
    return [line for group in groups for line in group]


def spread(groups: list[list[Line]], room: int) -> list[Line]:
    """The groups below each other; where there is room, with a blank line between them."""
    if sum(map(len, groups)) + len(groups) - 1 > room:
        return joined(groups)
    return joined([[*group, BLANK] for group in groups])[:-1]


def radio(
    scene: Scene, wizard: Wizard, row: int, text: str, *, chosen: bool, right: str = ""
) -> Line:
    """A row that can be chosen: `(*)` is the answer; the row under the cursor is lit."""
    at = wizard.cursor == row
    mark = "(*)" if chosen else "( )"
    room = scene.width - 7 - cells(right)
    shown = fit(text, room, ellipsis=scene.glyphs.ellipsis)
    style = "select" if at else ("strong" if chosen else "")
    return fit_line(
        (Span(f"  {mark} ", style or "dim"), Span(shown, style), Span(right, style or "dim")),
        scene.width,
        ground="select" if at else "",
    )


def indented(scene: Scene, text: str, style: str) -> list[Line]:
    """What belongs to the row above it."""
    left = " " * 6
    return [(Span(left + line, style),) for line in wrap(text, scene.width - len(left)) if text]


def hanging(scene: Scene, start: str, text: str) -> list[Line]:
    """A text beside the mark that it begins with."""
    texts = wrap(text, scene.width - len(start))
    first: Line = (Span(start, "dim"), Span(texts[0]))
    return [first, *((Span(" " * len(start) + line),) for line in texts[1:])]


def paragraph(scene: Scene, text: Text | str, style: str = "dim") -> list[Line]:
    """A text of its own."""
    return [(Span("  " + line, style),) for line in wrap(str(text), scene.width - 4)]


def waiting(scene: Scene, text: str) -> Line:
    """Something is being found out."""
    return (Span(f"  {scene.glyphs.moving} {text}", "moving"),)


def error(scene: Scene, wizard: Wizard) -> list[Line]:
    """Why the page is empty, and what to do."""
    if wizard.error is None:
        return []
    lines: list[Line] = [BLANK]
    lines += [(Span("  " + t, "fail"),) for t in wrap(str(wizard.error), scene.width - 4)]
    hint = str(wizard.error.hint)
    if hint:
        lines += [(Span("  " + t),) for t in wrap(hint, scene.width - 4)]
    return lines


def told(scene: Scene, name: str, text: str, style: str = "", column: int = NAME) -> list[Line]:
    """A name in its column, and a text that may take several lines."""
    left = 2 + column
    texts = wrap(text, scene.width - left)
    names = [name, *[""] * (len(texts) - 1)]
    return [
        (Span("  " + fit(n, column), style or "dim"), Span(t, style))
        for n, t in zip(names, texts, strict=True)
    ]
