"""Answers in the manner of `nvidia-smi -q`, `-q -x`, `--query-gpu` and `-L`.

Indented `key : value` lines, XML and JSON all become the same: for each card a flat mapping from
the lower-case path of a value (`temperature/gpu current temp`) to its text. A table of spellings
says which paths tell which field, so that a vendor's own keys are data in that vendor's file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree  # entities are refused before parsing

from appliance.core.sample import CardProcess, Pcie
from appliance.hardware.vendors import parse
from appliance.hardware.vendors.base import Reading
from appliance.hardware.vendors.inquiry import fill, pcie_generation
from appliance.hardware.vendors.parse import Block

_WORDS = re.IGNORECASE | re.ASCII

Flat = dict[str, str]
Spellings = Mapping[str, Sequence[str]]

NO_DRIVER = (
    r"\bdriver\b(?!\s*ver)|fail\w* to init|init\w*[^\n]{0,20} (?:error|fail)"
    r"|no (?:available |supported |\w+ )?devices?\b"
)
"""How a tool without a driver puts it; its banner's "Driver Version" is not meant."""

_UNIT = "(?:gpu|xpu|ppu|mlu|gcu)"
COMMON: Spellings = {
    "index": ("^minor number",),
    "name": ("^product name",),
    "uuid": (rf"^(?:{_UNIT} )?uuid",),
    "pci": (rf"^pci/(?:{_UNIT} |pci )?bus id", "^id"),
    "memory_mib": ("(?:fb |physical )?memory usage/total",),
    "memory_used_mib": ("(?:fb |physical )?memory usage/used",),
    "util_pct": (rf"utilization/{_UNIT}(?: util)?",),
    "temp_c": (rf"temperature/{_UNIT} (?:current )?temp",),
    "temp_memory_c": ("temperature/memory (?:current )?temp",),
    "temp_warn_c": (rf"temperature/{_UNIT} (?:slowdown temp|temp slow threshold)",),
    "temp_critical_c": (rf"temperature/{_UNIT} (?:shutdown temp|temp max threshold)",),
    "power_w": tuple(
        f"(?:{_UNIT} )?power readings/{kind}power draw"
        for kind in (f"(?:{_UNIT} )?", "average ", "instant ", "board ")
    ),
    "power_limit_w": tuple(
        f"(?:{_UNIT} )?power readings/{kind}power limit"
        for kind in (
            "enforced ",
            f"current (?:{_UNIT} )?",
            f"(?:{_UNIT} )?",
            f"default (?:{_UNIT} )?",
        )
    ),
    "clock_mhz": (rf"^clocks/(?:sm|graphics|{_UNIT}|cluster|core)(?: clock)?",),
    "fan_pct": ("^fan speed",),
    "health": ("^health(?: state)?(?:/device)?",),
    "pcie.gen": ("(?:pcie generation|pcie gen)/(?:device )?current(?: link gen)?",),
    "pcie.gen_max": ("(?:pcie generation|pcie gen)/(?:device )?max(?: link gen)?",),
    "pcie.width": ("link widths?/current(?: link width)?",),
    "pcie.width_max": ("link widths?/max(?: link width)?",),
    "ecc": ("ecc errors/volatile/.*(?:uncorr|double bit).*", "ecc errors/double bit"),
}
"""Spellings that nvidia-smi introduced and its lookalikes kept; `pcie.` and `ecc` are put together.
A pattern begins at a step of the path and ends at its end."""

_THROTTLE = {
    "sw power cap": "power",
    "hw slowdown": "hw_slowdown",
    "sw thermal slowdown": "thermal",
    "hw thermal slowdown": "thermal",
    "hw power brake slowdown": "power_brake",
}
_REASON = re.compile(
    r"clocks (?:throttle|event) reasons/(?:clocks (?:throttle|event) reason )?(.+)"
)

CSV_FIELDS: Spellings = {
    "index": ("index",),
    "name": ("name", "gpu_name"),
    "uuid": ("uuid", "gpu_uuid"),
    "pci": (r"pci\.bus_id", "gpu_bus_id"),
    "driver": ("driver_version",),
    "memory_mib": (r"memory\.total",),
    "memory_used_mib": (r"memory\.used",),
    "util_pct": (rf"utilization\.{_UNIT}",),
    "temp_c": (rf"temperature\.{_UNIT}",),
    "temp_memory_c": (r"temperature\.memory",),
    "power_w": (r"(?:gpu\.)?power\.draw",),
    "power_limit_w": (r"(?:gpu\.(?:current\.)?)?power\.limit",),
    "fan_pct": (r"fan\.speed",),
    "clock_mhz": (r"clocks\.(?:current\.)?sm",),
}

