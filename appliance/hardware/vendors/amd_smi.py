"""What AMD's `amd-smi` prints: `list`, `static`, `metric`, `process` and the tool without a verb.

Formats: ROCm/amdsmi (amdsmi_cli and its changelog, ROCm 5.7 to 10) and outputs pasted in issues.
JSON is a bare list of GPUs up to ROCm 6 and `{"gpu_data": [...]}` later, beside CPUs on an MI300A;
text is the same tree in capitals, so one reader serves both. A number is bare, `{"value", "unit"}`,
"131 W" or "N/A". Keys moved: see the lists of paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from appliance.core.sample import CardProcess, Pcie
from appliance.hardware.vendors.base import Reading
from appliance.hardware.vendors.inquiry import pcie_generation
from appliance.hardware.vendors.parse import (
    Block,
    blocks,
    celsius,
    integer,
    json_after_noise,
    mib,
    number,
    pci_address,
    percent,
    positive,
    text_or_none,
)
from appliance.hardware.vendors.rocm_smi import gfx_name

Tree = dict[str, Any]
"""What an answer says about one GPU, keys in lower case."""


# -- from text to trees ------------------------------------------------------------------------


def parse(text: str) -> dict[int, Tree]:
    """GPUs of an answer, JSON or text, by number."""
    document = json_after_noise(text)
    if document is None:
        return _from_text(text)
    if isinstance(document, dict) and "gpu_info_list" in document:
        return _from_overview(document)
    gpus = (
        document.get("gpu_data", document.get("gpu_metrics"))
        if isinstance(document, dict)
        else document
    )
    return _by_number(gpus, "gpu")


def _by_number(gpus: object, key: str) -> dict[int, Tree]:
    found: dict[int, Tree] = {}
    for gpu in gpus if isinstance(gpus, list) else []:
        number_ = integer(gpu.get(key)) if isinstance(gpu, dict) else None
        if number_ is not None:
            found.setdefault(number_, gpu)
    return found


def _from_text(text: str) -> dict[int, Tree]:
    found: dict[int, Tree] = {}
    for block in blocks(text).children:
        gpu = integer(block.value) if block.key.upper() == "GPU" else None
        if gpu is not None:
            found.setdefault(gpu, _tree(block))
    return found


def _tree(block: Block) -> Tree:
    return {
        child.key.lower(): _tree(child) if child.children else child.value
        for child in block.children
    }


def _from_overview(document: Tree) -> dict[int, Tree]:
    """`amd-smi --json`: a flat list, and versions and processes beside it."""
    found = _by_number(document["gpu_info_list"], "gpu_id")
    versions = document.get("version_info")
    processes = document.get("processes")
    for gpu, tree in found.items():
        tree["version_info"] = versions
        if isinstance(processes, list):
            own = [one for one in processes if isinstance(one, dict) and one.get("gpu") == gpu]
            tree["process_list"] = own
    return found


def merge(*answers: Mapping[int, Tree]) -> dict[int, Tree]:
    """Trees of several questions put together, GPU by GPU."""
    together: dict[int, Tree] = {}
    for answer in answers:
        for gpu, tree in answer.items():
            together.setdefault(gpu, {}).update(tree)
    return dict(sorted(together.items()))


def at(tree: object, *path: str) -> Any:
    """What stands at `path`: a scalar ("N/A" included), a list or a tree; `None` for nothing."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    if isinstance(tree, dict) and "value" in tree:
        return f"{tree['value']} {tree.get('unit', '')}".strip()
    return tree


def _first(tree: Tree, read: Any, *paths: str) -> Any:
    """The first readable value of several spellings, written `section.key`."""
    values = (read(at(tree, *path.split("."))) for path in paths)
    return next((value for value in values if value is not None), None)


# -- a reading ---------------------------------------------------------------------------------


def reading(index: int, tree: Tree) -> Reading:
    """What is known about one GPU."""
    edge = _first(tree, celsius, "temperature.edge")
    hotspot = _first(tree, celsius, "temperature.hotspot", "temperature.junction")
    sensor = "edge" if edge is not None or hotspot is None else "hotspot"
    overview = _first(tree, celsius, "temp")
    return Reading(
        index=index,
        name=_name(tree),
        uuid=_first(tree, text_or_none, "uuid"),
        pci=_first(tree, pci_address, "bdf", "bus.bdf", "gpu_bdf"),
        memory_mib=_first(tree, mib, *_TOTAL),
        memory_used_mib=_first(tree, mib, *_USED),
        driver=_first(tree, text_or_none, *_DRIVER),
        runtime=_runtime(tree),
        arch=gfx_name(at(tree, "asic", "target_graphics_version")),
        util_pct=_first(tree, percent, "usage.gfx_activity", "usage.gfx_usage", "gfx_util"),
        temp_c=next((t for t in (edge, hotspot, overview) if t is not None), None),
        temp_memory_c=_first(tree, celsius, "temperature.mem", "temperature.vram"),
        temp_hotspot_c=hotspot,
        power_w=_first(tree, positive, *_POWER),
        power_limit_w=_first(tree, positive, *_POWER_LIMIT),
        clock_mhz=_clock(tree),
        fan_pct=_first(tree, percent, "fan.usage", "fan"),
        throttle=_throttle(tree),
        ecc_uncorrected=_first(tree, integer, *_UNCORRECTED),
        pcie=_pcie(tree),
        processes=_processes(tree),
        temp_warn_c=_limit(tree, "slowdown", sensor),
        temp_critical_c=_limit(tree, "shutdown", sensor),
    )


