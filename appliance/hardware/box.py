"""The server as a whole: inventory and samples, of this machine or of a capture."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType

import msgspec

from appliance.core.cards import CardFacts
from appliance.core.inventory import Card, Host, Inventory, Problem
from appliance.core.sample import CardProcess, CardSample, HostSample, Sample
from appliance.core.topology import Topology
from appliance.hardware.cards import facts
from appliance.hardware.host import command_of
from appliance.hardware.identity import cards_of, gone, recall, remember
from appliance.hardware.look import LiveLook, Look, all_at_once
from appliance.hardware.merge import Entry, Seen, merge
from appliance.hardware.problems import disagreements, not_serveable, problems_of, unreached
from appliance.hardware.sources import LiveSource, ReplaySource, Source
from appliance.hardware.topology import topology
from appliance.hardware.vendors.base import PciDevice, Reading, Vendor

PROCESSES_EVERY_S = 5.0
"""Asking a driver for the processes of its cards is dear."""


def open_box(replay: Path | None = None, *, state: Path | None = None) -> Box:
    """The server we run on, or with `replay` the capture in that directory.

    `state` is where the last inventory is remembered, to tell which cards are lost since.
    Raises `UsageError` when `replay` is no capture.
    """
    return Box(LiveSource() if replay is None else ReplaySource(replay), state)


class Box:
    """What is in a server and how its cards are doing. Close it, or use it with `with`."""

    def __init__(self, source: Source, state: Path | None = None) -> None:
        self._source = source
        self._state = state if source.live else None
        self._bus: list[PciDevice] | None = None
        self._looks: list[Look] | None = None
        self._seen: list[Seen] = []
        self._remembered: list[Card] = []
        self._memory_mib: int | None = None
        self._processes: dict[str, list[CardProcess] | None] = {}
        self._processes_at = float("-inf")
        self._telling_nothing: set[str] = set()
        self._facts: dict[str, CardFacts | None] = {}

    def inventory(self) -> Inventory:
        """Every card, also those that do not answer; at most 4 s."""
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self._source.host)
            self._look_around()
            entries = self._named(self._entries(thorough=True))
            host = asked.result()
        cards = cards_of(entries, self._remembered)
        cards += gone(cards, self._remembered)
        self._memory_mib = host.memory_mib
        inventory = Inventory(
            host=host,
            cards=cards or [_processor(host)],
            problems=[
                *problems_of(cards, entries),
                *unreached(self._seen),
                *not_serveable(self._bus or []),
            ],
        )
        if self._state is not None:
            remember(self._state, inventory)
        self._remembered = inventory.accelerators()
        return inventory

    def sample(self, *, processes: bool = False) -> Sample:
        """Readings of now under the ids of `inventory`; processes at most every five seconds."""
        if self._looks is None:
            self._look_around()
        due = processes and time.monotonic() - self._processes_at >= PROCESSES_EVERY_S
        entries = self._entries(thorough=due)
        cards = cards_of(entries, self._remembered)
        if due:
            self._keep_processes(cards, entries)
        samples = [
            _card_sample(
                card,
                entry,
                self._facts_of(card),
                self._processes.get(card.id) if processes else None,
            )
            for card, entry in zip(cards, entries, strict=True)
        ]
        samples += [CardSample(id=card.id) for card in gone(cards, self._remembered)]
        load = self._source.load()
        return Sample(
            time=self._source.time(), cards=samples or [self._processor_sample(load)], host=load
        )

    def topology(self) -> Topology:
        """How the cards are linked. Looks at the cards first, and starts the vendors' tools."""
        cards = self.inventory().accelerators()
        return topology(cards, self._source.ask, self._source.sys_root)

    def second_opinion(self) -> list[Problem]:
        """Where a vendor's library and tool disagree. Starts the tools: for health checks."""
        if self._looks is None:
            self._look_around()
        found: list[Problem] = []
        for look in self._looks or []:
            pair = look.compare(self._owned(look.vendor)) if isinstance(look, LiveLook) else None
            if pair is not None:
                found += disagreements(*pair, look.vendor.title)
        return found

    def close(self) -> None:
        """End the helper processes."""
        for look in self._looks or []:
            look.close()
        self._looks = None

    def __enter__(self) -> Box:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _look_around(self) -> None:
        """Scan the bus; keep the looks at vendors that are still there, with their helpers."""
        self._bus = self._source.bus()
        looks = self._source.looks(self._bus)
        open_now = {type(look.vendor): look for look in self._looks or []}
        self._looks = [open_now.pop(type(look.vendor), look) for look in looks]
        for look in open_now.values():
            look.close()
        recalled = recall(self._state)  # another program may have made us forget a card
        self._remembered = self._remembered if recalled is None else recalled

    def _facts_of(self, card: Card) -> CardFacts | None:
        if card.id not in self._facts:
            self._facts[card.id] = facts(card)
        return self._facts[card.id]

    def _owned(self, vendor: Vendor) -> list[PciDevice] | None:
        return None if self._bus is None else [d for d in self._bus if vendor.owns(d)]

    def _entries(self, *, thorough: bool) -> list[Entry]:
        self._seen = all_at_once([partial(self._see, look, thorough) for look in self._looks or []])
        return [entry for vendor in self._seen for entry in merge(vendor)]

    def _see(self, look: Look, thorough: bool) -> Seen:
        return look.see(self._owned(look.vendor), thorough=thorough)

    def _named(self, entries: list[Entry]) -> list[Entry]:
        """Cards that no reader tells about have at least the name that `lspci` knows."""
        if not any(entry.source == "pci" for entry in entries):
            return entries
        names = {device.address: device.name for device in self._source.lspci()}
        return [
            msgspec.structs.replace(
                entry, reading=msgspec.structs.replace(entry.reading, name=names[entry.pci or ""])
            )
            if entry.source == "pci" and entry.pci in names
            else entry
            for entry in entries
        ]

    def _keep_processes(self, cards: Sequence[Card], entries: Sequence[Entry]) -> None:
        self._processes_at = time.monotonic()
        users = self._users(entries)
        self._processes = {
            card.id: self._with_commands(_processes_of(entry.reading, users))
            for card, entry in zip(cards, entries, strict=True)
        }

    def _users(self, entries: Sequence[Entry]) -> dict[str, list[CardProcess]]:
        """What the tools tell of processes where the libraries do not; a tool that does not know
        either is not asked again.
        """
        told = {entry.vendor.name for entry in entries if entry.reading.processes is not None}
        found: dict[str, list[CardProcess]] = {}
        for look in self._looks or []:
            name = look.vendor.name
            if name not in told and name not in self._telling_nothing:
                users = look.users(self._owned(look.vendor))
                found |= users
                if not users:
                    self._telling_nothing.add(name)
        return found

    def _with_commands(self, processes: list[CardProcess] | None) -> list[CardProcess] | None:
        if processes is None or not self._source.live:
            return processes
        return [
            process
            if process.command is not None
            else msgspec.structs.replace(process, command=command_of(process.pid))
            for process in processes
        ]

    def _processor_sample(self, load: HostSample) -> CardSample:
        if self._memory_mib is None:
            self._memory_mib = self._source.host().memory_mib
        return CardSample(
            id="cpu",
            util_pct=load.cpu_pct,
            memory_used_mib=load.memory_used_mib,
            memory_total_mib=self._memory_mib,
            temp_c=load.temp_c,
        )


