"""What Intel's `xpu-smi` prints: JSON, two-column tables, CSV, tables of processes and links.

Formats: intel/xpumanager (user guides, command line sources and Nagios script of 1.x, documents of
2.x) and the test data of oxideterm. A device of several tiles may answer for its tiles only: memory
and power are added, use is averaged, the higher temperature and clock count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import Any

from appliance.core.inventory import Link
from appliance.core.sample import CardProcess, HealthWord, Pcie
from appliance.hardware.vendors.base import Reading
from appliance.hardware.vendors.parse import (
    celsius,
    csv_rows,
    health,
    integer,
    json_after_noise,
    mib,
    pci_address,
    percent,
    positive,
    table_groups,
    table_rows,
    text_or_none,
)

Fields = dict[str, Any]

Join = Callable[[Sequence[float]], float]


# -- discovery ---------------------------------------------------------------------------------


def parse_discovery(text: str) -> dict[int, Fields]:
    """Facts by device id: from `-j`, for all or one device; from the table; from `--dump` CSV."""
    document = json_after_noise(text)
    if isinstance(document, dict):
        listed = document.get("device_list", [document])
        rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    else:
        rows = [*_discovery_table(text), *_discovery_csv(text)]
    return {device: row for row in rows if (device := integer(row.get("device_id"))) is not None}


def _key(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")


def _discovery_table(text: str) -> Iterator[Fields]:
    for group in table_groups(text):
        fields: Fields = {}
        for row in group:
            if len(row) == 2 and row[0].isdigit():
                fields = {"device_id": row[0]}
                yield fields
            if len(row) == 2 and fields and ":" in row[1]:
                label, _, value = row[1].partition(":")
                fields.setdefault(_key(label), value.strip())


def _discovery_csv(text: str) -> Iterator[Fields]:
    rows = csv_rows(text)
    if rows and rows[0][0].lower() == "device id":
        names = [_key(name) for name in rows[0]]
        yield from (dict(zip(names, row, strict=False)) for row in rows[1:])


def facts(device: int, fields: Fields) -> Reading:
    """What `discovery` says. Its PCIe figures are the device's best, not the link of now."""
    pcie = Pcie(
        gen_max=integer(fields.get("pcie_generation")),
        width_max=integer(fields.get("pcie_max_link_width")),
    )
    return Reading(
        index=device,
        name=text_or_none(fields.get("device_name")),
        uuid=text_or_none(fields.get("uuid", fields.get("soc_uuid"))),
        pci=pci_address(fields.get("pci_bdf_address")),
        memory_mib=_size(fields),
        driver=text_or_none(fields.get("driver_version")),
        pcie=None if pcie == Pcie() else pcie,
    )


def _size(fields: Fields) -> int | None:
    size = mib(fields.get("memory_physical_size_byte"), unit="B")
    return size if size is not None else mib(fields.get("memory_physical_size"))


# -- present values ----------------------------------------------------------------------------


class _Metric:
    """A metric under all of its names, how a cell of it is read, and how tiles are joined."""

    def __init__(
        self, field: str, read: Callable[[object], float | None], join: Join, *names: str
    ) -> None:
        self.field = field
        self.read = read
        self.join = join
        self.names = names

    def of(self, cells: Sequence[object]) -> float | None:
        """The device's value from the cells of its tiles, or from its one cell.

        Sums and averages want every tile's part; the highest makes do with the tiles that tell.
        """
        values = [value for cell in cells if (value := self.read(cell)) is not None]
        whole = len(values) == len(cells) or self.join is max
        return self.join(values) if values and whole else None


_METRICS = (
    _Metric(
        "util_pct",
        percent,
        fmean,
        "xpum_stats_gpu_utilization",
        "gpu utilization",
        "average % utilization of all gpu engines",
        "average % utilization of",
        "utilization.gpu",
        "utilization.gpu_percent",
    ),
    _Metric(
        "power_w", positive, sum, "xpum_stats_power", "gpu power", "power.draw", "power.gpu_power_w"
    ),
    _Metric(
        "clock_mhz",
        positive,
        max,
        "xpum_stats_gpu_frequency",
        "gpu frequency",
        "clocks.current.graphics",
        "frequency.gpu_frequency_mhz",
    ),
    _Metric(
        "temp_c",
        celsius,
        max,
        "xpum_stats_gpu_core_temperature",
        "gpu core temperature",
        "temperature.gpu",
        "temperature.gpu_core_celsius",
    ),
    _Metric(
        "temp_memory_c",
        celsius,
        max,
        "xpum_stats_memory_temperature",
        "gpu memory temperature",
        "temperature.memory",
        "temperature.memory_celsius",
    ),
    _Metric(
        "memory_used_mib",
        positive,
        sum,
        "xpum_stats_memory_used",
        "gpu memory used",
        "memory.used",
        "memory.used_mib",
    ),
    _Metric("fan_pct", percent, max, "fan speed", "fan.speed_percent"),
    _Metric(
        "ecc_uncorrected",
        integer,
        sum,
        "xpum_stats_ras_error_cat_non_compute_errors_uncorrectable",
        "mem errors uncorrectable",
        "gpu memory errors uncorrectable",
    ),
)
"""Names: of 1.x in JSON, of its tables and columns; of 2.x in `dump` and in JSON."""

