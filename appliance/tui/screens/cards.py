"""Cards: a table of all, and one in full."""

from __future__ import annotations

from collections.abc import Iterator

from textual.widget import Widget

from appliance.tui.drawing import BLANK, Line
from appliance.tui.screens.place import Place
from appliance.tui.snapshot import CardRow
from appliance.tui.views import cards as view
from appliance.tui.widgets import Canvas, Reader, Rows

_GRAPH_ROWS = 9
_LEAST_TABLE = 10


class CardsScreen(Place):
    """One line a card, worst first; the history of the chosen one below."""

    place = "cards"

    def body(self) -> Iterator[Widget]:
        """The table, and the graphs where there is room."""
        yield Rows(self._table, lambda: [card.id for card in self._cards()], id="rows")
        yield Canvas(self._graphs, id="graphs", classes="body")

    def on_mount(self) -> None:
        """The arrows belong to the table."""
        self.query_one(Rows).focus()

    def on_resize(self) -> None:
        """The graphs go where the table needs the room."""
        scene = self.scene(self.size.width, self.size.height)
        room = self.size.height - 3
        wanted = len(scene.snapshot.cards()) + 1
        graphs = room - max(_LEAST_TABLE, min(wanted, room))
        shown = not scene.slow and (graphs >= 4 or room >= _LEAST_TABLE + _GRAPH_ROWS)
        canvas = self.query_one("#graphs", Canvas)
        canvas.display = shown
        canvas.styles.height = min(max(_GRAPH_ROWS, graphs), room - _LEAST_TABLE) if shown else 0

    def redraw(self) -> None:
        """The number of cards decides about the graphs."""
        self.on_resize()
        super().redraw()

    def _cards(self) -> list[CardRow]:
        snapshot = self.appliance.snapshot
        return snapshot.worst_first() if self.appliance.worst_first else snapshot.cards()

    def _table(self, width: int, height: int) -> list[Line]:
        return view.table(self.scene(width, height), self._cards())

    def _graphs(self, width: int, height: int) -> list[Line]:
        chosen = self._chosen()
        if chosen is None:
            return []
        return [BLANK, *view.below(self.scene(width, height), chosen, height - 1)]

    def _chosen(self) -> CardRow | None:
        cards = self._cards()
        return cards[self.query_one(Rows).cursor] if cards else None

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        """The graphs show the chosen card."""
        self.appliance.card = event.key
        self.query_one("#graphs", Canvas).redraw()

    def do_order(self) -> None:
        """Worst first, or in the order of the driver."""
        self.appliance.worst_first = not self.appliance.worst_first
        self.redraw()

    def do_details(self) -> None:
        """Open the chosen card."""
        if chosen := self._chosen():
            self.app.push_screen(CardScreen(chosen.id))


class CardScreen(Place):
    """One card in full."""

    place = "card"
    tab = "cards"

    def __init__(self, card: str) -> None:
        super().__init__()
        self.card = card

    def body(self) -> Iterator[Widget]:
        """Facts and graphs."""
        yield Reader(self._details, id="details")

    def on_mount(self) -> None:
        """The arrows scroll."""
        self.query_one(Reader).focus()

    def _details(self, width: int, height: int) -> list[Line]:
        scene = self.scene(width, height)
        found = [card for card in scene.snapshot.cards() if card.id == self.card]
        return view.details(scene, found[0]) if found else []

    def text(self) -> str:
        """What copying gives."""
        lines = self._details(80, 60)
        return "\n".join("".join(span.text for span in line).rstrip() for line in lines)
