"""Reading what vendor tools print: values, addresses, words, tables, indented blocks.

All of it obeys one rule: what is not clearly a value is `None`, never 0 and never a guess.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from appliance.core.sample import HealthWord

# -- values ------------------------------------------------------------------------------------

_NUMBER = re.compile(r"([+-]?\d{1,20}(?:\.\d{1,12})?)\s*([A-Za-z°℃%µ/']{0,8})", re.ASCII)
_SENTINELS = frozenset(
    (65535.0, 4294967295.0, 2147483647.0, 18446744073709551615.0, 9223372036854775807.0)
)
"""All ones, or the largest signed value, where a driver has nothing to say."""
_WIDE_SENTINELS = _SENTINELS - {65535.0}


def _quantity(text: object) -> tuple[float, str] | None:
    if isinstance(text, bool) or text is None:
        return None
    if isinstance(text, (int, float)):
        return (float(text), "") if abs(text) < 1e25 and math.isfinite(text) else None
    match = _NUMBER.fullmatch(str(text).strip())
    return (float(match[1]), match[2]) if match else None


def number(text: object) -> float | None:
    """The number in a cell, its unit dropped: `"34.71 W"`, `"27C"`, `"0 %"`, `3`.

    N/A, `[N/A]`, NA, -, `ERR!`, `[Unknown Error]`, an empty cell, anything else that is not one
    number with at most one unit, and the sentinels 65535 and 0xFFFFFFFF, are `None`.
    """
    quantity = _quantity(text)
    return None if quantity is None or quantity[0] in _SENTINELS else quantity[0]


def integer(text: object) -> int | None:
    """A whole number, as `number` reads it."""
    value = number(text)
    return int(value) if value is not None and value == int(value) else None


def positive(text: object) -> float | None:
    """As `number`, without what cannot be below zero: power, memory, clocks, percentages."""
    value = number(text)
    return value if value is not None and value >= 0 else None


def percent(text: object) -> float | None:
    """A share of 100; anything outside 0…100 is `None`."""
    value = number(text)
    return value if value is not None and 0 <= value <= 100 else None


def celsius(text: object) -> float | None:
    """A temperature of a working device: outside -40…200 °C a sensor is not telling one."""
    value = number(text)
    return value if value is not None and -40 <= value <= 200 else None


_MIB_PER_UNIT = {
    "b": 1 / 1048576,
    "bytes": 1 / 1048576,
    "k": 1 / 1024,
    "kb": 1 / 1024,
    "kib": 1 / 1024,
    "m": 1.0,
    "mb": 1.0,
    "mib": 1.0,
    "g": 1024.0,
    "gb": 1024.0,
    "gib": 1024.0,
    "t": 1048576.0,
    "tb": 1048576.0,
    "tib": 1048576.0,
}


def mib(text: object, *, unit: str = "MiB") -> int | None:
    """An amount of memory in MiB; `unit` is what a bare number counts in ("B", "kB", "MiB" …).

    The tools' MB, MiB and "Mib" are all MiB.
    """
    quantity = _quantity(text)
    if quantity is None or quantity[0] < 0 or quantity[0] in _WIDE_SENTINELS:
        return None
    factor = _MIB_PER_UNIT.get((quantity[1] or unit).lower())
    return None if factor is None else round(quantity[0] * factor)


# -- addresses ---------------------------------------------------------------------------------

_PCI = re.compile(
    r"(?:PCI:)?(?:(?:0x)?([0-9a-f]{4,8}):)?(?:0x)?([0-9a-f]{2}):([0-9a-f]{2})(?:\.([0-7]))?",
    re.IGNORECASE,
)


def pci_address(text: object) -> str | None:
    """`0000:c1:00.0` from `00000000:C1:00.0`, `C1:00.0` or `0000:C1:00`; `None` for other texts."""
    match = _PCI.fullmatch(str(text).strip()) if text is not None else None
    if match is None:
        return None
    return pci_parts(int(match[1] or "0", 16), int(match[2], 16), int(match[3], 16), match[4] or 0)


def pci_parts(domain: int, bus: int, device: int, function: int | str = 0) -> str:
    """An address from its four numbers."""
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function}"


def pci_from_bdfid(bdfid: int) -> str:
    """An address from ROCm's BDFID: domain << 32, bus << 8, device << 3, function."""
    return pci_parts(bdfid >> 32, (bdfid >> 8) & 0xFF, (bdfid >> 3) & 0x1F, bdfid & 7)


# -- words -------------------------------------------------------------------------------------

_HEALTH: dict[str, HealthWord] = {
    **dict.fromkeys(("ok", "good", "true", "normal", "available", "healthy"), "ok"),
    **dict.fromkeys(("warning", "warn"), "warning"),
    **dict.fromkeys(("alarm", "critical", "bad", "false", "unhealthy"), "critical"),
}

_NOTHING = frozenset(
    ("", "-", "--", "n/a", "na", "none", "null", "unknown", "unknown error", "err!", "error")
) | frozenset(
    ("not supported", "not available", "gpu is lost", "insufficient permissions", "not found")
)


def health(word: object) -> HealthWord | None:
    """The vendor's health word as ours; UNKNOWN and words we do not know are `None`."""
    return _HEALTH.get(str(word).strip().lower())


def text_or_none(text: object) -> str | None:
    """The cell's text; `None` for an empty cell and for every spelling of "not available"."""
    plain = "" if text is None else str(text).strip()
    return None if plain.strip("[]()").strip().lower() in _NOTHING else plain