Cells = dict[str, list[object]]
"""A metric's cells, one for the device or one for each tile, by name without its unit."""


def _values(cells: Cells) -> Reading:
    found: dict[str, Any] = {}
    for metric in _METRICS:
        for name in metric.names:
            value = metric.of(cells.get(name, []))
            if value is not None:
                found.setdefault(metric.field, value)
    if "ecc_uncorrected" in found:
        found["ecc_uncorrected"] = int(found["ecc_uncorrected"])
    return Reading(**found)


def parse_stats(text: str) -> Reading:
    """`stats -d N`, as JSON or as a table."""
    document = json_after_noise(text)
    if not isinstance(document, dict):
        return _values(_table_cells(text))
    return _values(_nested_cells(document) | _json_cells(document))


def _json_cells(document: Fields) -> Cells:
    """1.x: the device's own values; its tiles' where it has none of a metric."""
    level = document.get("tile_level")
    tiles = [
        _listed(tile.get("data_list") if isinstance(tile, dict) else None)
        for tile in (level if isinstance(level, list) else [])
    ]
    of_tiles: Cells = {
        name: [tile.get(name) for tile in tiles] for name in {n for tile in tiles for n in tile}
    }
    own = _listed(document.get("device_level"))
    return of_tiles | {name: [value] for name, value in own.items()}


def _listed(metrics: object) -> Fields:
    return {
        str(metric.get("metrics_type")).lower(): metric.get("value", metric.get("avg"))
        for metric in (metrics if isinstance(metrics, list) else [])
        if isinstance(metric, dict)
    }


def _nested_cells(document: Fields) -> Cells:
    """2.x: `section`, metric, `tile_N`; there a number, or its statistics with `current`."""
    return {
        f"{section}.{name}": [
            one.get("current") if isinstance(one, dict) else one for one in tiles.values()
        ]
        for section, metrics in document.items()
        if isinstance(metrics, dict)
        for name, tiles in metrics.items()
        if isinstance(tiles, dict)
    }


def _without_unit(label: str) -> str:
    return re.sub(r"\s*\([^()]*\)\s*$", "", label.strip().lower())


_CONTINUED = re.compile(r"\(.*\)|all GPU Engines|", re.IGNORECASE)
_CURRENT = re.compile(r"current:\s*([^,;\s]+)")


def _table_cells(text: str) -> Cells:
    """Two columns; a label may go on in the next line, and each tile may have a line."""
    cells: Cells = {}
    label = ""
    for row in table_rows(text):
        if len(row) == 2:
            continued = _CONTINUED.fullmatch(row[0])
            label = label if continued else _without_unit(row[0])
            if row[1] or not continued:
                cells.setdefault(label, []).extend(_tiles(row[1]))
    return cells


def _tiles(cell: str) -> list[str]:
    """`15`, `0; Engine 0: 0`, `Tile 0: 143; Tile 1: 97`, `Tile 0: avg: 9, …, current: 8`."""
    first, *tiles = re.split(r"Tile \d+:", cell, flags=re.IGNORECASE)
    found = []
    for piece in tiles or [first]:
        current = _CURRENT.search(piece)
        found.append(current[1] if current else piece.partition(";")[0].strip(" ,"))
    return found


def parse_dump(text: str) -> dict[int, Reading]:
    """`dump -d -1 -m …`: the last sample of each device, tiles joined."""
    rows = csv_rows(text)
    header = next((row for row in rows if row[0].lower() == "timestamp"), None)
    if header is None:
        return {}
    names = [_without_unit(name) for name in header]
    latest: dict[int, Cells] = {}
    times: dict[int, str] = {}
    for row in rows:
        sample = dict(zip(names, row, strict=True)) if len(row) == len(names) else {}
        device = integer(sample.get("deviceid"))
        if device is None:
            continue
        if times.get(device) != sample["timestamp"]:
            times[device], latest[device] = sample["timestamp"], {}
        for name, cell in sample.items():
            latest[device].setdefault(name, []).append(cell)
    return {device: _values(cells) for device, cells in latest.items()}


