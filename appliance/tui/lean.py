"""Sends the terminal only the cells that changed.

The toolkit (Textual 8.2.8, pinned) repaints a changed span from the left edge of its widget and
styles every piece by itself. Over a slow line that is four times the bytes that are needed; here a
span begins where it begins, and neighbours of one style are one piece.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.control import Control
from textual._compositor import ChopsUpdate


class LeanUpdate(ChopsUpdate):
    """The same update, cut to its spans."""

    def render_segments(self, console: Console) -> str:
        """Cursor movements, styles and text."""
        return "".join(self._pieces(console))

    def _pieces(self, console: Console) -> Iterator[str]:
        for y, left, right in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= right or end <= left:
                    continue
                begin = max(x, left)
                part = strip.crop(begin - x, min(end, right) - x).simplify()
                yield Control.move_to(begin, y).segment.text
                yield part.render(console)


def lean(update: RenderableType | None) -> RenderableType | None:
    """A partial update made lean; anything else as it is."""
    if type(update) is ChopsUpdate:
        return LeanUpdate(update.chops, update.spans, update.chop_ends)
    return update