_CONVERT: Mapping[str, Callable[[object], Any]] = {
    "index": parse.integer,
    "name": parse.text_or_none,
    "uuid": parse.text_or_none,
    "driver": parse.text_or_none,
    "pci": parse.pci_address,
    "memory_mib": parse.mib,
    "memory_used_mib": parse.mib,
    "util_pct": parse.percent,
    "fan_pct": parse.percent,
    "temp_c": parse.celsius,
    "temp_memory_c": parse.celsius,
    "temp_hotspot_c": parse.celsius,
    "temp_warn_c": parse.celsius,
    "temp_critical_c": parse.celsius,
    "power_w": parse.positive,
    "power_limit_w": parse.positive,
    "clock_mhz": parse.positive,
    "health": parse.health,
}


# -- trees -------------------------------------------------------------------------------------


def xml_block(text: str) -> Block:
    """The XML document in `text` as a tree; without children when there is none to trust."""
    start = text.find("<")
    if start < 0 or "<!ENTITY" in text:
        return Block("")
    try:
        root = ElementTree.fromstring(text[start:])  # noqa: S314
    except ElementTree.ParseError:
        return Block("")
    return _from_element(root)


def _from_element(element: ElementTree.Element) -> Block:
    block = Block(element.tag.replace("_", " "), (element.text or "").strip() or None)
    block.children = [Block(key, value) for key, value in element.attrib.items()]
    block.children += [_from_element(child) for child in element]
    return block


def json_block(document: object, key: str = "") -> Block:
    """A JSON document as a tree; items of a list are children with the list's key."""
    block = Block(key)
    if isinstance(document, dict):
        for name, value in document.items():
            items = value if isinstance(value, list) else [value]
            block.children += [json_block(item, str(name).strip()) for item in items]
    elif document is not None and not isinstance(document, list):
        block.value = str(document)
    return block


def flat(block: Block) -> Flat:
    """Values below `block` by their path; of equal paths the first."""
    paths: Flat = {}
    for path, value in _walk(block, ""):
        paths.setdefault(path, value)
    return paths


def _walk(block: Block, prefix: str) -> Iterator[tuple[str, str]]:
    for child in block.children:
        path = prefix + child.key.lower().replace("_", " ")
        if child.value is not None:
            yield path, child.value
        yield from _walk(child, path + "/")


class Section(NamedTuple):
    """The part of an answer that is about one card; `number` and `pci` are from its heading."""

    block: Block
    number: int | None
    pci: str | None


def sections(root: Block, word: str) -> list[Section]:
    """Parts headed `GPU 00000000:3E:00.0`, `Card 0` or `DEV ID 0`.

    Without a number in the heading a card's place is its index, if no card is left out.
    """
    heading = re.compile(rf"{word}\s*#?(?:(\d{{1,3}})(?=\s|$))?\s*(\S*:\S*)?", _WORDS)
    found = []
    for block in root.children:
        match = heading.fullmatch(f"{block.key} {block.value or ''}".strip())
        if match and block.children:
            found.append(Section(block, parse.integer(match[1]), parse.pci_address(match[2])))
    places = in_order(root, len(found))
    return [
        section if section.number is not None else section._replace(number=place)
        for section, place in zip(found, places, strict=True)
    ]


def in_order(root: Block, count: int) -> list[int | None]:
    """The places of `count` cards, which are their indexes, if no attached card is left out."""
    attached = next((b.value for b in root.children if b.key.lower().startswith("attached")), None)
    return list(range(count)) if parse.integer(attached) == count else [None] * count


# -- readings ----------------------------------------------------------------------------------


def reading(values: Flat, spellings: Spellings = COMMON, **known: Any) -> Reading:
    """What `values` tell, as `spellings` has it; `known` facts go before."""
    told = {
        field: told
        for field in spellings
        if field in _CONVERT
        and (told := _first(values, spellings[field], _CONVERT[field])) is not None
    }
    told |= {"pcie": _pcie(values, spellings), "ecc_uncorrected": _ecc(values, spellings)}
    told |= {"throttle": _throttle(values)}
    return Reading(**told | {name: value for name, value in known.items() if value is not None})


def _matching(values: Flat, pattern: str) -> Iterator[str]:
    whole = re.compile(pattern[1:] if pattern.startswith("^") else rf"(?:.*/)?(?:{pattern})")
    return (value for path, value in values.items() if whole.fullmatch(path))


def _first(values: Flat, patterns: Sequence[str], convert: Callable[[object], Any]) -> Any:
    texts = (text for pattern in patterns for text in _matching(values, pattern))
    return next((value for text in texts if (value := convert(text)) is not None), None)


def _pcie(values: Flat, spellings: Spellings) -> Pcie | None:
    told = {
        name: _first(values, spellings.get(f"pcie.{name}", ()), _number_in)
        for name in Pcie.__struct_fields__
    }
    return Pcie(**told) if any(told.values()) else None


