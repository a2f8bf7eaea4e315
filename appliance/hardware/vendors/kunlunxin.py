"""Kunlunxin (P800, R200, R300 …).

Its `xpu-smi` shares name and path with Intel's: an answer counts only with Kunlunxin's own banner
or line format, and with a bus at hand only next to a Kunlunxin card.

Formats: `xpu-smi -m` by its help text, with real lines from an adapter's fixture; the table of
5.0 to 5.19 as pasted in ERNIE and PaddlePaddle documents; `-q` as quoted in zstack-utility.
PCI ids: pci.ids (1d22, Baidu); newer P800 PCIe cards report vendor 2057 (zstack-utility).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from appliance.core.i18n import say
from appliance.hardware.vendors import parse, smi_query, smi_table
from appliance.hardware.vendors.base import ABSENT, Ask, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry
from appliance.hardware.vendors.parse import Block

_PROGRAMS = ("xpu-smi", "xpu_smi")
_CLOUD_STORAGE = "1380"


class Kunlunxin(Vendor):
    """Kunlunxin."""

    name = "kunlunxin"
    title = "Kunlunxin"
    install_hint = say(
        "Install the XRE package (driver kunlun, xpu-smi) that came with the server or from"
        " Kunlunxin's support; xpu-smi is then in /usr/local/bin or /usr/local/xpu/bin."
    )

    def owns(self, device: PciDevice) -> bool:
        """Vendor 1d22 or 2057; Baidu's storage controller is none."""
        return (
            device.vendor_id in ("1d22", "2057")
            and device.class_id.startswith(("03", "0b", "12"))
            and device.device_id != _CLOUD_STORAGE
        )

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """Machine-readable lines, and what they leave out from the table; else XML; else list."""
        if bus is not None and not bus:
            return ABSENT
        inquiry = Inquiry(ask, no_driver=smi_query.NO_DRIVER)
        readings: list[Reading] = []
        for program in _PROGRAMS:
            if not readings:
                lines = _machine_readable(inquiry(program, "-m"))
                readings = smi_query.together(lines, _table(inquiry(program)))
            if not readings:
                readings = _log(inquiry(program, "-q", "-x")) or _list(inquiry(program, "-L"))
        return inquiry.report(readings)


# Places in a line of `-m`, from its help text.
_PCI, _DEVICE, _TEMP, _TEMP_MEMORY, _POWER, _CLOCK = 0, 2, 4, 6, 8, 9
_USED, _TOTAL, _USE, _MODEL = 17, 18, 19, 21


def _machine_readable(text: str) -> list[Reading]:
    """One line a card, fields parted by blanks, the model in quotes: it shows none is missing."""
    rows = (re.findall(r'"[^"]*"|\S+', line) for line in text.splitlines())
    whole = (row for row in rows if len(row) > _MODEL and row[_MODEL].startswith('"'))
    return [_row(row) for row in whole if parse.pci_address(row[_PCI])]


def _row(row: list[str]) -> Reading:
    numbers = [field if re.fullmatch(r"[\d.]+", field, re.ASCII) else None for field in row]
    return Reading(
        index=parse.integer(numbers[_DEVICE]),
        name=parse.text_or_none(row[_MODEL].strip('"')),
        pci=parse.pci_address(row[_PCI]),
        memory_mib=parse.mib(numbers[_TOTAL]),
        memory_used_mib=parse.mib(numbers[_USED]),
        util_pct=parse.percent(numbers[_USE]),
        temp_c=parse.celsius(numbers[_TEMP]),
        temp_memory_c=parse.celsius(numbers[_TEMP_MEMORY]),
        power_w=parse.positive(numbers[_POWER]),
        clock_mhz=parse.positive(numbers[_CLOCK]),
    )


def _table(text: str) -> list[Reading]:
    if not re.search(r"XPU-SMI\b.*Driver Version", text):
        return []
    return smi_table.readings(
        smi_table.read(text),
        driver=smi_table.version(text, "Driver Version"),
        runtime=smi_table.version(text, "XPU-RT Version"),
    )


def _log(text: str) -> list[Reading]:
    root = smi_query.xml_block(text)
    cards = [card for card in root.all("xpu") or root.all("gpu") if card.children]
    places = smi_query.in_order(root, len(cards))
    return [_card(root, card, index) for index, card in zip(places, cards, strict=True)]


def _card(root: Block, card: Block, index: int | None) -> Reading:
    return smi_query.reading(
        smi_query.flat(card),
        index=index,
        driver=parse.text_or_none(root.get("driver version")),
        runtime=parse.text_or_none(root.first(["xpu-rt version"], ["xpu rt version"])),
        processes=smi_query.processes(card),
    )


def _list(text: str) -> list[Reading]:
    return [r for r in smi_query.listed(text) if re.search(rf"(?im)^xpu\s*#?{r.index}\s*:", text)]
