"""What can be done with a card: held, released, asked how it is linked."""

from __future__ import annotations

from collections.abc import Callable

from appliance.core.errors import ApplianceError
from appliance.core.i18n import _
from appliance.core.topology import Topology
from appliance.tui.backend import in_thread
from appliance.tui.messages import Ended
from appliance.tui.snapshot import CardRow
from appliance.tui.work import Work


class CardWork(Work):
    """The actions of the screens of cards."""

    topology: Topology | None

    def do_hold_card(self) -> None:
        """Take the chosen card out of use, after a yes."""
        card = self._chosen_card()
        if card is None or card.hold:
            self.notify(_("it is held already") if card else _("there is no card"))
            return
        self.confirm(
            _("Take {card} on {host} out of use?").format(card=card.title, host=self.host()),
            _("An engine on it is started afresh without it, or stops where it needs it."),
            _("Hold"),
            lambda: self._call(
                lambda: self.node.hold_card(card.id, _("maintenance")),
                _("{card} is held").format(card=card.title),
            ),
        )

    def do_release_card(self) -> None:
        """Let the chosen card be used again, after a yes."""
        card = self._chosen_card()
        if card is None or card.hold is None:
            self.notify(_("it is not held"))
            return
        self.confirm(
            _("Release {card} on {host}?").format(card=card.title, host=self.host()),
            _("It was held: {reason}").format(reason=card.hold.reason),
            _("Release"),
            lambda: self._call(
                lambda: self.node.release_card(card.id),
                _("{card} may be used again").format(card=card.title),
            ),
        )

    def _chosen_card(self) -> CardRow | None:
        """The card of the screen in front."""
        card: CardRow | None = getattr(self.screen, "card", None)
        return card

    def ask_links(self, then: Callable[[Topology], None] | None = None) -> None:
        """Ask how the cards are linked, if it is not known yet."""
        if self.topology is not None:
            if then:
                then(self.topology)
            return

        def keep(value: object) -> None:
            if isinstance(value, Topology):
                self.topology = value
                self.redraw()
                if then:
                    then(value)

        def tell(value: object, error: ApplianceError | None) -> None:
            self.post_message(Ended(keep, value, error))

        in_thread(self.node.topology, tell)

    def do_links(self) -> None:
        """The matrix of links, on a page of its own."""
        self.ask_links(self._show_links)

    def _show_links(self, topology: Topology) -> None:
        from appliance.tui.screens.dialogs import Page
        from appliance.tui.views.links import matrix

        names = {row.id: row.label for row in self.snapshot.cards()}
        self.push_screen(Page(lambda width: matrix(topology, names, width)))
