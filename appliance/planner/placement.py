"""Which cards could work together: of one kind, healthy, linked ones first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from appliance.core.cards import CardFacts
from appliance.core.inventory import Card, Host, Inventory
from appliance.planner.rules import rules

USABLE_STATES = frozenset({"ok", "degraded"})
CPU_ID = "cpu"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Cards of one kind, in the order in which they are taken; or the host's processors.

    `available_mib` is what one card (or the host) has for us.
    """

    vendor: str
    cards: tuple[Card, ...]
    facts: CardFacts | None
    available_mib: float | None
    host: Host

    @property
    def is_host(self) -> bool:
        """Whether this is the processor."""
        return self.vendor == "cpu"

    @property
    def name(self) -> str:
        """What people call such a card."""
        return self.cards[0].name or (self.facts.name if self.facts else self.vendor)

    @property
    def arch(self) -> str | None:
        """The family as the vendor's toolchain names it."""
        return self.cards[0].arch or (self.facts.arch if self.facts else None)

    @property
    def typical(self) -> Card:
        """A card of this place, its architecture filled in where only the facts know it."""
        return msgspec.structs.replace(self.cards[0], arch=self.arch)

    def with_one_more(self) -> Place:
        """The same with a further card of the kind."""
        card = msgspec.structs.replace(self.cards[-1], id=f"{self.cards[-1].id}+1")
        return msgspec.structs.replace(self, cards=(*self.cards, card))

    @property
    def formats(self) -> Sequence[str]:
        """Number formats the card computes in; empty where not known."""
        return self.facts.formats if self.facts else ()


def places(
    inventory: Inventory,
    facts: Mapping[str, CardFacts],
    host_memory_free_mib: float | None,
) -> list[Place]:
    """Every kind of card in the server, strongest first; then the host."""
    found = list(_card_places(inventory, facts))
    found.sort(key=lambda place: (place.available_mib or 0) * len(place.cards), reverse=True)
    return [*found, _host_place(inventory, facts, host_memory_free_mib)]


def _card_places(inventory: Inventory, facts: Mapping[str, CardFacts]) -> Iterator[Place]:
    kinds: dict[tuple[str, str | None, int | None], list[Card]] = {}
    for card in inventory.accelerators():
        if card.state in USABLE_STATES:
            kinds.setdefault((card.vendor, card.name, card.memory_mib), []).append(card)
    for (vendor, _, memory_mib), cards in kinds.items():
        known = facts.get(cards[0].id)
        sold = known.memory_gib * 1024 if known and known.memory_gib else None
        yield Place(
            vendor=vendor,
            cards=tuple(sorted(cards, key=_nearness)),
            facts=known,
            available_mib=memory_mib or sold,
            host=inventory.host,
        )


def _nearness(card: Card) -> tuple[int, int, int]:
    """Linked cards first, those of one NUMA node together, then in the driver's order."""
    linked = any(link.state != "down" and "pci" not in link.kind.lower() for link in card.links)
    numa = card.numa if card.numa is not None else 0
    return (0 if linked else 1, numa, card.index if card.index is not None else 0)


def _host_place(
    inventory: Inventory, facts: Mapping[str, CardFacts], free_mib: float | None
) -> Place:
    entry = next((card for card in inventory.cards if card.vendor == "cpu"), None)
    card = entry or Card(id=CPU_ID, vendor="cpu", name=inventory.host.cpu.model)
    memory = free_mib if free_mib is not None else inventory.host.memory_mib
    reserve = rules().memory.cpu_reserve_mib
    return Place(
        vendor="cpu",
        cards=(card,),
        facts=facts.get(card.id),
        available_mib=max(0.0, memory - reserve) if memory is not None else None,
        host=inventory.host,
    )