def first_line(*texts: str) -> str | None:
    """The first line with something on it, of the first text that has one."""
    lines = (line.strip() for text in texts for line in text.splitlines())
    return next((line for line in lines if line), None)


# -- JSON --------------------------------------------------------------------------------------

_JSON_STARTS = 64
"""How many places a document may seem to start at; tools warn before JSON, not at length."""


def json_after_noise(text: str) -> Any | None:
    """The JSON object, or list of objects, that follows warnings; `None` when there is none."""
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    starts = (match.start() for match in re.finditer(r"[\[{]", text))
    for start, _ in zip(starts, range(_JSON_STARTS), strict=False):
        try:
            document, _end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict) or _objects(document):
            return document
    return None


def _objects(document: object) -> bool:
    return (
        isinstance(document, list)
        and bool(document)
        and all(isinstance(item, dict) for item in document)
    )


# -- CSV ---------------------------------------------------------------------------------------


def csv_rows(text: str) -> list[list[str]]:
    """Lines of comma-separated cells, blanks stripped; lines with one cell only are messages."""
    rows = csv.reader((line for line in text.splitlines() if "\0" not in line), strict=False)
    return [[cell.strip() for cell in row] for row in _readable(rows) if len(row) > 1]


def _readable(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:  # a field longer than any tool prints
            continue


def csv_table(text: str) -> list[dict[str, str]]:
    """Rows under the first line's names; rows of another width are dropped."""
    rows = csv_rows(text)
    if not rows:
        return []
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:] if len(row) == len(rows[0])]


# -- tables drawn with characters --------------------------------------------------------------

Row = list[str]
_BARS = str.maketrans("│┃║¦", "||||")
_RULE_LINES = frozenset("+=-_─━═┄┈")
_RULE_CORNERS = frozenset(" \t|┌┐└┘├┤┬┴┼╒╕╘╛╞╡╤╧╪╔╗╚╝╠╣╦╩╬")


def _is_rule(line: str) -> bool:
    used = set(line.strip().translate(_BARS))
    return bool(used & _RULE_LINES) and used <= _RULE_LINES | _RULE_CORNERS and len(line) > 3


def cells(line: str) -> Row | None:
    """The cells of a `|`-separated row; `None` for a rule or a line without bars."""
    line = line.translate(_BARS).strip()
    if "|" not in line or _is_rule(line):
        return None
    inner = line[1:] if line.startswith("|") else line
    inner = inner[:-1] if inner.endswith("|") else inner
    return [cell.strip() for cell in inner.split("|")]


def table_rows(text: str) -> list[Row]:
    """All rows of all drawn tables, as cells."""
    return [row for line in text.splitlines() if (row := cells(line)) is not None]


def table_groups(text: str) -> list[list[Row]]:
    """Rows between two rules belong together: a card often has two or three."""
    groups: list[list[Row]] = [[]]
    for line in text.splitlines():
        row = cells(line)
        if row is not None:
            groups[-1].append(row)
        elif groups[-1]:
            groups.append([])
    return [group for group in groups if group]


def words_under(header: str, line: str) -> dict[str, str]:
    """Cells of a table without bars, by the header's words; `{}` when the counts differ.

    Words of the header and of the line are separated by blanks; units must not stand alone.
    """
    names, values = header.split(), line.split()
    return dict(zip(names, values, strict=True)) if len(names) == len(values) else {}


# -- indented blocks ---------------------------------------------------------------------------


class Block:
    """A line of an indented output: its key, its value if it has one, and the lines below it."""

    __slots__ = ("children", "key", "value")

    def __init__(self, key: str, value: str | None = None) -> None:
        self.key = key
        self.value = value
        self.children: list[Block] = []

    def all(self, prefix: str) -> list[Block]:
        """Direct children whose key starts with `prefix`, ignoring case."""
        wanted = prefix.lower()
        return [child for child in self.children if child.key.lower().startswith(wanted)]

    def find(self, *path: str) -> Block | None:
        """The first block reached by exactly these keys, ignoring case."""
        block: Block | None = self
        for key in path:
            wanted = key.lower()
            children = block.children if block is not None else []
            block = next((child for child in children if child.key.lower() == wanted), None)
        return block

    def get(self, *path: str) -> str | None:
        """The value at `path`; `None` when it is not there."""
        block = self.find(*path)
        return block.value if block is not None else None

    def walk(self) -> Iterator[Block]:
        """All blocks below this one, in the order of the lines."""
        for child in self.children:
            yield child
            yield from child.walk()

    def first(self, *paths: Sequence[str]) -> str | None:
        """The first of several spellings that is there: the keys move between versions."""
        return next((value for path in paths if (value := self.get(*path)) is not None), None)


def blocks(text: str) -> Block:
    """`key : value` lines and headings as a tree by their indentation. The root has no key."""
    root = Block("")
    open_blocks: list[tuple[int, Block]] = [(-1, root)]
    for line in text.expandtabs(8).splitlines():
        if not line.strip() or _is_rule(line):
            continue
        depth = len(line) - len(line.lstrip())
        while open_blocks[-1][0] >= depth:
            open_blocks.pop()
        block = _block(line.strip())
        open_blocks[-1][1].children.append(block)
        open_blocks.append((depth, block))
    return root


_KEY_ENDS = re.compile(r":(?=\s|$)|(?<=\s):")


def _block(line: str) -> Block:
    """A heading may hold colons of its own (`GPU 00000000:53:00.0`): those have no blank around."""
    match = _KEY_ENDS.search(line)
    if match is None:
        return Block(line)
    return Block(line[: match.start()].rstrip(), line[match.end() :].strip() or None)