def _processes_of(
    reading: Reading, users: dict[str, list[CardProcess]]
) -> list[CardProcess] | None:
    if reading.processes is not None:
        return reading.processes
    keys = (reading.uuid, reading.pci)
    return next((users[key] for key in keys if key is not None and key in users), None)


def _processor(host: Host) -> Card:
    return Card(
        id="cpu",
        vendor="cpu",
        name=host.cpu.model,
        memory_mib=host.memory_mib,
        arch=host.arch,
        source="tool",
    )


def _card_sample(
    card: Card, entry: Entry, known: CardFacts | None, processes: list[CardProcess] | None
) -> CardSample:
    """`known` tells the limits of a card whose driver does not."""
    reading = entry.reading
    link = entry.device.pcie if entry.device is not None and entry.device.answers else None
    return CardSample(
        id=card.id,
        util_pct=reading.util_pct,
        memory_used_mib=reading.memory_used_mib,
        memory_total_mib=reading.memory_mib,
        temp_c=reading.temp_c,
        temp_memory_c=reading.temp_memory_c,
        temp_hotspot_c=reading.temp_hotspot_c,
        temp_warn_c=reading.temp_warn_c or (known.temp_warn_c if known else None),
        temp_critical_c=reading.temp_critical_c or (known.temp_critical_c if known else None),
        power_w=reading.power_w,
        power_limit_w=reading.power_limit_w,
        clock_mhz=reading.clock_mhz,
        fan_pct=reading.fan_pct,
        throttle=reading.throttle,
        ecc_uncorrected=reading.ecc_uncorrected,
        pcie=reading.pcie or link,
        health=reading.health,
        processes=processes,
        age_s=entry.age_s,
    )
