"""The tables of `npu-smi`: `info`, `info -m`, `info -l`, `info watch`, `info -t topo`.

Formats: Huawei's npu-smi reference (HDK 20 to 26), outputs that users paste in public issues
(vllm-project/vllm-ascend, Project-HAMi) and the docstrings of gpustack's npu_smi detector. What
moves between versions: the widths; `Device` (310, 310P), `Phy-ID` (910C) or nothing beside `Chip`;
an HBM column beside the DDR one from the 910 on; the 950 gives the NPU id a cell of its own, has no
chip column, says `NPU Util(%)` for `AICore(%)`, and may add "Process id in container".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from appliance.core.inventory import Link
from appliance.core.sample import CardProcess
from appliance.hardware.vendors.base import Reading
from appliance.hardware.vendors.parse import (
    Row,
    cells,
    celsius,
    health,
    integer,
    mib,
    pci_address,
    percent,
    positive,
    table_groups,
    text_or_none,
)

ChipKey = tuple[int, int]
"""NPU id and chip id, as `-i` and `-c` take them."""


# -- npu-smi info ------------------------------------------------------------------------------


class Table(msgspec.Struct, kw_only=True):
    """What `npu-smi info` shows: readings by chip, and the processes it lists."""

    readings: dict[ChipKey, Reading] = {}
    processes: dict[ChipKey, list[CardProcess]] = {}
    told: set[int] = set()
    """NPUs of which the table shows every process, or says itself that they have none."""
    numbered: bool = False
    """Whether the table has a column with the numbers of devices (`Device`, `Phy-ID`)."""

    def with_processes(self) -> dict[ChipKey, Reading]:
        """The readings, processes put to their chips; `None` where the table does not say."""
        return {
            key: msgspec.structs.replace(
                reading, processes=self.processes.get(key, [] if key[0] in self.told else None)
            )
            for key, reading in self.readings.items()
        }


_VERSION = re.compile(r"npu-smi\s+\S+\s+Version:\s*(\d[\w.+-]*)", re.IGNORECASE)
_NAME_WITH_UNIT = re.compile(r"[^\s()][^()]*\([^()]*\)")
_PAIR_OR_WORD = re.compile(r"\S+?\s*/\s*\S+|\S+")
_IDLE = re.compile(r"no running processes found in npu\s+(\d+)", re.IGNORECASE)


class _Headers:
    """The column names in force: of a card's first line, of its second, of a process."""

    def __init__(self) -> None:
        self.width = 0
        self.upper: list[str] = []
        self.lower: list[str] = []
        self.lower_ids: list[str] = []
        self.processes: list[str] = []

    def take(self, row: Row) -> bool:
        """Whether the row is a header, which then is remembered."""
        names = [cell.lower() for cell in row]
        if any(name.startswith("process id") for name in names):
            self.processes = names
        elif "health" in names:
            self.width, self.upper, self.processes = len(row), _value_names(row), []
        elif "bus-id" in names:
            self.lower, self.lower_ids = _value_names(row), [n.lower() for n in _id_words(row)]
        else:
            return False
        return True


def _value_names(row: Row) -> list[str]:
    return [name.lower() for name in _NAME_WITH_UNIT.findall(row[-1])]


def _id_words(row: Row) -> list[str]:
    """What stands before the health or bus cell: one cell, or two on the 950."""
    return " ".join(row[:-2]).split()


def _values(names: list[str], row: Row) -> dict[str, str]:
    """The last cell's values by name; nothing when their count says that one is missing."""
    values = _PAIR_OR_WORD.findall(row[-1])
    return dict(zip(names, values, strict=True)) if len(names) == len(values) else {}


def parse_table(text: str) -> Table:
    """Everything in the output of `npu-smi info`."""
    version = _VERSION.search(text)
    table, headers = Table(), _Headers()
    groups = table_groups(text)
    for group in groups:
        _take_group(table, headers, group, version[1] if version else None)
        if headers.processes and (group is not groups[-1] or _is_closed(text)):
            table.told |= _all_told(headers.processes, group)
    return table


def _is_closed(text: str) -> bool:
    """Whether a rule, not a row, ends the output."""
    lines = text.split("\n")
    return cells(next((line for line in reversed(lines) if line.strip()), "")) is None


