"""Cards of several kinds in one server: each with an engine of its own, behind one model name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from appliance.core.inventory import Card, Inventory
from appliance.core.plan import Choice
from appliance.core.status import DeploymentStatus
from appliance.ops.deployment import deployment_id
from appliance.ops.planning import Ground
from appliance.ops.usable import HOLDING
from appliance.planner.rules import rules

Kind = tuple[str, str | None, int | None]


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """A place for a further deployment: `inventory` has the free cards of one kind alone.

    `id` is that deployment's, `model` what is to be planned for, `cards` how people call them.
    """

    id: str
    model: str
    cards: str
    inventory: Inventory


def beside(
    first: DeploymentStatus,
    statuses: Sequence[DeploymentStatus],
    known: Inventory,
    usable: Inventory,
    exactly: str | None = None,
) -> list[Beside]:
    """Where the model of `first` could be served under its name on cards of other kinds.

    `known` is the whole server, `usable` what of it is not held; `exactly` a variant that has to be
    kept to. A kind on which it is served already, as well as by `first`, is left out; so are all
    of them while `first` does not serve.
    """
    if first.state not in HOLDING:
        return []
    return list(_beside(first, statuses, known, usable, exactly))


def _beside(
    first: DeploymentStatus,
    statuses: Sequence[DeploymentStatus],
    known: Inventory,
    usable: Inventory,
    exactly: str | None,
) -> Iterator[Beside]:
    own = _cards_of(first)
    kinds = {kind_of(card) for card in known.accelerators()}
    others = kinds - {kind_of(card) for card in known.accelerators() if card.id in own}
    for kind in sorted(others, key=str):
        name = _id(first.id, kind, kinds)
        if any(s.id == name and _serves_as_well(s, first, exactly) for s in statuses):
            continue
        taken = {card for s in statuses if s.id != name for card in _cards_of(s)}
        free = [c for c in usable.accelerators() if kind_of(c) == kind and c.id not in taken]
        if free:
            yield Beside(
                id=name,
                model=exactly or first.model,
                cards=f"{len(free)} x {free[0].name or free[0].vendor}",
                inventory=msgspec.structs.replace(usable, cards=free),
            )


def able_beside(choices: Sequence[Choice], first: DeploymentStatus, ground: Ground) -> list[Choice]:
    """What starts on those cards alone and is good enough to share a name; the same variant first.

    It takes conversations as long, and its cards are known to be fast enough to be waited for:
    requests are spread evenly, and a weak card would be felt by every other person.
    """
    able = [
        choice
        for choice in choices
        if choice.fits and ground.startable(choice.recipe)
        if choice.cards != ["cpu"] and not choice.host_layers
        if choice.context >= (first.context or 0)
        if (choice.speed.decode_tps_one or 0.0) >= rules().speed.usable_tps
    ]
    return sorted(able, key=lambda choice: choice.variant != first.variant)


def kind_of(card: Card) -> Kind:
    """What cards of one engine must have in common."""
    return card.vendor, card.name, card.memory_mib


def _id(first: str, kind: Kind, kinds: set[Kind]) -> str:
    """`MODEL@VENDOR`, with the card's name where the vendor has cards of several kinds here."""
    vendor, name, memory_mib = kind
    if sum(other[0] == vendor for other in kinds) == 1:
        return f"{first}@{vendor}"
    return f"{first}@{deployment_id(f'{vendor}-{name}-{memory_mib}')}"


def _cards_of(status: DeploymentStatus) -> set[str]:
    if status.state not in HOLDING:
        return set()
    return {card for replica in status.replicas for card in replica.cards}


def _serves_as_well(status: DeploymentStatus, first: DeploymentStatus, exactly: str | None) -> bool:
    roomy = (status.context or 0) >= (first.context or 0)
    return status.state in HOLDING and roomy and exactly in (None, status.variant)
