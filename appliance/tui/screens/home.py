"""Home: the board."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from appliance.tui.drawing import Line
from appliance.tui.screens.place import Place
from appliance.tui.views.home import board
from appliance.tui.widgets import Canvas


class HomeScreen(Place):
    """Everything at a glance; arrows choose among the deployments."""

    place = "home"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "choose(1)", show=False),
        Binding("up,k", "choose(-1)", show=False),
    ]

    def body(self) -> Iterator[Widget]:
        """One canvas."""
        yield Canvas(self._board, id="board", classes="body")

    def history_of(self) -> str:
        """All cards together."""
        return "all"

    def _board(self, width: int, height: int) -> list[Line]:
        return board(self.scene(width, height))

    def action_choose(self, by: int) -> None:
        """Choose another deployment."""
        self.appliance.choose_deployment(by)
        self.redraw()
