"""What a person should act on, from the inventory and the first readings."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.core.cards import CardFacts
from appliance.core.i18n import say
from appliance.core.inventory import Card, Problem
from appliance.hardware.cards import facts
from appliance.hardware.merge import Entry, Seen
from appliance.hardware.vendors.base import PciDevice, Reading, Report

DEFAULT_CRITICAL_C = 95.0
"""Where neither the driver nor the card's maker tells a limit."""
GROQ = "1de0"


def problems_of(cards: Sequence[Card], entries: Sequence[Entry]) -> list[Problem]:
    """`entries` belong to the first of `cards`; lost cards that were only remembered follow."""
    by_card = dict(zip((card.id for card in cards), entries, strict=False))
    titles = {entry.vendor.name: entry for entry in entries}
    found = [_lost(card) for card in cards if card.state == "lost"]
    for state, make in (("no_driver", _no_driver), ("no_answer", _no_answer)):
        for vendor in dict.fromkeys(card.vendor for card in cards):
            concerned = [c for c in cards if c.vendor == vendor and c.state == state]
            if concerned:
                found.append(make(concerned, titles[vendor]))
    for card in cards:
        if card.id in by_card:
            found += _readings(card, by_card[card.id].reading)
    return found


def _label(card: Card) -> str:
    return f"{card.name or card.vendor} ({card.pci or card.id})"


def _lost(card: Card) -> Problem:
    return Problem(
        code="CARD-LOST",
        severity="fail",
        card=card.id,
        text=str(say("{card} is lost: {why}", card=_label(card), why=_why([card]))),
        advice=str(
            say(
                "drain the server, then switch it off and on (a reboot may not be enough); if the "
                "card stays away, reseat or replace it"
            )
        ),
    )


def _why(cards: Sequence[Card]) -> str:
    notes = [note for card in cards for note in card.notes]
    return notes[0] if notes else str(say("it fell off the bus"))


def _which(cards: Sequence[Card]) -> str:
    return ", ".join(card.pci or card.id for card in cards)


def _no_driver(cards: Sequence[Card], entry: Entry) -> Problem:
    return Problem(
        code="CARD-NO-DRIVER",
        severity="fail",
        card=cards[0].id if len(cards) == 1 else None,
        text=str(
            say(
                "{vendor}: {count} on the bus but not in the driver: {which}",
                vendor=entry.vendor.title,
                count=len(cards),
                which=_which(cards),
            )
        ),
        advice=str(entry.vendor.install_hint),
    )


def unreached(seen: Sequence[Seen]) -> list[Problem]:
    """Tools that are there and cannot reach their driver, where no bus tells which cards it has.

    Two vendors' tools share a name; what one says is told once.
    """
    told: dict[str | None, Problem] = {}
    for vendor in seen:
        tool = vendor.tool
        if vendor.devices is None and tool is not None and tool.answer == "no_driver":
            told.setdefault(tool.message, _no_way_in(vendor, tool.message))
    return list(told.values())


def _no_way_in(seen: Seen, message: str | None) -> Problem:
    return Problem(
        code="CARD-NO-DRIVER",
        severity="fail",
        text=str(
            say(
                "{vendor}: the tool does not reach the driver ({why})",
                vendor=seen.vendor.title,
                why=message or "",
            )
        ),
        advice=str(seen.vendor.install_hint),
    )


def _no_answer(cards: Sequence[Card], entry: Entry) -> Problem:
    return Problem(
        code="CARD-NO-ANSWER",
        severity="fail",
        card=cards[0].id if len(cards) == 1 else None,
        text=str(
            say(
                "{vendor}: no answer from {which} ({why})",
                vendor=entry.vendor.title,
                which=_which(cards),
                why=_why(cards) if cards[0].notes else str(say("past the deadline")),
            )
        ),
        advice=str(
            say("look at the kernel log (`dmesg -T`); a wedged driver needs a reset or a reboot")
        ),
    )


# -- readings ----------------------------------------------------------------------------------


