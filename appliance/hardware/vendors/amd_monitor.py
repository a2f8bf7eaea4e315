"""`amd-smi monitor`: one line a GPU, as a table with blanks in its values or as CSV.

Formats: ROCm/amdsmi (amdsmi_commands.py, `monitor`, and its changelog, ROCm 6.0 to 10). Columns
depend on the flags and move between versions; a partition that is not its card's first says N/A for
the sensors that belong to the whole card.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec.structs import replace

from appliance.core.sample import CardProcess
from appliance.hardware.vendors.base import Reading
from appliance.hardware.vendors.parse import (
    celsius,
    csv_table,
    integer,
    mib,
    number,
    percent,
    positive,
    text_or_none,
)

Row = dict[str, str]

_WORD = r"N/A|True|False|(?:UN)?THROTTLED"
_VALUE = re.compile(rf"(?:{_WORD}|-?[\d.]+(?:\s*/\s*[\d.]+)?)(?:[ \t]+(?![-\d]|{_WORD})\S+)?")
"""A number, a pair of them or a word; with its unit: the next word that is none of these."""


def parse(text: str) -> dict[int, Reading]:
    """Readings by GPU number, from a table or from CSV."""
    rows = (
        csv_table(text) if re.search(r"^(?:timestamp,)?gpu,", text, re.MULTILINE) else _rows(text)
    )
    devices: dict[int, Reading] = {}
    for row in rows:
        gpu = integer(row.get("gpu"))
        if gpu is not None:
            devices[gpu] = _reading(gpu, row)
    return _with_processes(devices, text)


def _rows(text: str) -> list[Row]:
    names: list[str] = []
    rows: list[Row] = []
    for line in text.splitlines():
        words = line.lower().split()
        if "gpu" in words[:2] and len(words) > 2:
            names = [] if {"name", "pid"} & set(words) else words
        elif names and not _VALUE.sub("", line).strip():
            values = _VALUE.findall(line)
            rows += [dict(zip(names, values, strict=True))] if len(values) == len(names) else []
    return rows


def _reading(gpu: int, row: Row) -> Reading:
    used, total = _memory(row)
    hotspot = _first(celsius, row, "hotspot_temperature")
    return Reading(
        index=gpu,
        util_pct=_first(percent, row, "gfx%", "gfx_util", "gfx"),
        memory_mib=total,
        memory_used_mib=used,
        temp_c=_first(celsius, row, "gpu_t", "gpu_temp", "hotspot_temperature"),
        temp_hotspot_c=hotspot,
        temp_memory_c=_first(celsius, row, "mem_t", "mem_temp", "memory_temperature"),
        power_w=_first(positive, row, "power", "power_usage"),
        power_limit_w=_first(positive, row, "pwr_cap", "max_power"),
        clock_mhz=_first(positive, row, "gfx_clk", "gfx_clock"),
        ecc_uncorrected=_whole(row, "double_ecc", "double_bit_ecc"),
        throttle=_throttle(row),
    )


def _first(read: Callable[[object], float | None], row: Row, *names: str) -> float | None:
    return next((value for name in names if (value := read(row.get(name))) is not None), None)


def _whole(row: Row, *names: str) -> int | None:
    return next((value for name in names if (value := integer(row.get(name))) is not None), None)


def _memory(row: Row) -> tuple[int | None, int | None]:
    """Used and total: two columns, or one that says `2.9/ 15.9 GB`; on an APU of its GTT pool."""
    for name in ("vram_usage", "gtt_usage"):
        used, _, total = row.get(name, "").partition("/")
        amount, _, unit = total.strip().partition(" ")
        if unit:
            return mib(f"{used.strip()} {unit}"), mib(f"{amount} {unit}")
    return mib(row.get("vram_used")), mib(row.get("vram_total"))


_VIOLATIONS = {
    "pviol": "power",
    "tviol": "thermal",
    "phot_tviol": "thermal",
    "vr_tviol": "thermal",
    "hbm_tviol": "thermal",
}


def _throttle(row: Row) -> list[str] | None:
    """`--violation`: the share of the last moment in which each limit was hit.

    Older versions have one column, which tells no reasons.
    """
    if row.get("throttle") == "UNTHROTTLED":
        return []
    told = {name: number(row[name]) for name in _VIOLATIONS if name in row}
    known = {name: share for name, share in told.items() if share is not None}
    if not known:
        return None
    return list(dict.fromkeys(_VIOLATIONS[name] for name, share in known.items() if share > 0))


# -- the process table of `monitor -q` ---------------------------------------------------------

_PROCESS = re.compile(
    r"^\s*(\d+)\s+(\S.*?)\s+(\d+)\s+(?:[\d.]+|N/A)\s*[KMGT]?i?B?\s+(?:[\d.]+|N/A)\s*[KMGT]?i?B?"
    r"\s+([\d.]+ [KMGT]?i?B)\b"
)


def _with_processes(devices: dict[int, Reading], text: str) -> dict[int, Reading]:
    _, found, table = text.partition("PROCESS INFO")
    if not found:
        return devices
    running: dict[int, list[CardProcess]] = {gpu: [] for gpu in devices}
    for line in table.splitlines():
        if match := _PROCESS.match(line):
            process = CardProcess(
                pid=int(match[3]), memory_mib=mib(match[4]), command=text_or_none(match[2])
            )
            running.setdefault(int(match[1]), []).append(process)
    return {gpu: replace(one, processes=running[gpu]) for gpu, one in devices.items()}
