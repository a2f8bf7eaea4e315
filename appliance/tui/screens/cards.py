"""Cards: a table of all, and one in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.widget import Widget

from appliance.tui.drawing import BLANK, Line
from appliance.tui.screens.place import Place
from appliance.tui.snapshot import CardRow
from appliance.tui.views import card as card_view
from appliance.tui.views import cards as view
from appliance.tui.widgets import Canvas, Reader, Rows

_GRAPH_ROWS, _MOST_GRAPH_ROWS = 10, 30
_LEAST_TABLE = 9


class CardsScreen(Place):
    """One line a card, worst first; the history of the chosen one below."""

    place = "cards"

    def __init__(self) -> None:
        super().__init__()
        self.filtered = ""

    def body(self) -> Iterator[Widget]:
        """The table, and the graphs where there is room."""
        yield Rows(self._table, lambda: [card.id for card in self._cards()], id="rows")
        yield Canvas(self._graphs, id="graphs", classes="body")

    def on_mount(self) -> None:
        """The arrows belong to the table."""
        self.query_one(Rows).focus()

    def on_resize(self) -> None:
        """The graphs go where the table needs the room."""
        if not self.complete:
            return
        scene = self.scene(self.size.width, self.size.height)
        room = self.size.height - (4 if self.has_class("-tall") else 3)
        wanted = len(self._cards()) + 1
        graphs = room - max(_LEAST_TABLE, min(wanted, room))
        shown = not scene.slow and (graphs >= 4 or room >= _LEAST_TABLE + _GRAPH_ROWS)
        canvas = self.query_one("#graphs", Canvas)
        canvas.display = shown
        chosen = self.card
        if chosen and view.nothing_to_draw(scene, chosen):
            wanted = len(view.below(scene, chosen, 0)) + 1
        else:
            wanted = max(_GRAPH_ROWS, graphs)
        height = min(wanted, room - _LEAST_TABLE, _MOST_GRAPH_ROWS)
        canvas.styles.height = height if shown else 0

    def redraw(self) -> None:
        """The number of cards decides about the graphs."""
        self.on_resize()
        super().redraw()

    def history_of(self) -> str | None:
        """The chosen card's."""
        chosen = self.card
        return chosen.id if chosen else None

    def _cards(self) -> list[CardRow]:
        snapshot = self.appliance.snapshot
        cards = snapshot.worst_first() if self.appliance.worst_first else snapshot.cards()
        return view.matching(cards, self.filtered)

    def _table(self, width: int, height: int) -> Sequence[Line]:
        return view.table(self.scene(width, height), self._cards(), filtered=self.filtered)

    def _graphs(self, width: int, height: int) -> list[Line]:
        chosen = self.card
        if chosen is None:
            return []
        return [BLANK, *view.below(self.scene(width, height), chosen, height - 1)]

    @property
    def card(self) -> CardRow | None:
        """The chosen card."""
        cards = self._cards()
        return cards[self.query_one(Rows).cursor] if cards else None

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        """The graphs show the chosen card."""
        self.appliance.card = event.key
        self.query_one("#graphs", Canvas).redraw()
        self.appliance.care()

    def do_order(self) -> None:
        """Worst first, or in the order of the driver."""
        self.appliance.worst_first = not self.appliance.worst_first
        self.redraw()

    def do_filter(self) -> None:
        """Ask for a text."""
        from appliance.tui.screens.dialogs import Ask

        self.app.push_screen(Ask(self.filtered), self._filter)

    def _filter(self, text: str | None) -> None:
        if text is not None:
            self.filtered = text
            self.redraw()

    def do_details(self) -> None:
        """Open the chosen card."""
        if chosen := self.card:
            self.app.push_screen(CardScreen(chosen.id))

    def text(self) -> str:
        """What copying gives: the table."""
        return plain(self._table(120, 0))


class CardScreen(Place):
    """One card in full."""

    place = "card"
    tab = "cards"
    shows_processes = True

    def __init__(self, card: str) -> None:
        super().__init__()
        self._card = card

    def body(self) -> Iterator[Widget]:
        """Facts, graphs, processes."""
        yield Reader(self._details, id="details")

    def on_mount(self) -> None:
        """The arrows scroll; how the card is linked is asked for once."""
        self.query_one(Reader).focus()
        self.appliance.ask_links()

    def history_of(self) -> str:
        """The card's own."""
        return self._card

    @property
    def card(self) -> CardRow | None:
        """The card, as long as it is known."""
        return self.appliance.snapshot.card(self._card)

    def _details(self, width: int, height: int) -> list[Line]:
        card = self.card
        return card_view.page(self.scene(width, height), card) if card else []

    def text(self) -> str:
        """What copying gives."""
        return plain(self._details(100, 60))


def plain(lines: Sequence[Line]) -> str:
    """Lines without their styles."""
    return "\n".join("".join(span.text for span in line).rstrip() for line in lines)
