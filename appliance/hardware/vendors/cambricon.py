"""Cambricon (MLU370, MLU590 …).

Formats: `cnmon info` by the CNMON user guide; the tables of 4.20 and 5.10 as pasted in PaddlePaddle
documents; the keys of cnmon_info.json as KaiTian and `gpustack-runtime` read them. No entry in
pci.ids; vendor cabc as `gpustack-runtime` has it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from appliance.core.i18n import say
from appliance.hardware.vendors import gpustack, parse, smi_query, smi_table
from appliance.hardware.vendors.base import Ask, Library, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry
from appliance.hardware.vendors.parse import Block

_JSON_FILE = "cnmon_info.json"
_JSON_QUESTION = ("cnmon", "info", "-e", "-m", "-u", "-j")

_SPELLINGS: smi_query.Spellings = {
    "index": ("^cardnum",),
    "name": ("^product ?name",),
    "uuid": ("^uuid",),
    "driver": ("^driver(?: version)?",),
    "health": ("^health ?state/device",),
    "memory_mib": ("physical ?mem(?:ory)? ?usage/total",),
    "memory_used_mib": ("physical ?mem(?:ory)? ?usage/used",),
    "util_pct": ("utilization/mlu ?average",),
    "temp_c": ("temperature/chip",),
    "temp_memory_c": ("temperature/(?:memory|memorydie.*)",),
    "power_w": ("^power/usage",),
    "power_limit_w": ("^power/cap",),
    "fan_pct": ("^fan(?: speed|speed)?",),
    "clock_mhz": ("^frequency/(?:curr? ?freq|current|ipu ?freq)",),
    "pcie.gen": ("^pci/current ?(?:link ?)?speed",),
    "pcie.gen_max": ("^pci/max ?(?:link ?)?speed",),
    "pcie.width": ("^pci/current ?(?:link ?)?width",),
    "pcie.width_max": ("^pci/max ?(?:link ?)?width",),
}


class Cambricon(Vendor):
    """Cambricon."""

    name = "cambricon"
    title = "Cambricon"
    install_hint = say(
        "Install the MLU driver (package cambricon-mlu-driver, kernel module cambricon_drv) from"
        " sdk.cambricon.com; cnmon comes with it."
    )

    def owns(self, device: PciDevice) -> bool:
        """Vendor cabc, of a display or accelerator class."""
        return device.vendor_id == "cabc" and device.class_id.startswith(("03", "0b", "12"))

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """`cnmon info` with the table; else the list; else the file that `-j` writes."""
        inquiry = Inquiry(ask, no_driver=smi_query.NO_DRIVER)
        readings = smi_query.together(_info(inquiry("cnmon", "info")), _table(inquiry("cnmon")))
        if not readings:
            readings = smi_query.listed(inquiry("cnmon", "-l"))
        if not readings:
            answer = ask(*_JSON_QUESTION)
            readings = _json(answer.files.get(_JSON_FILE, "") if answer else "")
        return inquiry.report(readings)

    def open_library(self) -> Library | None:
        """The cndev library, as `gpustack-runtime` binds it."""
        return gpustack.library("cambricon")


def _info(text: str) -> list[Reading]:
    cards = smi_query.sections(parse.blocks(text), "card")
    return [_card(card.block, card.number) for card in cards]


def _json(text: str) -> list[Reading]:
    root = smi_query.json_block(parse.json_after_noise(text))
    return [_card(card, None) for card in root.all("CnmonInfo")]


def _card(block: Block, index: int | None) -> Reading:
    values = smi_query.flat(block)
    return smi_query.reading(
        values,
        _SPELLINGS,
        index=index,
        pci=_address(values),
        processes=smi_query.processes(block),
    )


def _address(values: smi_query.Flat) -> str | None:
    """An address from its four hexadecimal numbers, whose keys differ between text and JSON."""
    keys = (("domain id", "domainid"), ("bus num", "bus"), ("device",), ("function",))
    texts = [next((t for k in names if (t := values.get(f"pci/{k}"))), "") for names in keys]
    if not all(re.fullmatch(r"[0-9a-fA-F]{1,4}", text) for text in texts):
        return None
    return parse.pci_parts(*(int(text, 16) for text in texts))


def _table(text: str) -> list[Reading]:
    """The table; up to 4.20 the driver stands in each card's line, and there is no address."""
    return smi_table.readings(smi_table.read(text), driver=smi_table.version(text, "Driver"))