_TOTAL = (
    "mem_usage.total_vram",
    "vram.size",
    "vram.vram_size_mb",
    "vram.total",
    "mem_usage.total_gtt",
)
_USED = ("mem_usage.used_vram", "vram.used", "mem_usage.used_gtt")
_DRIVER = (
    "driver.version",
    "driver.driver_version",
    "version_info.amdgpu version.driver_version",
    "version_info.amdgpu version",
)
_POWER = (
    "power.socket_power",
    "power.current_socket_power",
    "power.average_socket_power",
    "power.current_power",
    "power_usage.current_power",
)
_POWER_LIMIT = (
    "limit.socket_power",
    "limit.ppt0.socket_power_limit",
    "limit.socket_power_limit",
    "limit.current_power",
    "power.power_limit",
    "power_usage.power_limit",
)
_UNCORRECTED = (
    "ecc.total_uncorrectable_count",
    "ecc.total_uncorrectable",
    "ecc.uncorrectable_count",
    "ecc.uncorrectable",
    "uncorr_ecc",
)
_HEX = re.compile(r"0x[0-9a-f]+", re.IGNORECASE)


def _name(tree: Tree) -> str | None:
    names = (
        text_or_none(at(tree, *path))
        for path in (("asic", "market_name"), ("market_name",), ("board", "product_name"))
    )
    return next((name for name in names if name and not _HEX.fullmatch(name)), None)


def _runtime(tree: Tree) -> str | None:
    """ROCm's version: `[true, "7.0.2"]` or plain."""
    version = at(tree, "version_info", "rocm version")
    if isinstance(version, list):
        version = version[1] if len(version) == 2 and version[0] else None
    return text_or_none(version)


def _clock(tree: Tree) -> float | None:
    """The first compute die's clock; an MI300 has up to eight."""
    clocks = at(tree, "clock")
    for name, clock in clocks.items() if isinstance(clocks, dict) else ():
        if name.startswith("gfx"):
            value = _first(clock, positive, "clk", "cur_clk", "current_clk")
            if value is not None:
                return float(value)
    return None


def _limit(tree: Tree, kind: str, sensor: str) -> float | None:
    value = _first(tree, celsius, f"limit.{kind}_{sensor}_temperature")
    if value is None and sensor == "edge":
        value = _first(tree, celsius, f"limit.{kind}_hotspot_temperature")
    return None if value is None else float(value)


_REASONS = {
    "ppt": "power",
    "prochot": "thermal",
    "socket_thermal": "thermal",
    "vr_thermal": "thermal",
    "hbm_thermal": "thermal",
}


def _throttle(tree: Tree) -> list[str] | None:
    """The reasons whose violation is active now; `None` when none of them is told."""
    told: list[tuple[str, bool]] = []
    for reason, word in _REASONS.items():
        status = str(at(tree, "throttle", f"{reason}_violation_status")).upper()
        if status in ("ACTIVE", "TRUE", "NOT ACTIVE", "FALSE"):
            told.append((word, status in ("ACTIVE", "TRUE")))
    if told:
        return list(dict.fromkeys(word for word, active in told if active))
    return [] if at(tree, "power", "throttle_status") == "UNTHROTTLED" else None


def _pcie(tree: Tree) -> Pcie | None:
    speed = _first(tree, number, "pcie.speed", "pcie.current_speed")
    best = _first(tree, number, "bus.max_pcie_speed", "pcie.max_speed")
    pcie = Pcie(
        gen=pcie_generation(speed),
        width=_first(tree, integer, "pcie.width", "pcie.current_width", "pcie.current_lanes"),
        gen_max=pcie_generation(best),
        width_max=_first(
            tree, integer, "bus.max_pcie_width", "bus.max_pcie_lanes", "pcie.max_width"
        ),
    )
    return None if pcie == Pcie() else pcie


# -- processes ---------------------------------------------------------------------------------


def _processes(tree: Tree) -> list[CardProcess] | None:
    listed = tree.get("process_list")
    return None if not isinstance(listed, list) else list(_each_process(listed))


def _each_process(listed: list[object]) -> Iterator[CardProcess]:
    for entry in listed:
        info = at(entry, "process_info") or entry
        pid = integer(at(info, "pid"))
        if isinstance(info, dict) and pid is not None:
            yield CardProcess(
                pid=pid,
                memory_mib=_first(info, mib, "memory_usage.vram_mem", "vram", "mem_usage"),
                command=_first(info, text_or_none, "name"),
            )
