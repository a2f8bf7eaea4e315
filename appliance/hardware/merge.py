"""Putting together what the bus shows and what a vendor's readers say.

The bus is the ground truth about presence: a device that no reader mentions still gets an entry,
with the state that explains why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from appliance.core.inventory import CardState, ReaderName
from appliance.hardware.vendors.base import PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.parse import integer

NO_VENDOR_DRIVER = frozenset(("", "vfio-pci", "pci-stub", "xen-pciback", "nouveau"))
"""Bound to nothing, given to a virtual machine, or held by a driver that cannot compute."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All that one look at one vendor found. `devices` is `None` when the bus is not known."""

    vendor: Vendor
    devices: list[PciDevice] | None
    library: Report | None = None
    tool: Report | None = None
    tool_missing: bool = False
    """The vendor's tool is known not to be installed."""
    partial_view: bool = False
    """In a container: the bus shows cards that were not handed to it."""
    age_s: float = 0.0


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One card: its reading, if a reader gave one, and its place on the bus, if that is known."""

    vendor: Vendor
    reading: Reading
    device: PciDevice | None = None
    source: ReaderName = "pci"
    state: CardState = "ok"
    age_s: float = 0.0

    @property
    def pci(self) -> str | None:
        """The address, as the bus or else the reader tells it."""
        return self.device.address if self.device is not None else self.reading.pci


def merge(seen: Seen) -> list[Entry]:
    """Every card of the vendor, by index; those without one by address, at the end."""
    report, sources = _combined(seen)
    entries = [_entry(seen, reading, source) for reading, source in sources]
    found = _pair_the_only_ones(entries, _unmentioned(seen.devices, entries))
    left = _unmentioned(seen.devices, found)
    found += _silent_devices(seen, report, found, left)
    found += _lost_elsewhere(seen, report, found)
    return sorted(found, key=_order)


def _order(entry: Entry) -> tuple[float, str]:
    index = entry.reading.index
    return (float("inf") if index is None else index, entry.pci or "")


# -- readings ----------------------------------------------------------------------------------


def _combined(seen: Seen) -> tuple[Report, list[tuple[Reading, ReaderName]]]:
    """One report of both readers: the library's, and what only the tool knows."""
    library, tool = seen.library, seen.tool
    if library is None or not (library.readings or library.silent or library.lost):
        report = _better(library, tool)
        source: ReaderName = "library" if report is library else "tool"
        return report, [(reading, source) for reading in report.readings]
    readings: list[tuple[Reading, ReaderName]] = [(r, "library") for r in library.readings]
    if tool is not None:
        known = {key for reading in library.readings for key in _keys(reading)}
        extra = [reading for reading in tool.readings if known.isdisjoint(_keys(reading))]
        readings += [(reading, "tool") for reading in extra if _keys(reading)]
        library = msgspec.structs.replace(library, lost=[*library.lost, *tool.lost])
    return library, readings


_USE = ("ok", "no_driver", "no_answer", "absent")


def _better(library: Report | None, tool: Report | None) -> Report:
    """The report that says more; the tool's words where both say the same."""
    reports = [report for report in (tool, library) if report is not None]
    reports.sort(key=lambda report: (not report.readings, _USE.index(report.answer)))
    return reports[0] if reports else Report(answer="absent")


def _keys(reading: Reading) -> list[str]:
    return [key for key in (reading.uuid, reading.pci) if key is not None]


def _entry(seen: Seen, reading: Reading, source: ReaderName) -> Entry:
    devices = {device.address: device for device in seen.devices or ()}
    device = devices.get(reading.pci or "")
    gone = device is not None and not device.answers
    bare = (reading.name, reading.uuid, reading.memory_mib) == (None, None, None)
    return Entry(
        vendor=seen.vendor,
        reading=reading,
        device=device,
        source="pci" if bare and device is not None else source,
        state="lost" if gone else _judged(reading),
        age_s=seen.age_s,
    )


def _judged(reading: Reading) -> CardState:
    """A card that works, but whose maker's tool says that all is not well, is degraded."""
    if reading.state == "ok" and reading.health in ("warning", "critical"):
        return "degraded"
    return reading.state


# -- the bus -----------------------------------------------------------------------------------


def _unmentioned(devices: Iterable[PciDevice] | None, entries: Sequence[Entry]) -> list[PciDevice]:
    mentioned = {entry.pci for entry in entries}
    return [device for device in devices or () if device.address not in mentioned]


def _pair_the_only_ones(entries: list[Entry], left: list[PciDevice]) -> list[Entry]:
    """A tool without addresses and one device of each: they are the same."""
    nameless = [entry for entry in entries if entry.pci is None]
    if len(nameless) != 1 or len(left) != 1:
        return entries
    paired = msgspec.structs.replace(nameless[0], device=left[0])
    return [paired if entry is nameless[0] else entry for entry in entries]


def _silent_devices(
    seen: Seen, report: Report, entries: list[Entry], left: list[PciDevice]
) -> list[Entry]:
    """Devices that no reader mentions. Readings without an address may be any of them."""
    nameless = sum(entry.pci is None for entry in entries)
    if nameless:
        missing = max(0, len(left) - nameless)
        return [_silent(seen, report, None, entries) for _ in range(missing)]
    return [_silent(seen, report, device, entries, only=len(left) == 1) for device in left]


def _silent(
    seen: Seen,
    report: Report,
    device: PciDevice | None,
    entries: Sequence[Entry],
    *,
    only: bool = False,
) -> Entry:
    answering = any(entry.state in ("ok", "degraded") for entry in entries)
    state, note = _why_silent(seen, report, device, answering, only=only)
    return Entry(
        vendor=seen.vendor,
        reading=Reading(
            pci=device.address if device is not None else None,
            name=device.name if device is not None else None,
            notes=[note] if note else [],
        ),
        device=device,
        state=state,
    )


def _why_silent(
    seen: Seen, report: Report, device: PciDevice | None, neighbours_answer: bool, *, only: bool
) -> tuple[CardState, str | None]:
    if device is not None:
        if not device.answers:
            return "lost", "its PCI configuration space reads all ones"
        if device.address in report.lost:
            return "lost", None
        if device.address in report.silent or (only and report.silent):
            return "no_answer", report.message
        if device.driver in NO_VENDOR_DRIVER:
            return "no_driver", f"bound to {device.driver}" if device.driver else None
    if report.answer == "absent":
        bound = device is not None and device.driver is not None
        return ("no_driver" if seen.tool_missing and not bound else "ok"), None
    if report.answer in ("no_driver", "no_answer"):
        return report.answer, report.message
    if not neighbours_answer:
        return "no_answer", report.message
    if seen.partial_view:
        return "no_answer", "not handed to this container"
    return "lost", "on the bus, but missing among the cards that answer"


def _lost_elsewhere(seen: Seen, report: Report, entries: Sequence[Entry]) -> list[Entry]:
    """Cards that the tool calls lost, where the bus does not show them or is not known."""
    addresses = {entry.pci for entry in entries}
    indexes = {entry.reading.index for entry in entries}
    spare = any(entry.state in ("lost", "no_answer") for entry in entries)
    told: list[tuple[CardState, list[str]]]
    told = [("lost", report.lost), ("no_answer", report.silent)]
    found = []
    for state, keys in told:
        for key in dict.fromkeys(keys):
            index = integer(key[1:]) if key.startswith("#") else None
            if key in addresses or (index is not None and (index in indexes or spare)):
                continue
            reading = Reading(index=index, pci=None if key.startswith("#") else key)
            found.append(Entry(vendor=seen.vendor, reading=reading, state=state))
    return found
