"""The frame of every screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from appliance.tui.drawing import Line
from appliance.tui.scene import Scene
from appliance.tui.views import frame
from appliance.tui.widgets import Canvas

if TYPE_CHECKING:
    from appliance.tui.app import ApplianceApp


class Place(Screen[None]):
    """Title, sentence of truth, the screen's own body, key bar. `place` is its name in the table
    of actions; `tab` the place whose number is lit while it is open.
    """

    place: ClassVar[str] = ""
    tab: ClassVar[str] = ""
    shows_processes: ClassVar[bool] = False
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]

    @property
    def appliance(self) -> ApplianceApp:
        """The application, by its own type."""
        return cast("ApplianceApp", self.app)

    @property
    def complete(self) -> bool:
        """Whether all of it is there: not while it is made, nor while it is taken down."""
        return bool(self.query("#keys"))

    def history_of(self) -> str | None:
        """Whose history it draws: a card, `all`, or nobody's."""
        return None

    def scene(self, width: int, height: int) -> Scene:
        """What there is to see, for a room of this size."""
        return self.appliance.scene(width, height)

    def compose(self) -> ComposeResult:
        """The frame around the body."""
        yield Canvas(self._title, id="title", classes="line")
        yield Canvas(self._truth, id="truth", classes="line")
        yield from self.body()
        yield Canvas(self._keys, id="keys", classes="line")

    def body(self) -> Iterator[Widget]:
        """The widgets between sentence and key bar."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw everything again; only what changed is repainted."""
        for canvas in self.query(Canvas):
            canvas.redraw()

    def arrive(self) -> None:
        """Somebody comes from another place, not merely back from a dialog."""

    def on_screen_resume(self) -> None:
        """While it was hidden nothing was drawn."""
        if self.complete:
            self.redraw()
            self.appliance.care()

    def _title(self, width: int, height: int) -> list[Line]:
        return [frame.title(self.scene(width, height), self.tab or self.place)]

    def _truth(self, width: int, height: int) -> list[Line]:
        return [frame.truth(self.scene(width, height))]

    def _keys(self, width: int, height: int) -> list[Line]:
        return [frame.key_bar(self.scene(width, height), self.place)]
