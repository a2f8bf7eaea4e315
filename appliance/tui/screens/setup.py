"""Setup: what was found, and the main job with its phases and its proof."""

from __future__ import annotations

from collections.abc import Iterator

from textual.widget import Widget

from appliance.tui.drawing import Line
from appliance.tui.screens.place import Place
from appliance.tui.views import setup as view
from appliance.tui.widgets import Reader


class SetupScreen(Place):
    """Found and missing, then the newest job."""

    place = "setup"

    def body(self) -> Iterator[Widget]:
        """One page."""
        yield Reader(self._page, id="page")

    def on_mount(self) -> None:
        """The arrows scroll."""
        self.query_one(Reader).focus()

    def _page(self, width: int, height: int) -> list[Line]:
        return view.page(self.scene(width, height))
