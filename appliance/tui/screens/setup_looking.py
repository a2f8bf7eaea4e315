"""The half of the setup screen that looks: in a thread, what it finds comes as messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer

from appliance.core.errors import ApplianceError
from appliance.core.i18n import current_language
from appliance.tui.backend import in_thread
from appliance.tui.screens.place import Place
from appliance.tui.screens.setup_state import Setup, Wizard, looked, pointed
from appliance.tui.widgets import Canvas

_PAUSE_S = 0.3
"""How long a field stays as it is before the planner is asked about it."""


class Seen(Message):
    """Something that the look number `turn` found out."""

    def __init__(self, turn: int, changes: dict[str, Any]) -> None:
        super().__init__()
        self.turn = turn
        self.changes = changes


class Pages(Canvas, can_focus=True):
    """The page in front; the keys go to it, so that a letter is no command elsewhere."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j,tab", "screen.move(1)", show=False),
        Binding("up,k,shift+tab", "screen.move(-1)", show=False),
        Binding("right,l,plus", "screen.turn(1)", show=False),
        Binding("left,h,minus", "screen.turn(-1)", show=False),
    ]

    def redraw(self) -> None:
        """Keep the row under the cursor in view."""
        super().redraw()
        lit = [y for y, line in enumerate(self._drawn) if any(s.style == "select" for s in line)]
        top, room = self.scroll_offset.y, self.size.height
        if lit and room and not top <= lit[0] < top + room:
            self.scroll_to(y=max(0, lit[0] - room // 2), animate=False, immediate=True)


class Looking(Place):
    """Keeps the state of the wizard, and finds out what its pages show."""

    def __init__(self) -> None:
        super().__init__()
        self.wizard = Wizard()
        self._turn = 0
        self._waits = False
        self._timer: Timer | None = None
        self._language = current_language()

    @property
    def setup(self) -> Setup | None:
        """Who answers; a picture of another server has nobody."""
        return self.appliance.backend.setup

    def redraw(self) -> None:
        """Look when the daemon has told what is here, and again in another language."""
        if self._language != current_language():
            self._language = current_language()
            self.wizard = replace(self.wizard, found=None, outside=None, places=None, proposal=None)
            self._waits = True
        if self._waits:
            self.look()
        super().redraw()

    def look(self) -> None:
        """Find out what the page in front needs; what an earlier look finds is dropped."""
        self._timer = None
        self._turn += 1
        turn, wizard, setup = self._turn, self.wizard, self.setup
        snapshot = self.appliance.snapshot
        self._waits = snapshot.inventory is None
        if snapshot.inventory is None:
            return
        inventory, running = snapshot.inventory, snapshot.deployments

        def look() -> None:
            for changes in looked(wizard, setup, inventory, running):
                self.post_message(Seen(turn, changes))

        def tell(_value: object, error: ApplianceError | None) -> None:
            if error:
                self.post_message(Seen(turn, {"error": error}))

        in_thread(look, tell)

    def on_seen(self, message: Seen) -> None:
        """Keep it, unless the operator has gone on since."""
        if message.turn != self._turn:
            return
        before, self.wizard = self.wizard, replace(self.wizard, **message.changes)
        filled = {"choice": "offered", "source": "places"}.get(self.wizard.page, "")
        if filled and getattr(before, filled) is None and filled in message.changes:
            self.wizard = pointed(self.wizard)
        self.redraw()

    def look_soon(self) -> None:
        """When the operator has come to rest."""
        if self._timer:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE_S, self.look)
