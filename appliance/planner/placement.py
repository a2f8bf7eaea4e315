"""Which cards could work together: of one kind, healthy, linked ones first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from appliance.core.cards import CardFacts
from appliance.core.inventory import Card, Host, Inventory
from appliance.core.measurement import Measurement
from appliance.planner.rules import rules

USABLE_STATES = frozenset({"ok", "degraded"})
CPU_ID = "cpu"
DESKTOP_MIB, DESKTOP_SHARE = 1024.0, 0.1
"""Memory up to which others on a card are a desktop or a monitor, and not a program at work."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Cards of one kind, in the order in which they are taken; or the host's processors.

    `available_mib` is what one card (or the host) has for us, `host_available_mib` what the host
    has beside the cards.
    """

    vendor: str
    cards: tuple[Card, ...]
    facts: CardFacts | None
    available_mib: float | None
    host: Host
    host_available_mib: float | None = None
    host_facts: CardFacts | None = None
    shares_host: bool = False
    """Whether the cards compute in the host's memory, so that nothing of it is there twice."""
    measurements: tuple[Measurement, ...] = ()
    """What was measured in this server, on whatever cards."""

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

    def taken(self, cards: int, replicas: int) -> tuple[Card, ...]:
        """Cards for `replicas` of so many `cards`: each of linked ones as far as there are any."""
        whole: list[Card] = []
        rest: list[Card] = []
        for island in islands(self.cards):
            even = len(island) // cards * cards
            whole += island[:even]
            rest += island[even:]
        return tuple([*whole, *rest][: cards * replicas])


def places(
    inventory: Inventory,
    facts: Mapping[str, CardFacts],
    host_memory_free_mib: float | None,
    *,
    used_mib: Mapping[str, float] | None = None,
    measurements: Sequence[Measurement] = (),
) -> list[Place]:
    """Every kind of card in the server, strongest first; then the host.

    `used_mib` is what others than us have of a card, by its id. Cards that others work on are left
    out where there are free ones of the kind.
    """
    host = _host_place(inventory, facts, host_memory_free_mib)
    found = [*_card_places(inventory, facts, host, used_mib or {}), host]
    found.sort(key=_strength, reverse=True)
    return [msgspec.structs.replace(place, measurements=tuple(measurements)) for place in found]


def _strength(place: Place) -> tuple[bool, float]:
    return not place.is_host, (place.available_mib or 0) * len(place.cards)


def _is_busy(card: Card, used_mib: float) -> bool:
    """Whether somebody works on a card, and does not only draw a desktop on it."""
    return used_mib > max(DESKTOP_MIB, DESKTOP_SHARE * (card.memory_mib or 0))


def _card_places(
    inventory: Inventory,
    facts: Mapping[str, CardFacts],
    host: Place,
    used_mib: Mapping[str, float],
) -> Iterator[Place]:
    kinds: dict[tuple[str, str | None, int | None], list[Card]] = {}
    for card in inventory.accelerators():
        if card.state in USABLE_STATES:
            kinds.setdefault((card.vendor, card.name, card.memory_mib), []).append(card)
    for (vendor, _, memory_mib), cards in kinds.items():
        free = [card for card in cards if not _is_busy(card, used_mib.get(card.id, 0.0))] or cards
        known = facts.get(free[0].id)
        sold = known.memory_gib * 1024 if known and known.memory_gib else None
        most = memory_mib or sold
        used = max(used_mib.get(card.id, 0.0) for card in free)
        own = max(0.0, most - used) if most is not None else None
        shared = _shared_mib(known, memory_mib, len(cards), host)
        yield Place(
            vendor=vendor,
            cards=tuple(card for island in islands(free) for card in island),
            facts=known,
            available_mib=own if shared is None else shared,
            host=inventory.host,
            host_available_mib=host.available_mib,
            host_facts=host.facts,
            shares_host=shared is not None,
        )


def _shared_mib(
    facts: CardFacts | None, card_mib: float | None, cards: int, host: Place
) -> float | None:
    """What each of so many cards has of the host's memory; `None` where they have their own.

    What others use of it is not free in the host either.
    """
    total = host.host.memory_mib or card_mib
    if facts is None or facts.host_share is None or total is None:
        return None
    share = facts.host_share * total
    if facts.carve_out and (card_mib or 0.0) >= share:
        return None
    free = host.available_mib if host.available_mib is not None else total
    return max(0.0, min(share, free - rules().memory.shared_reserve_mib)) / cards


def islands(cards: Sequence[Card]) -> list[list[Card]]:
    """Cards that reach each other over links of their own, then those of one NUMA node; large ones
    first, and in each the driver's order.
    """
    groups: dict[tuple[str, object], list[Card]] = {}
    roots = _linked(cards)
    for card in cards:
        root = roots[card.id]
        alone = list(roots.values()).count(root) == 1
        key = ("numa", card.numa) if alone else ("linked", root)
        groups.setdefault(key, []).append(card)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0] == "numa", -len(item[1])))
    return [sorted(group, key=_by_index) for _, group in ordered]


def _linked(cards: Sequence[Card]) -> dict[str, str]:
    """Of every card the first one that it is linked with, directly or through others."""
    names = {name: card.id for card in cards for name in _names(card)}
    root = {card.id: card.id for card in cards}

    def find(card_id: str) -> str:
        while root[card_id] != card_id:
            card_id = root[card_id]
        return card_id

    switched: str | None = None
    for card in cards:
        for peer in _peers(card):
            to = names.get(peer) if peer else (switched := switched or card.id)
            if to is not None:
                root[find(card.id)] = find(to)
            elif peer:
                switched = switched or card.id
                root[find(card.id)] = find(switched)
    return {card.id: find(card.id) for card in cards}


def _names(card: Card) -> Iterator[str]:
    """How the links of other cards may call this one."""
    yield from filter(None, (card.id, card.uuid, card.pci))
    if card.index is not None:
        yield f"#{card.index}"


def _peers(card: Card) -> Iterator[str | None]:
    """Ends of the links that are up; `None` where the reader does not tell them."""
    for link in card.links:
        if link.state != "down" and "pci" not in link.kind.lower():
            yield link.peer


def _by_index(card: Card) -> int:
    return card.index if card.index is not None else 0


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
