"""Tables in the manner of `nvidia-smi`, read by their headers.

A card takes one to four lines; above them stand as many header lines, and one header cell may name
several columns (`Fan  Temp  Perf  Pwr:Usage/Cap`). Each header cell becomes a pattern for the cells
below it, so columns may move, grow, come and go between versions of a tool. Ixsmi, brsmi, cnmon,
mx-smi, ppu-smi, Kunlunxin's xpu-smi, efsmi and mthreads-gmi all draw such tables.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from appliance.core.sample import CardProcess, Pcie
from appliance.hardware.vendors import parse
from appliance.hardware.vendors.base import Reading

_NONE = r"\[?N/?A\]?|-|ERR!"
_TEXT = r"\S.*?"
_WORD = r"\S+"
_PERCENT = rf"{_NONE}|[\d.]+\s?%"
_CELSIUS = rf"{_NONE}|\d+(?:\.\d+)?\s?°?[C℃]?"
_WATT = rf"(?:{_NONE}|[\d.]+\s?W)"
_WATTS = rf"{_WATT}\s*/?\s*{_WATT}|{_WATT}"
_AMOUNT = rf"(?:{_NONE}|[^\s/()|]+\s?[KMGT]i?B|[\d.]+[MG])"
_AMOUNTS = rf"(?:{_AMOUNT}|[\d.]+)\s*[/(]\s*{_AMOUNT}\)?|{_AMOUNT}"


class _Column(NamedTuple):
    label: str
    field: str | None
    cell: str


_COLUMNS = (
    _Column(r"volatile uncorr\. ecc", "ecc", _WORD),
    _Column(r"ecc-errors?", "ecc of any kind", _WORD),
    _Column(r"persist(?:ence)?(?:-m| m\.)", None, _WORD),
    _Column(r"pcie lane width", "lanes", _WORD),
    _Column(r"pwr\s?[:(]\s?usage/cap\)?|power", "power", _WATTS),
    _Column(r"vmemory-usage|l3-usage", None, _AMOUNTS),
    _Column(r"memory-usage|mem", "memory", _AMOUNTS),
    _Column(r"(?:gpu|xpu|ppu|mlu|dev)-util|%gpu|dused|util", "util", _PERCENT),
    _Column(r"bus-?id|pcie", "pci", rf"[0-9a-f]+(?::[0-9a-f]+)+\.[0-9a-f]|{_NONE}"),
    _Column(r"fan", "fan", _PERCENT),
    _Column(r"temp", "temp", _CELSIUS),
    _Column(r"clock-sm", "clock", rf"{_NONE}|[\d.]+\s?MHz"),
    _Column(r"gpu-state", "state", _TEXT),
    _Column(r"compute m\.|compute-mode|(?:mig|svi|sr-iov) m\.|device type", None, _TEXT),
    _Column(r"mpc capable|ecc mode|gcu virt|(?:boot )?fw ver", None, _TEXT),
    _Column(r"uuid", "uuid", _WORD),
    _Column(r"driver", "driver", _WORD),
    _Column(r"name", "name", _TEXT),
    _Column(r"gpu|xpu|ppu|card|board|dev|id", "index", r"\d+"),
    _Column(r"\S+", None, _WORD),
)
_LABEL = re.compile("|".join(rf"({c.label})(?=\s|$)" for c in _COLUMNS), re.IGNORECASE)
_UNMISTAKABLE = {
    "pci": re.compile(r"(?<!\S)[0-9a-f]+(?::[0-9a-f]+)+\.[0-9a-f](?!\S)", re.IGNORECASE),
    "temp": re.compile(r"(?<!\S)\d+(?:\.\d+)?\s?°?[C℃](?!\S)", re.ASCII),
    "power": re.compile(r"(?<!\S)[\d.]+\s?W\s*/\s*[\d.]+\s?W(?!\S)", re.ASCII),
    "memory": re.compile(
        r"(?<!\S)[\d.]+\s?(?:[KMGT]i?B)?\s*[/(]\s*[\d.]+\s?[KMGT]i?B\)?(?!\S)", re.ASCII
    ),
}
"""What tells itself by its units, where a line does not fit its header as a whole."""

_FIRST_HEADER = re.compile(
    r"\s*(?:gpu|xpu|ppu|card|board|dev|id)\s+(?:vf\s+)?name\b", re.IGNORECASE
)
_PROCESSES = re.compile(r"process(?:es)?\s*:", re.IGNORECASE)
_OTHER_TABLE = re.compile(r"mig devices\s*:", re.IGNORECASE)

_LONGEST_LINE = 1000
"""No tool draws a wider table; patterns with several columns take their time on endless lines."""

Cells = dict[str, str]


class Table(NamedTuple):
    """The cards, as texts by field, in their order; and the processes by the card's index."""

    cards: list[Cells]
    processes: dict[int, list[CardProcess]] | None