def _all_told(names: list[str], group: list[Row]) -> set[int]:
    """NPUs whose rows between two rules all show a process: there is no row that is unreadable."""
    found = [_process(names, row) for row in group]
    return {one[0][0] for one in found if one is not None} if None not in found else set()


def _take_group(table: Table, headers: _Headers, group: list[Row], driver: str | None) -> None:
    """The rows between two rules: headers, processes, or the two lines of a card."""
    upper: Row | None = None
    for row in group:
        if headers.take(row):
            upper = None
        elif found := _IDLE.search(row[0]):
            table.told.add(int(found[1]))
        elif headers.processes:
            _take_process(table, headers.processes, row)
        elif len(row) != headers.width or len(row) < 2:
            upper = None
        elif upper is not None and _is_lower(row):
            _take_chip(table, headers, upper, row, driver)
            upper = None
        else:
            upper = row if _is_upper(row) else None


def _is_upper(row: Row) -> bool:
    """The first line of a card: its ids and name, and a health word."""
    words, word = _id_words(row), row[-2]
    is_health = health(word) is not None or text_or_none(word) is None
    return len(words) >= 2 and integer(words[0]) is not None and is_health


def _is_lower(row: Row) -> bool:
    """The second line of a card: a bus address, or (containers, 950DT) none, before the values."""
    return pci_address(row[-2]) is not None or text_or_none(row[-2]) is None


def _take_chip(table: Table, headers: _Headers, upper: Row, lower: Row, driver: str | None) -> None:
    words, ids = _id_words(upper), _id_words(lower)
    fits = len(headers.lower_ids) == len(ids)
    named = dict(zip(headers.lower_ids, ids, strict=True)) if fits else {}
    npu, chip = integer(words[0]), integer(ids[0]) if ids else 0
    if npu is None or chip is None or (npu, chip) in table.readings:
        return
    above, below = _values(headers.upper, upper), _values(headers.lower, lower)
    used, total = _memory(below)
    table.numbered |= len(ids) > 1
    table.readings[(npu, chip)] = Reading(
        index=integer(named.get("phy-id", named.get("device"))),
        name=text_or_none(" ".join(words[1:])),
        pci=pci_address(lower[-2]),
        driver=driver,
        health=health(upper[-2]),
        power_w=positive(above.get("power(w)")),
        temp_c=celsius(above.get("temp(c)")),
        util_pct=percent(below.get("aicore(%)", below.get("npu util(%)"))),
        memory_mib=total,
        memory_used_mib=used,
    )


def _memory(values: dict[str, str]) -> tuple[int | None, int | None]:
    """Used and total of the memory that models use: HBM where there is some, else DDR.

    Only a printed 0 says that there is no HBM; an unreadable cell is unknown.
    """
    for name in ("hbm-usage(mb)", "memory-usage(mb)"):
        used, _, total = values.get(name, "0/0").partition("/")
        if mib(total) != 0:
            return mib(used), mib(total)
    return None, None


def _take_process(table: Table, names: list[str], row: Row) -> None:
    if (found := _process(names, row)) is not None:
        table.processes.setdefault(found[0], []).append(found[1])


def _process(names: list[str], row: Row) -> tuple[ChipKey, CardProcess] | None:
    values = dict(zip(names, row, strict=False))
    where = [integer(word) for word in row[0].split()]
    pid = integer(values.get("process id"))
    npu, chip = (where[0], where[1] if len(where) > 1 else 0) if where else (None, None)
    if npu is None or chip is None or pid is None:
        return None
    return (npu, chip), CardProcess(
        pid=pid,
        memory_mib=mib(values.get("process memory(mb)")),
        command=text_or_none(values.get("process name")),
    )


