"""Which card is which, over reboots, readers and failures.

The last inventory is remembered: a card that a weaker reader shows without its uuid keeps its id,
and a card that was there and is gone is `lost`, not forgotten.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from appliance.core.documents import from_json, to_json
from appliance.core.files import write_atomically
from appliance.core.inventory import Card, Inventory
from appliance.hardware.cards import facts
from appliance.hardware.merge import Entry


def cards_of(entries: Sequence[Entry], remembered: Iterable[Card] = ()) -> list[Card]:
    """The cards of `entries`, in their order, each with an id of its own."""
    told = {entry.reading.uuid for entry in entries}
    unread = [card for card in remembered if card.uuid and card.uuid not in told]
    by_place = {(card.vendor, card.pci): card for card in unread if card.pci}
    taken: Counter[str] = Counter()
    cards = []
    for entry in entries:
        card = _card(entry, by_place.get((entry.vendor.name, entry.pci or "")))
        taken[card.id] += 1
        if taken[card.id] > 1:  # two chips behind one address
            card = msgspec.structs.replace(card, id=f"{card.id}-{taken[card.id]}")
        cards.append(card)
    return _with_peers(cards)


def _with_peers(cards: list[Card]) -> list[Card]:
    """Links name the card at their other end by its id; readers know its index or address."""
    ids = {(card.vendor, name): card.id for card in cards for name in (f"#{card.index}", card.pci)}
    return [
        msgspec.structs.replace(
            card,
            links=[
                msgspec.structs.replace(link, peer=ids.get((card.vendor, link.peer), link.peer))
                for link in card.links
            ],
        )
        if card.links
        else card
        for card in cards
    ]


def _card(entry: Entry, before: Card | None) -> Card:
    reading, device, vendor = entry.reading, entry.device, entry.vendor.name
    known = before if before is not None and reading.uuid is None else None
    uuid = reading.uuid or (known.uuid if known else None)
    place = entry.pci or (str(reading.index) if reading.index is not None else "unplaced")
    card = Card(
        id=uuid or f"{vendor}-{place}",
        vendor=vendor,
        index=reading.index,
        name=reading.name or (device.name if device else None) or (known.name if known else None),
        uuid=uuid,
        pci=entry.pci,
        memory_mib=reading.memory_mib,
        driver=reading.driver,
        runtime=reading.runtime,
        arch=reading.arch or (known.arch if known else None),
        numa=device.numa if device else None,
        source=entry.source,
        state=entry.state,
        links=reading.links,
        notes=reading.notes,
    )
    return card if card.arch is not None else msgspec.structs.replace(card, arch=_arch(card))


def _arch(card: Card) -> str | None:
    """The family of this kind of card, where its tool does not tell it."""
    kind = facts(card)
    return kind.arch if kind is not None else None


def gone(cards: Sequence[Card], remembered: Iterable[Card]) -> list[Card]:
    """Cards that were there last time and are not any more, as `lost`."""
    ids = {card.id for card in cards}
    places = {(card.vendor, card.pci) for card in cards if card.pci}
    return [
        msgspec.structs.replace(
            card,
            state="lost",
            source="pci",
            driver=None,
            links=[],
            notes=["was here before; neither the bus nor the driver shows it now"],
        )
        for card in remembered
        if card.vendor != "cpu" and card.id not in ids and (card.vendor, card.pci) not in places
    ]


# -- memory ------------------------------------------------------------------------------------


def _file(state: Path) -> Path:
    return state / "inventory.json"


def recall(state: Path | None) -> list[Card] | None:
    """The cards of the last inventory; `None` when there was none that can be read."""
    if state is None:
        return None
    try:
        return from_json(_file(state).read_bytes(), Inventory).cards
    except (OSError, msgspec.DecodeError):
        return None


def remember(state: Path, inventory: Inventory) -> None:
    """Keep `inventory` for the next time. A state directory that cannot be written is no fault."""
    with contextlib.suppress(OSError):
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(_file(state), to_json(inventory).encode(), mode=0o600)


def forget(state: Path, card_id: str) -> bool:
    """Stop expecting a card that was taken out on purpose; whether it was remembered."""
    try:
        inventory = from_json(_file(state).read_bytes(), Inventory)
    except (OSError, msgspec.DecodeError):
        return False
    kept = [card for card in inventory.cards if card.id != card_id]
    if len(kept) < len(inventory.cards):
        remember(state, msgspec.structs.replace(inventory, cards=kept))
    return len(kept) < len(inventory.cards)
