"""Huawei Ascend: NPUs of the 310, 310P, 910 and 950 families.

`npu-smi` has no JSON. Its table tells most; `-t` questions about single cards fill in what it does
not: power of the boards whose table says NA, memory temperature, ECC, clock, die id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import msgspec

from appliance.core.i18n import say
from appliance.core.inventory import Link
from appliance.hardware.vendors.ascend_details import parse_details, parse_processes
from appliance.hardware.vendors.ascend_table import (
    ChipKey,
    Named,
    parse_list,
    parse_mapping,
    parse_table,
    parse_topology,
    parse_watch,
)
from appliance.hardware.vendors.base import Ask, Library, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry, fill

_INFO = ("npu-smi", "info")
_NO_DRIVER = r"dcmi mod\w+ initiali\w+ failed(?![^\n]*-8020)"
"""-8020: the driver is there, but another container holds the device."""


class _Question(NamedTuple):
    """A `-t` question, the fields that make it worth asking at any price, and those that make it
    worth asking while a look has time left.
    """

    kind: str
    needed: tuple[str, ...]
    welcome: tuple[str, ...] = ()


_QUESTIONS = (
    _Question("common", ("power_w", "temp_c", "util_pct"), ("clock_mhz",)),
    _Question("usages", ("memory_mib", "memory_used_mib", "util_pct")),
    _Question("memory", ("memory_mib",), ("temp_memory_c",)),
    _Question("board", ("pci",), ("uuid", "driver")),
    _Question("temp", ("temp_c",)),
    _Question("power", ("power_w",)),
    _Question("health", ("health",)),
    _Question("ecc", (), ("ecc_uncorrected",)),
    _Question("sensors", (), ("temp_memory_c", "temp_hotspot_c")),
)
"""In the order of asking."""


class Ascend(Vendor):
    """Huawei's NPUs."""

    name = "ascend"
    title = "Huawei Ascend"
    install_hint: ClassVar = say(
        "install the Ascend HDK driver and firmware of this card (Ascend-hdk-*-npu-driver_*.run, "
        "then Ascend-hdk-*-npu-firmware_*.run, from hiascend.com/hardware/firmware-drivers), reboot"
    )

    def owns(self, device: PciDevice) -> bool:
        """NPUs are `d…`; the ZIP engine of a Kunpeng processor (a250) shares vendor and class."""
        return (
            device.vendor_id == "19e5"
            and device.class_id.startswith("12")
            and device.device_id.startswith("d")
        )

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """`npu-smi info` and `-m`; then what they leave open, card by card."""
        inquiry = Inquiry(ask, no_driver=_NO_DRIVER)
        chips = _chips(inquiry)
        chips = _with_details(inquiry, chips)
        chips = _with_processes(inquiry, chips)
        chips = _with_links(inquiry, chips)
        return inquiry.report([_with_arch(reading, bus) for reading in chips.values()])

    def open_library(self) -> Library | None:
        """DCMI, through gpustack-runtime."""
        from appliance.hardware.vendors import gpustack

        return gpustack.library("ascend")


def _chips(inquiry: Inquiry) -> dict[ChipKey, Reading]:
    """Every chip that the table, the list of ids or the watch names, with what they say."""
    table = parse_table(inquiry(*_INFO))
    shown = table.with_processes()
    named = parse_mapping(inquiry(*_INFO, "-m"))
    keys = dict.fromkeys([*shown, *named])
    if not keys:
        keys = dict.fromkeys((npu, 0) for npu in parse_list(inquiry(*_INFO, "-l")))
    if not keys and not inquiry.answered:  # a live watch goes on until it is killed
        shown = parse_watch(inquiry(*_INFO, "watch"))
        keys = dict.fromkeys(shown)
    countable = _alone(keys) and not table.numbered
    return {
        key: _identified(shown.get(key, Reading()), named.get(key), key[0] if countable else None)
        for key in keys
    }


def _alone(keys: dict[ChipKey, None]) -> bool:
    """Whether each NPU has one chip: then the NPU id is the device's number."""
    return all(chip == 0 for _, chip in keys)


def _identified(reading: Reading, named: Named | None, npu: int | None) -> Reading:
    known = named or Named()
    number = next((n for n in (known.index, reading.index, npu) if n is not None), None)
    return msgspec.structs.replace(reading, index=number, name=reading.name or known.name)


