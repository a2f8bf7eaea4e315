"""Which cards of this server a plan may use."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from appliance.core.errors import ApplianceError, DoesNotFit
from appliance.core.holds import load_holds
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.paths import Paths
from appliance.core.status import SERVING, DeploymentStatus

HOLDING = SERVING | {"starting", "degraded"}
"""States in which a deployment needs its cards."""


def free_inventory(
    inventory: Inventory, running: Sequence[DeploymentStatus], model: str | None
) -> Inventory:
    """The server without the cards that others than `model` hold. Raises when none is left.

    What serves `model` on cards of another kind, beside the first, is one of the others.
    """
    others = [s for s in running if s.served_as or model not in (s.id, s.model, s.variant)]
    held = {card for s in others for replica in s.replicas for card in replica.cards}
    free = [card for card in inventory.cards if card.id not in held or card.vendor == "cpu"]
    if inventory.cards and not free:
        raise DoesNotFit(
            say(
                "every card is in use by {names}",
                names=", ".join(dict.fromkeys(s.name for s in others)),
            ),
            hint=say("appliance down {name}", name=others[0].name),
            code="CARDS-IN-USE",
        )
    return msgspec.structs.replace(inventory, cards=free)


def every_card_is_held(inventory: Inventory) -> ApplianceError:
    """The error of a server whose cards are all out of service."""
    return DoesNotFit(
        say("every card is held: {cards}", cards=", ".join(c.id for c in inventory.accelerators())),
        hint=say("see `appliance cards list`; `appliance cards release ID` lets one be used again"),
        code="CARDS-HELD",
    )


def with_holds(inventory: Inventory, paths: Paths) -> Inventory:
    """The server with a note at every card that is held."""
    holds = load_holds(paths)
    cards = []
    for card in inventory.cards:
        if hold := holds.get(card.id):
            note = str(say("held since {since}: {reason}", since=hold.since, reason=hold.reason))
            card = msgspec.structs.replace(card, notes=[*card.notes, note])
        cards.append(card)
    return msgspec.structs.replace(inventory, cards=cards)