# -- health, limits ----------------------------------------------------------------------------

_WORST: tuple[HealthWord, ...] = ("critical", "warning", "ok")


def parse_health(text: str) -> dict[int, Reading]:
    """`health -l` as JSON or as a table: the worst word, and the core's temperature limits."""
    document = json_after_noise(text)
    devices = _health_json(document) if document is not None else _health_table(text)
    return {device: _health(parts) for device, parts in devices.items()}


def _health(parts: dict[str, Fields]) -> Reading:
    words = {health(part.get("status")) for part in parts.values()}
    core = parts.get("core_temperature", parts.get("gpu_core_temperature", {}))
    return Reading(
        health=next((word for word in _WORST if word in words), None),
        temp_warn_c=_threshold(core.get("throttle_threshold")),
        temp_critical_c=_threshold(core.get("shutdown_threshold")),
    )


def _threshold(text: object) -> float | None:
    """A limit; -1 stands for none."""
    words = str(text).split()
    limit = celsius(words[0]) if words else None
    return limit if limit is not None and limit > 0 else None


def _health_json(document: Any) -> dict[int, dict[str, Fields]]:
    if isinstance(document, list):
        listed = document
    else:
        lists = [value for value in document.values() if isinstance(value, list)]
        listed = lists[0] if lists and "device_id" not in document else [document]
    found: dict[int, dict[str, Fields]] = {}
    for entry in listed:
        device = integer(entry.get("device_id")) if isinstance(entry, dict) else None
        if device is not None:
            found[device] = {key: part for key, part in entry.items() if isinstance(part, dict)}
    return found


def _health_table(text: str) -> dict[int, dict[str, Fields]]:
    found: dict[int, dict[str, Fields]] = {}
    device, part = None, ""
    for row in table_rows(text):
        if len(row) != 2:
            continue
        if row[0].lower() == "device id":
            device = integer(row[1])
            continue
        part = _key(re.sub(r"^\d+\.", "", row[0])) or part
        label, colon, value = row[1].partition(":")
        if device is not None and colon:
            found.setdefault(device, {}).setdefault(part, {})[_key(label)] = value.strip()
    return found


_POWER_LIMIT = re.compile(r"power limit\s*\(w\)\s*:\s*([\d.]+)", re.IGNORECASE)


def parse_power_limit(text: str) -> float | None:
    """`config -d N`: the limit of the whole device comes first."""
    found = _POWER_LIMIT.search(text)
    return positive(found[1]) if found else None


# -- processes, links --------------------------------------------------------------------------

_PROCESS = re.compile(r"^\s*(\d+)\s+(\S.*?)\s+(\d+)\s+(\d+)\s+(\d+)\s*$")


def parse_processes(text: str) -> dict[int, list[CardProcess]] | None:
    """`ps`: memory in kB by process and device; `None` when it is no such table."""
    lines = text.splitlines()
    if not any(line.split()[:3] == ["PID", "Command", "DeviceID"] for line in lines):
        return None
    found: dict[int, list[CardProcess]] = {}
    for line in lines:
        if match := _PROCESS.match(line):
            process = CardProcess(
                pid=int(match[1]), command=match[2], memory_mib=round(int(match[5]) / 1024, 2)
            )
            found.setdefault(int(match[3]), []).append(process)
    return found


_TILE_NAME = re.compile(r"GPU\s+(\d+)(?:/\d+)?")


def parse_links(text: str) -> dict[int, list[Link]]:
    """`topology -m`: devices with an Xe Link between any of their tiles."""
    columns: list[int | None] = []
    pairs: dict[tuple[int, int], None] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        own = _TILE_NAME.match(cells[0])
        if own is None or len(_TILE_NAME.findall(cells[0])) > 1:
            continue
        if not columns and (len(cells) > 1 and _TILE_NAME.match(cells[1])):
            columns = [_device(cell) for cell in cells]
            continue
        for peer, word in zip(columns, cells[1:], strict=False):
            if peer is not None and word.startswith("XL") and peer != int(own[1]):
                pairs[(int(own[1]), peer)] = None
    links: dict[int, list[Link]] = {}
    for device, peer in pairs:
        links.setdefault(device, []).append(Link(kind="Xe Link", peer=f"#{peer}", state="up"))
    return links


def _device(cell: str) -> int | None:
    found = _TILE_NAME.search(cell)
    return int(found[1]) if found else None
