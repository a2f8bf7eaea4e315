"""Health: what is wrong now, and everything that happened."""

from __future__ import annotations

from collections.abc import Iterator

from textual.widget import Widget

from appliance.tui.drawing import Line
from appliance.tui.screens.dialogs import Ask
from appliance.tui.screens.place import Place
from appliance.tui.views import health as view
from appliance.tui.widgets import Reader


class HealthScreen(Place):
    """Notices with their advice, then the log of events."""

    place = "health"

    def __init__(self) -> None:
        super().__init__()
        self.filtered = ""

    def body(self) -> Iterator[Widget]:
        """One page."""
        yield Reader(self._page, id="page")

    def on_mount(self) -> None:
        """The arrows scroll."""
        self.query_one(Reader).focus()

    def _page(self, width: int, height: int) -> list[Line]:
        return view.page(self.scene(width, height), self.filtered)

    def do_filter(self) -> None:
        """Ask for a text."""
        self.app.push_screen(Ask(self.filtered), self._filter)

    def _filter(self, text: str | None) -> None:
        if text is not None:
            self.filtered = text
            self.redraw()