def _number_in(text: object) -> int | None:
    """4 of `Gen4` or `16 GT/s`, 16 of `16x` or `X16`."""
    speed = re.fullmatch(r"(\d+(?:\.\d+)?)\s*GT/s(?: PCIe)?", str(text).strip(), re.ASCII)
    if speed:
        return pcie_generation(float(speed[1]))
    match = re.fullmatch(r"(?:gen|x)?\s*(\d{1,2})\s*x?", str(text).strip(), _WORDS)
    return int(match[1]) if match else None


def _ecc(values: Flat, spellings: Spellings) -> int | None:
    """The sum of the counters for uncorrectable errors; of the totals alone where there are any."""
    for patterns in ([f"{p}/total" for p in spellings.get("ecc", ())], spellings.get("ecc", ())):
        texts = [text for pattern in patterns for text in _matching(values, pattern)]
        counts = [count for text in texts if (count := parse.integer(text)) is not None]
        if counts:
            return sum(counts)
    return None


def _throttle(values: Flat) -> list[str] | None:
    """Why the clocks are held down; `None` when none of the reasons is told."""
    reasons = ((_REASON.fullmatch(path), value.lower()) for path, value in values.items())
    told = [
        (_THROTTLE[match[1]], value)
        for match, value in reasons
        if match and match[1] in _THROTTLE and value in ("active", "not active")
    ]
    return sorted({word for word, value in told if value == "active"}) if told else None


def processes(card: Block) -> list[CardProcess] | None:
    """The card's section of processes; `None` when there is none, or none that can be read."""
    section = card.find("processes")
    if section is None or (section.value or "none").lower() != "none":
        return None
    found = [told for child in section.children if (told := _process(child)) is not None]
    return found if found or not section.children else None


def _process(block: Block) -> CardProcess | None:
    """`Process ID : 4711` with lines below it, or a block with a `pid` (XML, cnmon)."""
    values = flat(block)
    pid = parse.integer(block.value if block.key.lower() == "process id" else values.get("pid"))
    if pid is None:
        return None
    return CardProcess(
        pid=pid,
        memory_mib=_first(values, (r"(?:used )?(?:\w+ )?memory(?: usage)?",), parse.mib),
        command=_first(values, ("(?:process )?name", "cmdline"), parse.text_or_none),
    )


# -- lists -------------------------------------------------------------------------------------


def csv_readings(argv: Sequence[str], text: str, fields: Spellings = CSV_FIELDS) -> list[Reading]:
    """The rows of `--query-…=a,b,c`, with a header line or without."""
    asked = next(
        (arg.split("=", 1)[1].split(",") for arg in argv if arg.startswith("--query-")), []
    )
    rows = [row for row in parse.csv_rows(text) if len(row) == len(asked)]
    if rows and [re.sub(r" \[.*\]", "", cell).lower() for cell in rows[0]] == asked:
        rows = rows[1:]
    return [
        told
        for row in rows
        if (told := reading(dict(zip(asked, row, strict=True)), fields)) != Reading()
    ]


_LONGEST_LINE = 1000
_LISTED = re.compile(
    r"(?:gpu|xpu|ppu|mlu|gcu|card|dev(?:ice)?)(?: id)?\s*#?(\d+)\s*:\s*(\S.*?)"
    r"\s*(?:\(uuid:\s*([^)\s]+)\s*\))?\s*",
    _WORDS,
)


def listed(text: str) -> list[Reading]:
    """Lines like `GPU 0: Iluvatar BI-V150 (UUID: GPU-…)`; slices of a card, indented, are none."""
    lines = (line for line in text.splitlines() if len(line) < _LONGEST_LINE)
    return [
        Reading(
            index=int(match[1]),
            name=parse.text_or_none(match[2]),
            uuid=parse.text_or_none(match[3]),
        )
        for line in lines
        if (match := _LISTED.fullmatch(line))
    ]


# -- several answers ---------------------------------------------------------------------------


def together(readings: list[Reading], more: list[Reading]) -> list[Reading]:
    """`readings`, with what they do not know taken from `more`, by address or by index.

    A later answer names no new cards: what the first choice does not show is the bus's to tell.
    """
    if not readings:
        return more
    by_pci = {other.pci: other for other in more if other.pci}
    by_index = {other.index: other for other in more if other.index is not None}
    return [fill(r, by_pci.get(r.pci) if r.pci in by_pci else _same(r, by_index)) for r in readings]


def collected(parts: Iterable[list[Reading]]) -> list[Reading]:
    """Readings of the same cards from several equally good answers, put together."""
    cards: dict[str | int | None, Reading] = {}
    for reading in (reading for part in parts for reading in part):
        key = reading.pci or reading.index
        cards[key] = fill(cards[key], reading) if key in cards else reading
    return list(cards.values())


def _same(reading: Reading, by_index: Mapping[int, Reading]) -> Reading | None:
    if reading.index is None:
        return None
    other = by_index.get(reading.index)
    return other if other is None or None in (other.pci, reading.pci) else None