def _readings(card: Card, reading: Reading) -> list[Problem]:
    found = []
    if reading.health in ("warning", "critical"):
        found.append(
            Problem(
                code="HEALTH-WORD",
                severity="warn" if reading.health == "warning" else "fail",
                card=card.id,
                text=str(
                    say("{card} reports health {word}", card=_label(card), word=reading.health)
                ),
                advice=str(say("ask the vendor's tool for its fault codes before using the card")),
            )
        )
    limit, whose = critical_limit(reading, facts(card))
    if reading.temp_c is not None and reading.temp_c >= limit:
        found.append(_too_hot(card, reading.temp_c, limit, whose))
    return found


def critical_limit(reading: Reading, known: CardFacts | None) -> tuple[float, str]:
    """The core temperature not to reach, and whose word that is: driver, data sheet, default."""
    if reading.temp_critical_c is not None:
        return reading.temp_critical_c, "driver"
    if known is not None and known.temp_critical_c is not None:
        return known.temp_critical_c, known.mark
    return DEFAULT_CRITICAL_C, "default"


def _too_hot(card: Card, temp_c: float, limit_c: float, whose: str) -> Problem:
    return Problem(
        code="TEMP-CRITICAL",
        severity="fail",
        card=card.id,
        text=str(
            say(
                "{card} is at {temp} °C, its limit is {limit} °C ({whose})",
                card=_label(card),
                temp=temp_c,
                limit=limit_c,
                whose=whose,
            )
        ),
        advice=str(say("check fans, airflow and room temperature; take load off the card")),
    )


# -- the bus, and two readers ------------------------------------------------------------------


def not_serveable(devices: Sequence[PciDevice]) -> list[Problem]:
    """Groq cards: nothing on a host of one's own can serve with them."""
    places = [d.address for d in devices if d.vendor_id == GROQ]
    if not places:
        return []
    which = ", ".join(places)
    return [
        Problem(
            code="CARD-NOT-SERVEABLE",
            severity="info",
            text=str(say("Groq: detected at {which}, not serveable here", which=which)),
            advice=str(say("Groq serves through its own cloud only; plan with the other cards")),
        )
    ]


MEMORY_TOLERANCE = 0.02
TEMPERATURE_TOLERANCE_C = 15.0


def disagreements(library: Report, tool: Report, title: str) -> list[Problem]:
    """What two readers that both answered say differently: count, memory, temperature."""
    if library.answer != "ok" or tool.answer != "ok":
        return []
    if len(library.readings) != len(tool.readings):
        counts = (len(library.readings), len(tool.readings))
        return [_disagree(title, say("{a} cards against {b}", a=counts[0], b=counts[1]))]
    by_key = {_place(reading): reading for reading in tool.readings}
    pairs = ((ours, by_key.get(_place(ours))) for ours in library.readings)
    return [
        _disagree(title, difference)
        for ours, theirs in pairs
        if theirs is not None and (difference := _difference(ours, theirs)) is not None
    ]


def _place(reading: Reading) -> str | int | None:
    return reading.pci or reading.index


def _difference(ours: Reading, theirs: Reading) -> object | None:
    place, a, b = _place(ours), ours.memory_mib, theirs.memory_mib
    if a is not None and b is not None and abs(a - b) > MEMORY_TOLERANCE * max(a, b):
        return say("{place}: memory {a} against {b} MiB", place=place, a=a, b=b)
    if ours.temp_c is not None and theirs.temp_c is not None:
        hot, cold = ours.temp_c, theirs.temp_c
        if abs(hot - cold) >= TEMPERATURE_TOLERANCE_C:
            return say("{place}: {a} against {b} °C", place=place, a=hot, b=cold)
    return None


def _disagree(title: str, what: object) -> Problem:
    return Problem(
        code="READERS-DISAGREE",
        severity="warn",
        text=str(say("{vendor}: library and tool disagree: {what}", vendor=title, what=what)),
        advice=str(say("trust neither before the driver is reloaded or updated")),
    )
