"""The two widgets everything is drawn with. Both repaint only the cells that changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.strip import Strip

from appliance.tui.drawing import BLANK, Line, Span, cells, fit_line

if TYPE_CHECKING:
    from appliance.tui.app import ApplianceApp


class PlainBar(ScrollBarRender):
    """A scroll bar of coloured spaces: no mark of ambiguous width at its ends."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "]


ScrollBar.renderer = PlainBar
_CLOSE = 6
Draw = Callable[[int, int], Sequence[Line]]


def changes(old: Line, new: Line) -> Iterator[tuple[int, int]]:
    """Where `new` differs from `old`: (first cell, number of cells). Moving the cursor costs about
    as much as writing a few cells, so close differences are one.
    """
    begin = end = -1
    for first, count in _differences(old, new):
        if begin >= 0 and first - end > _CLOSE:
            yield begin, end - begin
            begin = -1
        begin = first if begin < 0 else begin
        end = first + count
    if begin >= 0:
        yield begin, end - begin


def _differences(old: Line, new: Line) -> Iterator[tuple[int, int]]:
    if [cells(s.text) for s in old] != [cells(s.text) for s in new]:
        yield 0, max(sum(cells(s.text) for s in line) for line in (old, new))
        return
    at = 0
    for before, after in zip(old, new, strict=True):
        width = cells(after.text)
        if before != after:
            yield from ((at + first, count) for first, count in _within(before, after, width))
        at += width


def _within(before: Span, after: Span, width: int) -> Iterator[tuple[int, int]]:
    """Cell by cell where each mark takes one; with wide ones, or in another style, the whole."""
    narrow = len(before.text) == len(after.text) == width
    if not narrow or before[1:] != after[1:]:
        yield 0, width
        return
    for at, (a, b) in enumerate(zip(before.text, after.text, strict=True)):
        if a != b:
            yield at, 1


class Canvas(ScrollView, can_focus=False):
    """Draws the lines that `draw(width, height)` gives."""

    DEFAULT_CSS = """
    Canvas { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    Canvas.line { height: 1; overflow-y: hidden; }
    """

    def __init__(self, draw: Draw, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._draw_lines = draw
        self._drawn: Sequence[Line] = []
        self.follows = False
        """Whether the end stays in view."""

    def on_mount(self) -> None:
        """A theme changes every cell."""
        self.watch(self.app, "theme", self._recolour, init=False)

    def _recolour(self) -> None:
        self.refresh()

    def on_resize(self) -> None:
        """Another room, other lines."""
        self.redraw()

    def redraw(self) -> None:
        """Draw again, and repaint the cells that are different."""
        width = self.scrollable_content_region.width
        if not self.is_mounted or width <= 0:
            return
        lines = self._draw_lines(width, self.size.height)
        if lines is not self._drawn:
            old, self._drawn = self._drawn, lines
            self.virtual_size = Size(width, len(lines))
            self._repaint(old, lines)
        if self.follows:
            self.scroll_end(animate=False)

    def _repaint(self, old: Sequence[Line], new: Sequence[Line]) -> None:
        for y in self._in_view(max(len(old), len(new))):
            before = old[y] if y < len(old) else BLANK
            after = new[y] if y < len(new) else BLANK
            if before == after:
                continue
            top = self.row_of(y)
            self.refresh(*(Region(x, top, width, 1) for x, width in changes(before, after)))

    def _in_view(self, count: int) -> Iterable[int]:
        """The lines that can be seen, of so many."""
        top = self.scroll_offset.y
        return range(top, min(count, top + self.size.height))

    def row_of(self, y: int) -> int:
        """The row of the widget where the line `y` is seen."""
        return y - self.scroll_offset.y

    def line_at(self, row: int) -> Line:
        """The line seen in a row of the widget."""
        y = row + self.scroll_offset.y
        return self._drawn[y] if y < len(self._drawn) else BLANK

    def render_line(self, y: int) -> Strip:
        """One row, as the toolkit wants it."""
        line = self.line_at(y)
        palette = cast("ApplianceApp", self.app).palette
        segments = [Segment(span.text, _style(span, palette)) for span in line]
        strip = Strip(segments, sum(cells(span.text) for span in line))
        return strip.adjust_cell_length(self.size.width, self.rich_style).apply_style(
            self.rich_style
        )


def _style(span: Span, palette: dict[str, Style]) -> Style | None:
    style = palette.get(span.style)
    if span.action:
        return (style or Style()) + Style(meta={"@click": f"app.do('{span.action}')"})
    return style


class Reader(Canvas, can_focus=True):
    """Lines that are longer than the screen: arrows, pages, ends."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
    ]


class Rows(Canvas, can_focus=True):
    """A table: the first line stays, one of the others is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("home", "move(-100000)", show=False),
        Binding("end,G", "move(100000)", show=False),
    ]

    class Chosen(Message):
        """Another row was chosen; `key` says which."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, draw: Draw, keys: Callable[[], list[str]], *, id: str | None = None) -> None:
        super().__init__(draw, id=id)
        self._keys = keys
        self.chosen: str | None = None

    @property
    def cursor(self) -> int:
        """The chosen row, counted from 0 without the header."""
        keys = self._keys()
        return keys.index(self.chosen) if self.chosen in keys else 0

    def action_move(self, by: int) -> None:
        """Choose the row so many further down."""
        self.choose(self.cursor + by)

    def choose(self, row: int) -> None:
        """Choose a row, bring it into view, and tell."""
        keys = self._keys()
        if not keys:
            return
        self._refresh_row(self.cursor)
        self.chosen = keys[min(max(row, 0), len(keys) - 1)]
        self._refresh_row(self.cursor)
        self._show(self.cursor)
        self.post_message(self.Chosen(self.chosen))

    def on_resize(self) -> None:
        """The chosen row stays in view when the table gets lower, or knew its length too late."""
        if self.chosen is not None:
            self.call_after_refresh(lambda: self._show(self.cursor))

    def on_click(self, event: object) -> None:
        """A click chooses."""
        row = getattr(event, "y", 0)
        if row >= 1:
            self.choose(row - 1 + self.scroll_offset.y)

    def _in_view(self, count: int) -> Iterable[int]:
        """The header, and the rows that can be seen."""
        top = self.scroll_offset.y
        return (0, *range(top + 1, min(count, top + self.size.height))) if count else ()

    def _refresh_row(self, row: int) -> None:
        self.refresh(Region(0, self.row_of(row + 1), self.size.width, 1))

    def _show(self, row: int) -> None:
        room = self.size.height - 1
        top = self.scroll_offset.y
        if row < top:
            self.scroll_to(y=row, animate=False, immediate=True)
        elif row >= top + room:
            self.scroll_to(y=row - room + 1, animate=False, immediate=True)

    def row_of(self, y: int) -> int:
        """The header is always in the first row."""
        return 0 if y == 0 else y - self.scroll_offset.y

    def line_at(self, row: int) -> Line:
        """The header, or the row scrolled to; the chosen one in the style of a choice."""
        if row == 0:
            return self._drawn[0] if self._drawn else BLANK
        line = super().line_at(row)
        if row + self.scroll_offset.y - 1 == self.cursor and self._keys():
            whole = fit_line(line, self.size.width)
            return tuple(span._replace(style="select") for span in whole)
        return line