# -- npu-smi info -m, -l -----------------------------------------------------------------------


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `npu-smi info -m`."""

    logic_id: int | None = None
    physical_id: int | None = None
    name: str | None = None

    @property
    def index(self) -> int | None:
        """What ASCEND_RT_VISIBLE_DEVICES counts, else the number of its /dev/davinci."""
        return self.logic_id if self.logic_id is not None else self.physical_id


_MAP_HEADER = re.compile(
    r"NPU ID|Slot ID|Chip Logic ID|Chip Phy-?ID|Chip ID|Chip Name", re.IGNORECASE
)


def parse_mapping(text: str) -> dict[ChipKey, Named]:
    """Chips of `npu-smi info -m`. The board's own controller and processor have rows too."""
    names: list[str] = []
    chips: dict[ChipKey, Named] = {}
    for line in text.splitlines():
        header = [name.lower().replace("-", "") for name in _MAP_HEADER.findall(line)]
        if "npu id" in header:
            names = header
        elif found := _named(names, line.split()):
            chips[found[0]] = found[1]
    return chips


NO_CHIPS = ("mcu", "3559")
"""Names under which the tool lists what sits on a board beside its NPUs."""


def _named(names: list[str], words: list[str]) -> tuple[ChipKey, Named] | None:
    if not names or names[-1] != "chip name" or len(words) < len(names):
        return None
    values = dict(zip(names[:-1], words[: len(names) - 1], strict=True))
    name = " ".join(words[len(names) - 1 :])
    npu, chip = integer(values.get("npu id")), integer(values.get("chip id"))
    if npu is None or chip is None or name.lower() in NO_CHIPS:
        return None
    logic, physical = integer(values.get("chip logic id")), integer(values.get("chip phyid"))
    return (npu, chip), Named(
        logic_id=logic, physical_id=physical, name="310" if name == "MiniD" else name
    )


_LISTED_NPU = re.compile(r"^\s*NPU ID\s*:\s*(\d+)\s*$", re.IGNORECASE | re.MULTILINE)


def parse_list(text: str) -> list[int]:
    """NPU ids of `npu-smi info -l`."""
    return [int(npu) for npu in _LISTED_NPU.findall(text)]


# -- npu-smi info watch ------------------------------------------------------------------------


def parse_watch(text: str) -> dict[ChipKey, Reading]:
    """The last round of `npu-smi info watch`: one line a chip, no memory sizes."""
    names: list[str] = []
    readings: dict[ChipKey, Reading] = {}
    for line in text.splitlines():
        header = [name.lower() for name in _NAME_WITH_UNIT.findall(line)]
        if header and header[0].startswith("npuid"):
            names = header
        elif names and len(words := line.split()) == len(names):
            _take_watched(readings, dict(zip(names, words, strict=True)))
    return readings


def _take_watched(readings: dict[ChipKey, Reading], values: dict[str, str]) -> None:
    npu, chip = integer(values.get("npuid(idx)")), integer(values.get("chipid(idx)", "0"))
    if npu is not None and chip is not None:
        readings[(npu, chip)] = Reading(
            power_w=positive(values.get("pwr(w)")),
            temp_c=celsius(values.get("temp(c)")),
            util_pct=percent(values.get("ai core(%)", values.get("npu util(%)"))),
        )


# -- npu-smi info -t topo ----------------------------------------------------------------------

_TOPO_NAME = re.compile(r"(?:NPU|Phy-?ID|Chip)\s?(\d+)(?=\s|$)", re.IGNORECASE)
_INTERCONNECTS = {
    "HCCS": "HCCS",
    "HCCS_SW": "HCCS",
    "XLINK": "XLink",
    "XLINK_SW": "XLink",
    "SIO": "SIO",
    "UB": "UB",
}
"""Words of the matrix that are links of the cards themselves; the others are ways over PCIe."""


def parse_topology(text: str) -> dict[int, list[Link]]:
    """Links between cards, by the number that the matrix of `npu-smi info -t topo` gives them."""
    columns: list[int] = []
    links: dict[int, list[Link]] = {}
    for line in text.splitlines():
        numbers = [int(number) for number in _TOPO_NAME.findall(line)]
        words = line.split()
        if len(numbers) > 1 or (numbers and not columns):
            columns = numbers
        elif len(numbers) == 1 and len(words) > len(columns):
            links[numbers[0]] = list(_links(columns, words[1:]))
    return links


def _links(columns: list[int], words: list[str]) -> Iterator[Link]:
    for peer, word in zip(columns, words, strict=False):
        if kind := _INTERCONNECTS.get(word.upper()):
            yield Link(kind=kind, peer=f"#{peer}", state="up")