def read(text: str) -> Table:
    """The table in `text`: no cards where there are none, `None` where no processes are told."""
    lines = [line for line in text.splitlines() if len(line) < _LONGEST_LINE]
    end = next((i for i, line in enumerate(lines) if _PROCESSES.search(line)), len(lines))
    return Table(_cards(lines[:end]), _processes(lines[end:]) if end < len(lines) else None)


def version(text: str, label: str) -> str | None:
    """What follows `label` in a banner: `Driver Version: 4.3.8`, `Driver v5.10.13`."""
    match = re.search(rf"\b{label}(?:\s*:\s*|\s+(?=v\d))([^\s|*]+)", text)
    return parse.text_or_none(match[1]) if match else None


def readings(table: Table, **known: str | None) -> list[Reading]:
    """The cards as readings; `known` are facts from the banner (driver, runtime)."""
    return [_reading(cells, table.processes, known) for cells in table.cards]


# -- cards -------------------------------------------------------------------------------------


class _Line(NamedTuple):
    cells: list[str]
    closed: bool


def _line(text: str) -> _Line | None:
    """A drawn line; older efsmi draws its frame with asterisks."""
    plain = re.sub(r"^\s*\*|\*\s*$", "|", text)
    row = parse.cells(plain)
    return None if row is None else _Line(row, plain.rstrip().endswith("|"))


def _cards(lines: list[str]) -> list[Cells]:
    cards: list[Cells] = []
    headers: list[_Line] = []
    at = 0
    in_header = False
    for text in lines:
        if _OTHER_TABLE.search(text):
            break
        line = _line(text)
        if line is None:
            in_header = False
        elif _FIRST_HEADER.match(line.cells[0]):
            headers, in_header, at = [line], True, 0
        elif in_header:
            headers.append(line)
        elif headers and line.closed >= headers[0].closed:
            at = _take(line, headers, at, cards)
    return cards


def _take(line: _Line, headers: list[_Line], at: int, cards: list[Cells]) -> int:
    """Add the line to the card it belongs to; the number of header lines that card has used.

    The header that fits most cells is the line's own; of equals the one whose turn it is.
    """
    fits = [_fitting(header, line) for header in headers]
    turn = range(len(headers)) if at == len(headers) else (at, *range(len(headers)))
    own = max(turn, key=lambda i: fits[i])
    if fits[own] == 0 or 0 < own < at:
        return at
    if own == 0:
        if "index" not in (_matched(headers[0].cells[0], line.cells[0]) or {}):
            return at
        cards.append({})
    elif not cards:
        return at
    _add(cards[-1], headers[own], line)
    return own + 1


def _fitting(header: _Line, line: _Line) -> int:
    if len(header.cells) != len(line.cells):
        return 0
    pairs = zip(header.cells, line.cells, strict=True)
    return sum(_matched(above, below) is not None for above, below in pairs)


def _add(card: Cells, header: _Line, line: _Line) -> None:
    for above, below in zip(header.cells, line.cells, strict=True):
        matched = _matched(above, below)
        card.update(_by_units(above, below) if matched is None else matched)


@cache
def _pattern(header: str) -> tuple[tuple[str | None, ...], re.Pattern[str]]:
    columns = [_COLUMNS[m.lastindex - 1] for m in _LABEL.finditer(header) if m.lastindex]
    pattern = r"\s+".join(f"({column.cell})" for column in columns)
    return tuple(c.field for c in columns), re.compile(pattern, re.IGNORECASE | re.ASCII)


def _matched(header: str, cell: str) -> Cells | None:
    """The cell's columns by field; `None` when the cell does not fit the header above it."""
    fields, pattern = _pattern(header)
    match = pattern.fullmatch(cell)
    if match is None:
        return None
    return {f: text for f, text in zip(fields, match.groups(), strict=True) if f is not None}


