"""Servers that do not exist: cards from composed captures, under a load that comes and goes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from appliance.core.history import STEPS, History, HistoryPoint, Range, Span
from appliance.core.i18n import _
from appliance.core.inventory import Card, Disk, Host, Inventory, Problem
from appliance.core.sample import CardProcess, CardSample, HostSample, Sample
from appliance.core.topology import CardPlace, Topology

CAPTURES = Path(__file__).with_name("captures")
KINDS = ("nvidia", "ascend", "amd", "hygon", "metax", "mthreads")
_HOT, _SILENT = 3, 5
_LOST_S = 960
"""How long ago the lost card was lost."""
_DISK = Disk(mount="/", total_mib=1_800_000, free_mib=1_204_000)
_WAVES_S = (3.7, 17.0, 310.0)


class Captured(NamedTuple):
    """What a capture tells of a server at rest."""

    inventory: Inventory
    sample: Sample
    topology: Topology


@cache
def captured(kind: str) -> Captured:
    """The composed capture of eight cards of a kind, read as any capture is."""
    from appliance.hardware.box import open_box

    with open_box(CAPTURES / kind) as box:
        return Captured(box.inventory(), box.sample(processes=True), box.topology())


class Place(NamedTuple):
    """A card, its readings at rest, and the server it is in."""

    node: int
    card: Card
    rest: CardSample


class Fleet:
    """`nodes` servers of `count` cards; with `trouble` one card is lost, one hot, one silent.

    Where there are several servers, a card's id begins with its server's name and a slash.
    """

    def __init__(self, count: int, kind: str, nodes: int = 1, *, trouble: bool = True) -> None:
        self.nodes = nodes
        self._kinds = KINDS if kind == "mixed" else (kind,)
        self.places = [self._place(node, index) for node in range(nodes) for index in range(count)]
        self._trouble = trouble and len(self.places) > 3
        self.lost = len(self.places) - 2 if self._trouble else -1

    def _place(self, node: int, index: int) -> Place:
        kind = self._kinds[(node if self.nodes > 1 else index) % len(self._kinds)]
        known = captured(kind)
        at = (index if self.nodes > 1 else index // len(self._kinds)) % len(known.inventory.cards)
        name = f"{kind}{index}" if self.nodes == 1 else f"{server(node)}/{kind}{index}"
        card = replace(known.inventory.cards[at], id=name, index=index)
        return Place(node, card, replace(known.sample.cards[at], id=name))

    def label(self, number: int) -> str:
        """The card at this place, or the last one, as the board calls it."""
        if not self.places:
            return str(number)
        place = self.places[min(number, len(self.places) - 1)]
        named = f"{server(place.node)}:{place.card.index}"
        return named if self.nodes > 1 else str(place.card.index)

    def ids(self, node: int | None = None) -> list[str]:
        """The ids of the cards of a server, or of all, without the lost one."""
        return [
            place.card.id
            for number, place in enumerate(self.places)
            if number != self.lost and node in (None, place.node)
        ]

    def inventory(self) -> Inventory:
        """All cards as if one server had them."""
        host = captured(self._kinds[0]).inventory.host
        cards = [
            replace(place.card, state="lost" if number == self.lost else "ok")
            for number, place in enumerate(self.places)
        ]
        return Inventory(host=_named(host, self.nodes), cards=cards, problems=self._problems())

    def _problems(self) -> list[Problem]:
        if self.lost < 0:
            return []
        return [
            Problem(
                code="CARD-LOST",
                severity="fail",
                card=self.places[self.lost].card.id,
                text=_("the card was here at the last start and is gone from the bus"),
                advice=_("look at its power and seat; the kernel log names the slot"),
            )
        ]

    def sample(self, at: float, *, busy: bool = True, processes: bool = False) -> Sample:
        """The readings at a moment (Unix time)."""
        day = _day(at) if busy else 0.0
        cards = [
            self.reading(number, at, day, processes=processes)
            for number in range(len(self.places))
            if number != self.lost
        ]
        time = datetime.fromtimestamp(at, UTC).isoformat()
        return Sample(time=time, cards=cards, host=_host_load(at))

    def reading(self, number: int, at: float, day: float, *, processes: bool = False) -> CardSample:
        """One card's readings at `day` of the usual load; the hot one slows itself down, the
        silent one's grow old.
        """
        card, rest = self.places[number].card, self.places[number].rest
        busy = day > 0
        util = _load(number, at, day) if busy else 0.0
        hot = self._trouble and number == _HOT
        silent = self._trouble and number == _SILENT and len(self.places) > _SILENT + 2
        temp = (rest.temp_c or 40) + util * 0.36
        memory = (card.memory_mib or 65536) * (0.78 + 0.02 * math.sin(at / 40 + number))
        return replace(
            rest,
            util_pct=round(util),
            memory_used_mib=memory if busy else 1024.0,
            memory_total_mib=card.memory_mib,
            temp_c=round((rest.temp_warn_c or 88) - 1 + util / 60 if hot else temp),
            power_w=_power(rest, util),
            clock_mhz=rest.clock_mhz and rest.clock_mhz * (0.74 if hot else 1.0),
            throttle=["thermal"] if hot else rest.throttle and [],
            processes=rest.processes if processes and busy else None,
            age_s=12 + at % 90 if silent else 0.0,
        )

    def history(self, card: str, span: Span, at: float) -> History:
        """What the card would have done until now; all of them together for any other name."""
        numbers = [n for n, place in enumerate(self.places) if place.card.id == card]
        numbers = numbers or list(range(min(3, len(self.places))))
        steps = STEPS[span]
        last = int(at) // steps.step_s
        end = at - _LOST_S if self.lost in numbers else at
        times = [(last - steps.count + 1 + i) * steps.step_s for i in range(steps.count)]
        points = [
            _point([self.reading(n, time, _day(time)) for n in numbers])
            if numbers and time <= end
            else None
            for time in times
        ]
        until = datetime.fromtimestamp((last + 1) * steps.step_s, UTC).isoformat()
        return History(card=card, span=span, step_s=steps.step_s, until=until, points=[*points])

    def topology(self) -> Topology:
        """The links within each server, as captured; between servers there are none to tell."""
        places = [_located(place) for place in self.places]
        return Topology(
            cards=places,
            matrix=[[self._link(a, b) for b in self.places] for a in self.places],
        )

    def _link(self, a: Place, b: Place) -> str | None:
        if a.card.id == b.card.id:
            return "X"
        if a.node != b.node or a.card.vendor != b.card.vendor:
            return None
        known = captured(a.card.vendor).topology.matrix
        size = len(known)
        return known[(a.card.index or 0) % size][(b.card.index or 0) % size]


def server(node: int) -> str:
    """The name of a simulated server."""
    return f"node-{node + 1:02}"


def _named(host: Host, nodes: int) -> Host:
    name = "demo-server" if nodes == 1 else f"demo-fleet-{nodes}"
    return replace(host, hostname=name, disks=[_DISK])


def _located(place: Place) -> CardPlace:
    card = place.card
    return CardPlace(id=card.id, vendor=card.vendor, index=card.index, pci=card.pci, numa=card.numa)


def _load(number: int, at: float, day: float) -> float:
    """Percent: three waves that no two cards share."""
    short, medium, long = (math.sin(at / period + number * 2.1) for period in _WAVES_S)
    return min(99.0, max(3.0, day * (66 + 9 * short + 14 * medium + 10 * long)))


def _day(at: float) -> float:
    """Less is asked at night."""
    return 1.0 if 7 <= datetime.fromtimestamp(at).astimezone().hour < 20 else 0.7


def _power(rest: CardSample, util: float) -> float | None:
    if rest.power_w is None:
        return None
    most = rest.power_limit_w or 4 * rest.power_w
    return round(rest.power_w + (most * 0.92 - rest.power_w) * util / 100)


def _host_load(at: float) -> HostSample:
    return HostSample(
        cpu_pct=12 + 6 * math.sin(at / 9),
        memory_used_mib=88_000 + 900 * math.sin(at / 31),
        temp_c=52,
    )


def _point(readings: list[CardSample]) -> HistoryPoint:
    ranges = {name: _range(readings, name) for name in HistoryPoint.__struct_fields__}
    return HistoryPoint(**ranges)


def _range(readings: list[CardSample], name: str) -> Range | None:
    known = list(_known(readings, name))
    if not known:
        return None
    mean = sum(known) / len(known)
    most = max(known) * 1.05
    if name == "util_pct":
        most = min(most, 100.0)
    return Range(min=min(known) * 0.93, mean=mean, max=most)


def _known(readings: list[CardSample], name: str) -> Iterator[float]:
    return (value for reading in readings if (value := getattr(reading, name)) is not None)


def processes_of(pid: int, replica: str, found: list[CardProcess] | None) -> list[CardProcess]:
    """The captured processes as those of a replica."""
    return [replace(process, pid=pid, replica=replica) for process in found or ()]
