"""MetaX (C500, C550, C600, N260 …), also sold as Mars under the name of the HPCC stack.

Formats: `mx-smi` 2.1 to 2.3 and `ht-smi` 2.3 as pasted in PaddleNLP, ERNIE and T9k documents;
`mx-smi -L` and `--show-temperature` as asserted by tests of public schedulers and detectors;
`--show-memory` (KB) by the keys FlagScale reads; of `mx-smi -j` only the keys that public
dashboards read are known. No entry in pci.ids; vendor 9999 as `gpustack-runtime` has it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from appliance.core.i18n import say
from appliance.hardware.vendors import gpustack, parse, smi_query, smi_table
from appliance.hardware.vendors.base import Ask, Library, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry
from appliance.hardware.vendors.parse import Block

_PROGRAMS = ("mx-smi", "ht-smi")
_SHOW = ("--show-memory", "--show-usage", "--show-temperature", "--show-board-power")
_UNAVAILABLE = re.compile(r"not\s+available", re.IGNORECASE)

_SHOWN: smi_query.Spellings = {
    "memory_mib": ("vram total", "vis vram total"),
    "memory_used_mib": ("vram used", "vis vram used"),
    "util_pct": ("(?:.*usage.*/)?gpu",),
    "temp_c": (r"(?:.*temperature.*/)?(?:core|chip|soc|hotspot)(?:\(.*\))?",),
    "temp_hotspot_c": (r"(?:.*temperature.*/)?hotspot(?:\(.*\))?",),
    "temp_memory_c": (r"(?:.*temperature.*/)?(?:hbm|vram|memory)(?:\(.*\))?",),
    "power_w": ("(?:total )?board power", ".*power.*/(?:total|power)"),
    "clock_mhz": ("(?:.*/)?xcore clk",),
}
_JSON: smi_query.Spellings = {
    **_SHOWN,
    "index": ("^(?:device|gpu) id", "^index"),
    "name": ("^(?:device|product|card)? ?name", "^model"),
    "uuid": ("^uuid",),
    "pci": ("^(?:bus|pci|bdf) ?id", "^bdf"),
}


class MetaX(Vendor):
    """MetaX."""

    name = "metax"
    title = "MetaX"
    install_hint = say(
        "Install the MetaX driver (package metax-driver, kernel module metax) and MXMACA from"
        " developer.metax-tech.com; mx-smi is then in /opt/mxdriver/bin."
    )

    def owns(self, device: PciDevice) -> bool:
        """Vendor 9999, of a display or accelerator class."""
        return device.vendor_id == "9999" and device.class_id.startswith(("03", "0b", "12"))

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """The table with the list's unique ids and dead cards; else JSON; else `--show-…`."""
        inquiry = Inquiry(ask, no_driver=smi_query.NO_DRIVER)
        readings: list[Reading] = []
        for program in _PROGRAMS:
            if not readings:
                readings = _with_list(_table(inquiry(program)), _list(inquiry(program, "-L")))
                readings = smi_query.together(readings, _json(inquiry.besides(program, "-j")))
        if not readings:
            readings = smi_query.collected(_shown(inquiry("mx-smi", what)) for what in _SHOW)
        return inquiry.report(readings)

    def open_library(self) -> Library | None:
        """The mxsml library, as `gpustack-runtime` binds it."""
        return gpustack.library("metax")


def _table(text: str) -> list[Reading]:
    table = smi_table.read(text)
    runtime = smi_table.version(text, "(?:MACA|HPCC) Version")
    runtime = None if runtime == "unknown" else runtime
    driver = smi_table.version(text, "Driver Version")
    readings = smi_table.readings(table, driver=driver, runtime=runtime)
    return [
        _with_state(reading, cells.get("state", ""))
        for reading, cells in zip(readings, table.cards, strict=True)
    ]


def _with_state(reading: Reading, words: str) -> Reading:
    """GPU-State: `Available`, or `Not Available(MetaX Sysfs File Unaccessible)` of a dead card."""
    if _UNAVAILABLE.search(words):
        return msgspec.structs.replace(reading, state="lost", notes=[words])
    return msgspec.structs.replace(reading, health=parse.health(words))


_LISTED = re.compile(
    r"GPU#(?P<index>\d+)\s+(?P<name>\S.*?)\s+(?P<pci>[0-9a-f:]+\.[0-9a-f])\s+"
    r"(?P<state>.*?)\s*(?:\(UUID:\s*(?P<uuid>[^)\s]+)\s*\))?",
    re.IGNORECASE | re.ASCII,
)


def _list(text: str) -> list[Reading]:
    lines = (_LISTED.fullmatch(line.strip()) for line in text.splitlines())
    return [
        _with_state(
            Reading(
                index=int(match["index"]),
                name=match["name"],
                uuid=parse.text_or_none(match["uuid"]),
                pci=parse.pci_address(match["pci"]),
            ),
            match["state"],
        )
        for match in lines
        if match
    ]


def _with_list(readings: list[Reading], listed: list[Reading]) -> list[Reading]:
    """The table's cards, and those that only the list still names: the dead ones."""
    shown = {reading.index for reading in readings}
    dead = [r for r in listed if readings and r.state == "lost" and r.index not in shown]
    return smi_query.together(readings, listed) + dead


def _json(text: str) -> list[Reading]:
    document = parse.json_after_noise(text)
    root = smi_query.json_block(document)
    driver = parse.text_or_none(root.get("driver_version"))
    runtime = parse.text_or_none(root.get("maca_version"))
    return [
        smi_query.reading(
            smi_query.flat(card),
            _JSON,
            pci=parse.pci_address(card.key),
            driver=driver,
            runtime=runtime,
        )
        for card in root.children
        if _is_card(card)
    ]


def _is_card(block: Block) -> bool:
    listed = block.key.lower() in ("gpu", "gpus", "devices", "attached_gpus")
    return bool(block.children) and (listed or parse.pci_address(block.key) is not None)


_SHOWN_CARD = re.compile(r"GPU#(\d+)\s+(\S+)\s+(\S+).*", re.IGNORECASE | re.ASCII)


def _shown(text: str) -> list[Reading]:
    blocks = parse.blocks(text).children
    cards = [(_SHOWN_CARD.fullmatch(block.key), block) for block in blocks]
    return [
        smi_query.reading(
            smi_query.flat(block),
            _SHOWN,
            index=int(match[1]),
            name=match[2],
            pci=parse.pci_address(match[3]),
        )
        for match, block in cards
        if match
    ]