def _by_units(header: str, cell: str) -> Cells:
    found = (
        (field, _UNMISTAKABLE[field]) for field in _pattern(header)[0] if field in _UNMISTAKABLE
    )
    return {field: match[0] for field, unit in found if (match := unit.search(cell))}


# -- readings ----------------------------------------------------------------------------------


def _reading(
    cells: Cells, processes: dict[int, list[CardProcess]] | None, known: dict[str, str | None]
) -> Reading:
    index = parse.integer(cells.get("index"))
    used, total = _amounts(cells.get("memory"))
    power, limit = _amounts(cells.get("power"))
    return Reading(
        index=index,
        name=parse.text_or_none(cells.get("name")),
        uuid=parse.text_or_none(cells.get("uuid")),
        pci=parse.pci_address(cells.get("pci")),
        memory_mib=parse.mib(total),
        memory_used_mib=parse.mib(used),
        driver=parse.text_or_none(cells.get("driver")) or known.get("driver"),
        runtime=known.get("runtime"),
        util_pct=parse.percent(cells.get("util")),
        temp_c=parse.celsius(cells.get("temp")),
        power_w=parse.positive(power),
        power_limit_w=parse.positive(limit),
        clock_mhz=parse.positive(cells.get("clock")),
        fan_pct=parse.percent(cells.get("fan")),
        ecc_uncorrected=_uncorrected(cells),
        pcie=_lanes(cells.get("lanes")),
        processes=None if processes is None or index is None else processes.get(index, []),
    )


def _uncorrected(cells: Cells) -> int | None:
    """Uncorrected errors; a count of all kinds tells them only when it is zero."""
    if "ecc" in cells:
        return parse.integer(cells["ecc"])
    return 0 if parse.integer(cells.get("ecc of any kind")) == 0 else None


def _amounts(text: str | None) -> tuple[str | None, str | None]:
    """Used and total, or draw and limit. A single power is the draw, a single memory the total."""
    plain = re.sub("N/A", "NA", text or "", flags=re.IGNORECASE)
    parts = re.split(r"\s*[/(]\s*|(?<=W)\s+(?=[^/\s])", plain.rstrip(")"))
    if len(parts) == 2:
        return parts[0], parts[1]
    single = parts[0]
    return (single, None) if single.upper().endswith("W") else (None, single)


def _lanes(text: str | None) -> Pcie | None:
    """`4x(16x)`: four lanes now, sixteen at best."""
    match = re.fullmatch(r"(\d{1,2})x\((\d{1,2})x\)", text or "", re.ASCII)
    return Pcie(width=int(match[1]), width_max=int(match[2])) if match else None


# -- processes ---------------------------------------------------------------------------------

_PROCESS = (
    r"(?P<index>\d+)\s+{skipped}(?P<pid>\d+)\s+(?:{kind}\s+)?"
    r"(?:(?P<command>\S.*?)\s+)?(?P<memory>\d+\s?(?:MiB|MB|M)?|N/?A|-)"
)
_NOBODY = re.compile(r"no (?:running )?process(?:es)? found", re.IGNORECASE)
_KIND = r"(?:C\+G|M\+C|C|G|M|N/A)"


def _processes(lines: list[str]) -> dict[int, list[CardProcess]] | None:
    """Rows below a header that names a PID; `None` when nothing is said about processes."""
    found: dict[int, list[CardProcess]] = {}
    pattern: re.Pattern[str] | None = None
    for line in lines:
        text = line.strip(" \t|*")
        if pattern is None:
            pattern = _process_pattern(text)
        elif match := pattern.fullmatch(text):
            process = CardProcess(
                pid=int(match["pid"]),
                memory_mib=parse.mib(match["memory"]),
                command=parse.text_or_none(match["command"]),
            )
            found.setdefault(int(match["index"]), []).append(process)
    nobody = any(_NOBODY.search(line) for line in lines)
    return found if pattern is not None or nobody else None


def _process_pattern(header: str) -> re.Pattern[str] | None:
    match = re.search(r"^(?:gpu|xpu|ppu|card|dev|id)\s+(.*?)\bpid\b(.*)", header, re.IGNORECASE)
    if match is None:
        return None
    between = len(re.findall(r"SVI Dev|\S+", match[1]))
    kind = _KIND if re.search(r"\btype\b", match[2], re.IGNORECASE) else r"(?!)"
    return re.compile(_PROCESS.format(skipped=r"(?:\S+\s+)" * between, kind=kind), re.ASCII)