def _with_details(inquiry: Inquiry, chips: dict[ChipKey, Reading]) -> dict[ChipKey, Reading]:
    chips = dict(chips)
    for question in _QUESTIONS:
        for npu in dict.fromkeys(npu for npu, _ in chips):
            own = {key: reading for key, reading in chips.items() if key[0] == npu}
            for key, reading in _answers(inquiry, question, npu, own):
                chips[key] = fill(chips[key], reading)
    return _with_faults(inquiry, chips)


def _answers(
    inquiry: Inquiry, question: _Question, npu: int, own: dict[ChipKey, Reading]
) -> Iterator[tuple[ChipKey, Reading]]:
    """What a question about an NPU says of its own chips, if they lack something of it."""
    if not _lacks(own, question.needed + question.welcome):
        return
    ask = inquiry.__call__ if _lacks(own, question.needed) else inquiry.besides
    about = (*_INFO, "-t", question.kind, "-i", str(npu))
    details = parse_details(ask(*about))
    for key in own:
        if key[1] in details.chips:
            yield key, details.chips[key[1]]
        elif question.kind == "board":
            one = parse_details(ask(*about, "-c", str(key[1])))
            yield key, one.chips.get(key[1], Reading())
    shown = [*own.values(), *details.chips.values()]
    if details.board_power_w is not None and all(one.power_w is None for one in shown):
        yield next(iter(own)), _board_power(details.board_power_w, len(own))


def _lacks(own: dict[ChipKey, Reading], fields: tuple[str, ...]) -> bool:
    """Whether no chip of the NPU knows one of the fields; a second die often has no power."""
    return any(all(getattr(one, field) is None for one in own.values()) for field in fields)


def _board_power(power_w: float, chips: int) -> Reading:
    """The board's power is shown once, with its first chip, so that sums stay true."""
    notes = [f"power is of the board, {chips} chips"] if chips > 1 else []
    return Reading(power_w=power_w, notes=notes)


def _with_faults(inquiry: Inquiry, chips: dict[ChipKey, Reading]) -> dict[ChipKey, Reading]:
    """The error codes behind a health word that is not OK."""
    chips = dict(chips)
    for key, reading in chips.items():
        if reading.health in ("warning", "critical"):
            for kind in ("health", "current-fault-event"):
                answer = parse_details(inquiry.besides(*_INFO, "-t", kind, "-i", str(key[0])))
                chips[key] = fill(chips[key], answer.chips.get(key[1]))
    return chips


def _with_processes(inquiry: Inquiry, chips: dict[ChipKey, Reading]) -> dict[ChipKey, Reading]:
    """Processes from `-t proc-mem` where the table had none of its own to show."""
    chips = dict(chips)
    if _alone(dict.fromkeys(chips)):
        for key, reading in chips.items():
            if reading.processes is None:
                answer = inquiry.besides(*_INFO, "-t", "proc-mem", "-i", str(key[0]))
                chips[key] = fill(reading, Reading(processes=parse_processes(answer)))
    return chips


def _with_links(inquiry: Inquiry, chips: dict[ChipKey, Reading]) -> dict[ChipKey, Reading]:
    links: dict[int, list[Link]] = {}
    if len(chips) > 1:
        links = parse_topology(inquiry.besides(*_INFO, "-t", "topo"))
    return {
        key: msgspec.structs.replace(reading, links=links.get(reading.index, []))
        if reading.index is not None
        else reading
        for key, reading in chips.items()
    }


# -- families ----------------------------------------------------------------------------------

_FAMILY_OF_DEVICE = {
    "d100": "ascend310",
    "d500": "ascend310p",
    "d801": "ascend910",
    "d802": "ascend910b",
    "d803": "ascend910_93",
    "d806": "ascend950",
}
_FAMILY_OF_NAME = (
    (re.compile(r"310P"), "ascend310p"),
    (re.compile(r"310B"), "ascend310b"),
    (re.compile(r"310"), "ascend310"),
    (re.compile(r"910B\d"), "ascend910b"),
    (re.compile(r"910_93|910C"), "ascend910_93"),
    (re.compile(r"910(?:Pro)?A|910Pro"), "ascend910"),
    (re.compile(r"950"), "ascend950"),
)
"""CANN's families. A bare "910B" may be a bin of the first 910 or an A2: it tells no family."""


def _with_arch(reading: Reading, bus: Sequence[PciDevice] | None) -> Reading:
    device = next((d.device_id for d in bus or () if d.address == reading.pci), "")
    arch = _FAMILY_OF_DEVICE.get(device) or _family_of(reading.name or "")
    return msgspec.structs.replace(reading, arch=arch)


def _family_of(name: str) -> str | None:
    found = (family for pattern, family in _FAMILY_OF_NAME if pattern.search(name))
    return next(found, None)
