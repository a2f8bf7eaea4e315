"""The questions `npu-smi info -t KIND -i N [-c M]`: `key : value` lines about one card.

Formats: Huawei's npu-smi reference (HDK 20 to 26), the tool's source (CANN's driver, 2026) and
outputs pasted in public issues. A card with several chips answers in one part for each; "Chip ID"
opens a part (`common`) or closes it (`usages`, `memory`), and the board's microcontroller has a
part of its own under "Chip Name : mcu", its processor one under "Chip Name : 3559".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from appliance.core.sample import CardProcess
from appliance.hardware.vendors.ascend_table import NO_CHIPS
from appliance.hardware.vendors.base import Reading
from appliance.hardware.vendors.parse import (
    celsius,
    health,
    integer,
    mib,
    pci_address,
    percent,
    positive,
    text_or_none,
)

Part = dict[str, str]
"""Values by key, lower case, no blank before a unit."""

_LINE = re.compile(r"^\s*([^:]+?)\s*:(?=\s|$)\s*(.*?)\s*$")
_PROCESS = re.compile(
    r"Process id\s*:\s*(\d+)\s+Process name\s*:\s*(.*?)\s+Process memory\(MB\)\s*:\s*(\S+)",
    re.IGNORECASE,
)
_NO_PROCESSES = re.compile(r"no (?:running )?process", re.IGNORECASE)


def parts(text: str) -> list[Part]:
    """The parts of an answer: at a blank line, a key that comes again, or the microcontroller."""
    found: list[Part] = [{}]
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            if not line.strip():
                found.append({})
            continue
        key, value = match[1].lower().replace(" (", "("), match[2]
        if key in found[-1] or (key == "chip name" and value.lower() in NO_CHIPS):
            found.append({})
        found[-1][key] = value
    return [part for part in found if part]


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What the answers about one NPU say: for its chips, and for the board they sit on."""

    chips: dict[int, Reading]
    board_power_w: float | None = None
    """The microcontroller's reading: of the whole board, for all of its chips."""


def parse_details(text: str) -> Details:
    """An answer to any `-t` question as readings by chip id (0 where a single chip has none)."""
    chips: dict[int, Reading] = {}
    board_power_w: float | None = None
    found = parts(text)
    several = any((integer(part.get("chip count")) or 0) > 1 for part in found)
    for part in found:
        chip = integer(part.get("chip id", None if several else "0"))
        if (kind := part.get("chip name", "").lower()) in NO_CHIPS:
            board_power_w = _power(part) if kind == "mcu" else board_power_w
        elif chip is not None and (reading := _reading(part)) != Reading():
            chips.setdefault(chip, reading)
    return Details(chips=chips, board_power_w=board_power_w)


def _reading(part: Part) -> Reading:
    used, total = _memory(part)
    return Reading(
        name=text_or_none(part.get("chip name")),
        uuid=_die_id(part),
        pci=pci_address(part.get("pcie bus info")),
        driver=text_or_none(part.get("software version")),
        memory_mib=total,
        memory_used_mib=used,
        util_pct=percent(part.get("aicore usage rate(%)", part.get("npu utilization(%)"))),
        temp_c=celsius(part.get("temperature(c)", part.get("npu temperature(c)"))),
        temp_memory_c=celsius(part.get("hbm temperature(c)")),
        temp_hotspot_c=celsius(part.get("soc max temperature(c)")),
        clock_mhz=positive(part.get("aicore curfreq(mhz)")),
        power_w=_power(part),
        ecc_uncorrected=_uncorrected(part),
        health=health(part.get("health", part.get("health status"))),
        notes=list(_fault_notes(part)),
    )


def _power(part: Part) -> float | None:
    return positive(part.get("npu real-time power(w)", part.get("power dissipation(w)")))


def _die_id(part: Part) -> str | None:
    for key in ("vdie id", "ddie id", "die id"):
        if value := text_or_none(part.get(key)):
            return value
    return None


def _memory(part: Part) -> tuple[float | None, int | None]:
    """Used and total; the tool tells the share in use in whole per cent only."""
    for kind in ("hbm ", "ddr ", "memory ", ""):
        total = mib(part.get(f"{kind}capacity(mb)", "0"))
        if total is None:
            return None, None
        if total:
            share = percent(part.get(f"{kind}usage rate(%)"))
            return (None if share is None else total * share / 100), total
    return None, None


_DOUBLE_BIT = re.compile(r"double.bit error count$")


def _uncorrected(part: Part) -> int | None:
    counts = [integer(v) for k, v in part.items() if _DOUBLE_BIT.search(k)]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _fault_notes(part: Part) -> Iterator[str]:
    code = text_or_none(part.get("error code"))
    if code is not None:
        words = text_or_none(part.get("error information"))
        yield f"{code}: {words}" if words else code
    if event := text_or_none(part.get("fault event information")):
        yield event


def parse_processes(text: str) -> list[CardProcess] | None:
    """The processes of `-t proc-mem`; `None` when the answer is not one."""
    found = [
        CardProcess(pid=int(pid), memory_mib=mib(memory), command=text_or_none(name))
        for pid, name, memory in _PROCESS.findall(text)
    ]
    return found or ([] if _NO_PROCESSES.search(text) else None)
