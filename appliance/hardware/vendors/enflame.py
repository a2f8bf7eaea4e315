"""Enflame (S60, L300, T20, i20 …).

Formats: `efsmi -q` old and new as quoted in zstack-utility and a GPU tools repository; the table of
EFSMI 1.2 (PaddlePaddle documents), 1.6 and 1.7 (FlagTree documents) and 1.20 (gcustat); `--dmon` as
a monitor's test fixture; `-L` as quoted in FlagGems. PCI ids: pci.ids.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from appliance.core.i18n import say
from appliance.hardware.vendors import parse, smi_query, smi_table
from appliance.hardware.vendors.base import Ask, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry

_SPELLINGS: smi_query.Spellings = {
    "name": ("device info/dev name",),
    "uuid": ("device info/dev uuid",),
    "driver": ("driver info/ver",),
    "health": ("device info/health",),
    "memory_mib": ("device mem info/(?:total|mem) size",),
    "memory_used_mib": ("device mem info/(?:used size|mem usage)",),
    "util_pct": ("device usage info/gcu usage",),
    "temp_c": ("temperature info/gcu temp",),
    "temp_memory_c": ("temperature info/(?:mem|hbm|memory) temp",),
    "power_w": ("power info/cur power",),
    "power_limit_w": ("power info/power capa",),
    "clock_mhz": ("clock info/(?:gcu|sip|core) clk",),
    "pcie.gen": ("(?:.*/)?cur link speed",),
    "pcie.gen_max": ("(?:.*/)?max link speed",),
    "pcie.width": ("(?:.*/)?cur link width",),
    "pcie.width_max": ("(?:.*/)?max link width",),
    "ecc": ("rma info/total dbe",),
}


class Enflame(Vendor):
    """Enflame."""

    name = "enflame"
    title = "Enflame"
    install_hint = say(
        "Install the driver of the TopsRider package (kernel module enflame) from"
        " Enflame's developer site; efsmi comes with it."
    )

    def owns(self, device: PciDevice) -> bool:
        """Vendor 1e36, of a display or accelerator class."""
        return device.vendor_id == "1e36" and device.class_id.startswith(("03", "0b", "12"))

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """`-q` tells all; else the table, and what it leaves out from the narrower questions."""
        inquiry = Inquiry(ask, no_driver=smi_query.NO_DRIVER)
        readings = _details(inquiry("efsmi", "-q"))
        if not readings:
            readings = _table(inquiry("efsmi"))
            more = _details(inquiry("efsmi", "-q", "-d", "TEMP,MEMORY,USAGE"))
            readings = smi_query.together(readings, more)
            readings = smi_query.together(readings, _dmon(inquiry("efsmi", "--dmon", "-c", "1")))
        if not readings:
            readings = _list(inquiry("efsmi", "-L"))
        return inquiry.report(readings)


def _details(text: str) -> list[Reading]:
    cards = smi_query.sections(parse.blocks(text), "dev id")
    return [_card(card.number, smi_query.flat(card.block)) for card in cards]


def _card(index: int | None, values: smi_query.Flat) -> Reading:
    parts = [values.get(f"pcie info/{part}", "") for part in ("domain", "bus", "dev", "func")]
    return smi_query.reading(values, _SPELLINGS, index=index, pci=_address(*parts))


def _address(domain: str, bus: str, device: str, function: str) -> str | None:
    """An address from hexadecimal texts."""
    if not all(re.fullmatch("[0-9a-fA-F]{1,4}", part) for part in (domain, bus, device, function)):
        return None
    return parse.pci_parts(int(domain, 16), int(bus, 16), int(device, 16), int(function, 16))


def _table(text: str) -> list[Reading]:
    table = smi_table.read(text)
    readings = smi_table.readings(table, driver=smi_table.version(text, "Driver Ver"))
    return [
        msgspec.structs.replace(reading, pci=_table_address(cells.get("pci", "")))
        for reading, cells in zip(readings, table.cards, strict=True)
    ]


def _table_address(text: str) -> str | None:
    """`00:3d:0.0`: a two-digit domain, bus, device and function."""
    match = re.fullmatch(r"(?:(\w+):)?(\w+):(\w+)\.(\w)", text)
    return _address(match[1] or "0", match[2], match[3], match[4]) if match else None


def _dmon(text: str) -> list[Reading]:
    """One line a card under `*Dev Pwr DTemp …` and a line of units; used memory is a percentage."""
    header, readings = "", list[Reading]()
    for line in text.splitlines():
        if line.lstrip("*# ").lower().startswith("dev "):
            header = line.lstrip("*# ")
        elif header and (row := parse.words_under(header, line)):
            readings += _dmon_row({name.lower(): cell for name, cell in row.items()})
    return readings


def _dmon_row(row: dict[str, str]) -> list[Reading]:
    index = parse.integer(row.get("dev"))
    if index is None:
        return []
    total, used = parse.mib(row.get("mem")), parse.percent(row.get("mused"))
    return [
        Reading(
            index=index,
            memory_mib=total,
            memory_used_mib=None if total is None or used is None else round(total * used / 100, 1),
            util_pct=parse.percent(row.get("dused")),
            temp_c=parse.celsius(row.get("dtemp")),
            power_w=parse.positive(row.get("pwr")),
        )
    ]


_LISTED = re.compile(
    r"\s*(\d+)\s+\S.*?\s([0-9a-f]+:[0-9a-f]+:[0-9a-f]+\.[0-7])\s.*?(\S+)\s*",
    re.IGNORECASE | re.ASCII,
)


def _list(text: str) -> list[Reading]:
    """Lines under `DEV SN Slot ID Bus CPU Affinity UUID`."""
    last_is_uuid = re.search(r"^\s*DEV\b.*\bUUID\s*$", text, re.MULTILINE) is not None
    return [
        Reading(
            index=int(match[1]),
            pci=_table_address(match[2]),
            uuid=parse.text_or_none(match[3]) if last_is_uuid else None,
        )
        for line in text.splitlines()
        if len(line) < 1000 and (match := _LISTED.fullmatch(line))
    ]
