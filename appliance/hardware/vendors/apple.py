"""Apple silicon: one GPU that shares the machine's memory.

Formats: vladkens/macmon (`macmon pipe`, no root), `powermetrics` as inureyes/all-smi reads it
(root), Apple's `system_profiler` and `ioreg` (the accelerator's performance statistics).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from appliance.core.i18n import say
from appliance.hardware.vendors.base import ABSENT, Ask, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry, fill
from appliance.hardware.vendors.parse import (
    celsius,
    json_after_noise,
    mib,
    number,
    percent,
    positive,
    text_or_none,
)

_MIB = 1024 * 1024
_POWERMETRICS = ("powermetrics", "--samplers", "gpu_power", "-n", "1", "-i", "200")


class Apple(Vendor):
    """The GPU of an Apple chip; it is on no PCI bus."""

    name = "apple"
    title = "Apple silicon"
    install_hint: ClassVar = say("Metal is part of macOS; update macOS if the GPU does not answer")

    def owns(self, device: PciDevice) -> bool:
        """Never: there is no PCI function for this GPU."""
        return False

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """Name and memory from the system, values from the first tool that has them."""
        if bus is not None:
            return ABSENT
        inquiry = Inquiry(ask)
        chip = parse_sysctl(inquiry("sysctl", "-n", "machdep.cpu.brand_string", "hw.memsize"))
        values = parse_macmon(inquiry("macmon", "pipe", "-s", "1"))
        if values.util_pct is None:
            values = fill(values, parse_powermetrics(inquiry(*_POWERMETRICS)))
        if chip.name is None:
            profiled = parse_profiler(inquiry("system_profiler", "SPDisplaysDataType", "-json"))
            chip = fill(chip, profiled)
        if values.util_pct is None or (chip.name is None and values == Reading()):
            values = fill(
                values, parse_ioreg(inquiry("ioreg", "-r", "-c", "AGXAccelerator", "-d", "1"))
            )
        found = fill(Reading(index=0), chip, values)
        return ABSENT if found == Reading(index=0) else inquiry.report([found])


_CHIP = re.compile(r"^\s*(Apple M\d+(?: \w+)?)\s*$", re.MULTILINE)
_SIZE = re.compile(r"^\s*(\d{9,16})\s*$", re.MULTILINE)
_METAL_FAMILY = {"1": "apple7", "2": "apple8", "3": "apple9", "4": "apple9", "5": "apple10"}
"""Metal's GPU families by generation of the chip (Apple, Metal feature set tables)."""


def parse_sysctl(text: str) -> Reading:
    """`sysctl -n machdep.cpu.brand_string hw.memsize`: the chip, then bytes of memory."""
    chip, size = _CHIP.search(text), _SIZE.search(text)
    if chip is None:
        return Reading()
    return Reading(
        name=chip[1], arch=_family(chip[1]), memory_mib=mib(size[1], unit="B") if size else None
    )


def _family(name: str) -> str | None:
    generation = re.match(r"Apple M(\d+)", name)
    return _METAL_FAMILY.get(generation[1]) if generation else None


def parse_macmon(text: str) -> Reading:
    """`macmon pipe`: its last whole line of JSON. GPU use is `[MHz, share of 1]`."""
    samples = (json_after_noise(line) for line in reversed(text.splitlines()))
    sample = next((one for one in samples if isinstance(one, dict)), None)
    if sample is None:
        return Reading()
    memory, heat = _section(sample, "memory"), _section(sample, "temp")
    total, used = positive(memory.get("ram_total")), positive(memory.get("ram_usage"))
    clock, share = _pair(sample.get("gpu_usage"))
    return Reading(
        memory_mib=None if total is None else round(total / _MIB),
        memory_used_mib=None if used is None else round(used / _MIB, 1),
        temp_c=celsius(heat.get("gpu_temp_avg")),
        util_pct=None if share is None else percent(share * 100),
        clock_mhz=clock,
        power_w=positive(sample.get("gpu_power")),
    )


def _section(sample: dict[str, Any], key: str) -> dict[str, Any]:
    section = sample.get(key)
    return section if isinstance(section, dict) else {}


def _pair(value: object) -> tuple[float | None, float | None]:
    if not isinstance(value, list) or len(value) != 2:
        return None, None
    return positive(value[0]), positive(value[1])


_RESIDENCY = re.compile(r"^GPU (?:HW )?active residency:\s*([\d.]+)%", re.MULTILINE)
_FREQUENCY = re.compile(r"^GPU (?:HW )?active frequency:\s*([\d.]+) MHz", re.MULTILINE)
_MILLIWATTS = re.compile(r"^GPU Power:\s*([\d.]+) mW", re.MULTILINE)


def parse_powermetrics(text: str) -> Reading:
    """`powermetrics --samplers gpu_power`, as text."""
    milliwatts = _search(_MILLIWATTS, text)
    return Reading(
        util_pct=percent(_search(_RESIDENCY, text)),
        clock_mhz=_search(_FREQUENCY, text),
        power_w=None if milliwatts is None else milliwatts / 1000,
    )


def _search(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return number(found[1]) if found else None


def parse_profiler(text: str) -> Reading:
    """`system_profiler SPDisplaysDataType -json`: the chip's name."""
    document = json_after_noise(text)
    displays = document.get("SPDisplaysDataType") if isinstance(document, dict) else None
    for display in displays if isinstance(displays, list) else []:
        name = text_or_none(display.get("sppci_model")) if isinstance(display, dict) else None
        if name is not None and _CHIP.match(name):
            return Reading(name=name, arch=_family(name))
    return Reading()


_UTILIZATION = re.compile(r'"Device Utilization %"\s*=\s*(\d+)')
_IN_USE = re.compile(r'"In use system memory"\s*=\s*(\d+)')
_MODEL = re.compile(r'"model"\s*=\s*"(Apple M[^"]+)"')


def parse_ioreg(text: str) -> Reading:
    """`ioreg -r -c AGXAccelerator -d 1`: the accelerator's own statistics."""
    model, used = _MODEL.search(text), _search(_IN_USE, text)
    return Reading(
        name=model[1] if model else None,
        arch=_family(model[1]) if model else None,
        util_pct=percent(_search(_UTILIZATION, text)),
        memory_used_mib=None if used is None else round(used / _MIB, 1),
    )
