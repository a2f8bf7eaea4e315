"""What `nvidia-smi` prints, in all its forms, as readings.

The XML (schemas v10 to v13) and `-q` hold the same tree under other names: see `nvidia_paths`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from xml.etree import ElementTree

import msgspec

from appliance.core.sample import CardProcess, Pcie
from appliance.hardware.vendors import smi_table
from appliance.hardware.vendors.base import Reading
from appliance.hardware.vendors.nvidia_paths import TEXT, XML, Path, Paths
from appliance.hardware.vendors.parse import (
    Block,
    Row,
    blocks,
    celsius,
    csv_rows,
    integer,
    mib,
    number,
    pci_address,
    percent,
    positive,
    table_groups,
    text_or_none,
)

# -- clocks ------------------------------------------------------------------------------------

THROTTLE_BITS = {
    0x04: "power",
    0x08: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "thermal",
    0x40: "thermal",
    0x80: "power_brake",
}
"""`clocks_throttle_reasons.active` (NVML clocks event reasons); idle, the clocks an administrator
set (0x2) and display clocks (0x100) slow nothing that was asked for."""

_THROTTLE_KEYS = {
    "sw power cap": "power",
    "hw slowdown": "hw_slowdown",
    "sync boost": "sync_boost",
    "sw thermal slowdown": "thermal",
    "hw thermal slowdown": "thermal",
    "hw power brake slowdown": "power_brake",
}


def throttle_words(mask: int) -> list[str]:
    """The reasons of a mask, each once, in the order of their bits."""
    return list(dict.fromkeys(word for bit, word in THROTTLE_BITS.items() if mask & bit))


def _mask(text: object) -> list[str] | None:
    plain = str(text).strip().lower()
    return throttle_words(int(plain, 16)) if re.fullmatch(r"0x[0-9a-f]{1,16}", plain) else None


def _active_reasons(section: Block | None) -> list[str] | None:
    """`SW Power Cap : Active`, or the XML's `clocks_event_reason_sw_power_cap`."""
    if section is None:
        return None
    told, active = False, set()
    for block in section.walk():
        key = re.sub(r"^clocks_(?:throttle|event)_reason_", "", block.key).replace("_", " ").lower()
        if key in _THROTTLE_KEYS and block.value in ("Active", "Not Active"):
            told = True
            if block.value == "Active":
                active.add(_THROTTLE_KEYS[key])
    return (
        [word for word in dict.fromkeys(THROTTLE_BITS.values()) if word in active] if told else None
    )


# -- architecture ------------------------------------------------------------------------------

_COMPUTE_CAPABILITY = (
    (r"\b(?:GB300|B300)\b", "sm_103"),
    (r"\b(?:GB200|B200|B100)\b", "sm_100"),
    (r"\bGB10\b", "sm_121"),
    (r"\bRTX (?:50\d0|PRO \d+)", "sm_120"),
    (r"\b(?:GH200|H200|H100|H800|H20)\b", "sm_90"),
    (r"\b(?:L4|L40S?|L20|RTX 40\d0\w*|RTX \d+ Ada)\b", "sm_89"),
    (r"\b(?:A100|A800|A30)\b", "sm_80"),
    (r"\b(?:A10G?|A16|A2|A40|RTX 30\d0\w*|RTX A\d+)\b", "sm_86"),
    (r"\b(?:T4G?|RTX 20\d0\w*|GTX 16\d0\w*|TITAN RTX|Quadro RTX \d+)\b", "sm_75"),
    (r"\b(?:V100|TITAN V)\b", "sm_70"),
    (r"\bP100\b", "sm_60"),
    (r"\b(?:P4|P40|GTX 10\d0|Quadro P\d+|TITAN Xp)\b", "sm_61"),
)
"""Product names to compute capability (NVIDIA's list, developer.nvidia.com/cuda-gpus)."""


def arch_of(name: str | None) -> str | None:
    """The `sm_…` of a product, for tools that do not print the compute capability."""
    words = re.sub(r"[-_/]", " ", name or "")
    return next((sm for pattern, sm in _COMPUTE_CAPABILITY if re.search(pattern, words)), None)


# -- XML and -q --------------------------------------------------------------------------------


def read_xml(text: str) -> list[Reading]:
    """`nvidia-smi -q -x`; of a document that was cut off, the cards that are whole."""
    root = _xml_root(text)
    driver = text_or_none(root.get("driver_version"))
    cuda = text_or_none(root.get("cuda_version"))
    cards = root.all("gpu ")
    whole = integer(root.get("attached_gpus")) in (None, len(cards))
    return [
        _reading(card, XML, driver, cuda, index if whole else None)
        for index, card in enumerate(cards)
    ]


def read_q(text: str) -> list[Reading]:
    """`nvidia-smi -q`."""
    root = blocks(text)
    driver = text_or_none(root.get("Driver Version"))
    cuda = text_or_none(root.get("CUDA Version"))
    cards = [block for block in root.all("GPU ") if pci_address(block.key[4:]) is not None]
    whole = integer(root.get("Attached GPUs")) in (None, len(cards))
    return [
        _reading(card, TEXT, driver, cuda, index if whole else None)
        for index, card in enumerate(cards)
    ]


def _xml_root(text: str) -> Block:
    start = max(text.find("<nvidia_smi_log"), 0)
    try:
        return _block(_parse_xml(text[start:].rstrip("\0 \n")))
    except ElementTree.ParseError:
        return _xml_in_pieces(text)


def _parse_xml(text: str) -> ElementTree.Element:
    # The document type is cut off before: no entities, nothing external.
    return ElementTree.fromstring(text)  # noqa: S314


_XML_PIECES = re.compile(
    r"<gpu id=(?:(?!<gpu id=).)*?</gpu>"
    r"|<(?:driver_version|cuda_version|attached_gpus)>[^<]*</\w+>",
    re.DOTALL,
)


def _xml_in_pieces(text: str) -> Block:
    root = Block("nvidia_smi_log")
    for match in _XML_PIECES.finditer(text):
        try:
            root.children.append(_block(_parse_xml(match[0])))
        except ElementTree.ParseError:
            continue
    return root


def _block(element: ElementTree.Element) -> Block:
    """An element as a block; a card's key is `gpu <id>`."""
    identity = element.get("id")
    key = f"{element.tag} {identity}" if identity is not None else element.tag
    block = Block(key, (element.text or "").strip() or None)
    block.children = [_block(child) for child in element]
    return block


def _reading(
    card: Block, paths: Paths, driver: str | None, cuda: str | None, index: int | None
) -> Reading:
    def get(field: str) -> str | None:
        return card.first(*paths[field])

    name = text_or_none(get("name"))
    temp_c = celsius(get("temp_c"))
    warn_c, critical_c = _limits(get, temp_c)
    reading = Reading(
        index=index if index is not None else integer(get("minor")),
        name=name,
        uuid=text_or_none(get("uuid")),
        pci=pci_address(get("pci")) or pci_address(card.key.split(" ", 1)[-1]),
        memory_mib=mib(get("memory_mib")),
        driver=driver,
        runtime=cuda,
        arch=arch_of(name),
        notes=_mig_notes(card, get("mig")),
        util_pct=percent(get("util_pct")),
        memory_used_mib=mib(get("memory_used_mib")),
        temp_c=temp_c,
        temp_memory_c=celsius(get("temp_memory_c")),
        power_w=positive(get("power_w")),
        power_limit_w=positive(get("power_limit_w")),
        clock_mhz=positive(get("clock_mhz")),
        fan_pct=positive(get("fan_pct")),
        throttle=_active_reasons(_section(card, paths["reasons"])),
        ecc_uncorrected=_uncorrected(_section(card, paths["ecc"])),
        pcie=_pcie(get("gen"), get("width"), get("gen_max"), get("width_max")),
        processes=_processes(card),
        temp_warn_c=warn_c,
        temp_critical_c=critical_c,
        temp_margin_c=celsius(get("margin")),
    )
    return _judged(reading, (value for block in card.walk() if (value := block.value)))


def _judged(reading: Reading, values: Iterable[str]) -> Reading:
    """`reading` with the state that its own cells tell: lost, or errors in place of values."""
    words = [value.lower() for value in values]
    if any("gpu is lost" in word for word in words):
        return msgspec.structs.replace(reading, state="lost")
    silent = (
        reading.temp_c is reading.power_w is reading.util_pct is reading.memory_used_mib is None
    )
    if silent and any("unknown error" in word or word == "err!" for word in words):
        return msgspec.structs.replace(reading, state="no_answer")
    return reading


def _section(card: Block, paths: Sequence[Path]) -> Block | None:
    return next((block for path in paths if (block := card.find(*path)) is not None), None)


def _limits(
    get: Callable[[str], str | None], temp_c: float | None
) -> tuple[float | None, float | None]:
    """Absolute slowdown and shutdown temperatures.

    Since Ada and Hopper the driver tells the margin to the limit instead, and offsets from it.
    """
    margin = number(get("margin"))
    limits = []
    for name in ("slowdown", "shutdown"):
        offset = number(get(f"{name}_margin"))
        limit = celsius(get(name))
        if limit is None and temp_c is not None and margin is not None and offset is not None:
            limit = temp_c + margin - offset
        limits.append(limit)
    return limits[0], limits[1]


def _uncorrected(volatile: Block | None) -> int | None:
    """All uncorrectable errors since the driver was loaded; older tools call them double bit."""
    counts = []
    for block in volatile.children if volatile is not None else ():
        key = block.key.lower().replace("_", " ")
        if "uncorrect" in key:
            counts.append(integer(block.value))
        elif key == "double bit":
            counts.append(integer(block.get("total")))
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _pcie(*values: str | None) -> Pcie | None:
    gen, width, gen_max, width_max = (integer(value) for value in values)
    link = Pcie(gen=gen, width=width, gen_max=gen_max, width_max=width_max)
    return link if link != Pcie() else None


def _mig_notes(card: Block, mode: str | None) -> list[str]:
    if mode != "Enabled":
        return []
    devices = card.find("mig_devices")
    count = len(devices.children) if devices is not None else 0
    return [f"MIG enabled, {count} instances" if count else "MIG enabled"]


def _processes(card: Block) -> list[CardProcess] | None:
    section = card.find("processes")
    if section is None:
        return None
    found = [_xml_process(block) for block in section.all("process_info")]
    found += [_text_process(block) for block in section.all("process id")]
    return [process for process in found if process is not None]


def _xml_process(block: Block) -> CardProcess | None:
    return _process(block.get("pid"), block.get("used_memory"), block.get("process_name"))


def _text_process(block: Block) -> CardProcess | None:
    return _process(block.value, block.get("Used GPU Memory"), block.get("Name"))


def _process(pid: str | None, memory: str | None, command: str | None) -> CardProcess | None:
    number_of = integer(pid)
    if number_of is None:
        return None
    program = re.split(r"\s-", command or "")[0]  # arguments may hold secrets
    return CardProcess(pid=number_of, memory_mib=mib(memory), command=text_or_none(program))


# -- one line a card ---------------------------------------------------------------------------

CSV_FIELDS = (
    "index,uuid,name,pci.bus_id,driver_version,temperature.gpu,temperature.memory,power.draw,"
    "power.limit,utilization.gpu,utilization.memory,memory.used,memory.total,"
    "ecc.errors.uncorrected.volatile.total,clocks_throttle_reasons.active,pstate,fan.speed"
)
SHORT_CSV_FIELDS = "index,pci.bus_id,name"


def read_csv(text: str, fields: str = CSV_FIELDS) -> list[Reading]:
    """`nvidia-smi --query-gpu=FIELDS --format=csv,noheader[,nounits]`."""
    names = fields.split(",")
    rows = (dict(zip(names, row, strict=True)) for row in csv_rows(text) if len(row) == len(names))
    return [_csv_reading(row) for row in rows if integer(row["index"]) is not None]


def _csv_reading(row: Mapping[str, str]) -> Reading:
    name = text_or_none(row.get("name"))
    reading = Reading(
        index=integer(row.get("index")),
        uuid=text_or_none(row.get("uuid")),
        name=name,
        pci=pci_address(row.get("pci.bus_id")),
        driver=text_or_none(row.get("driver_version")),
        arch=arch_of(name),
        temp_c=celsius(row.get("temperature.gpu")),
        temp_memory_c=celsius(row.get("temperature.memory")),
        power_w=positive(row.get("power.draw")),
        power_limit_w=positive(row.get("power.limit")),
        util_pct=percent(row.get("utilization.gpu")),
        memory_used_mib=mib(row.get("memory.used")),
        memory_mib=mib(row.get("memory.total")),
        ecc_uncorrected=integer(row.get("ecc.errors.uncorrected.volatile.total")),
        throttle=_mask(row.get("clocks_throttle_reasons.active")),
        fan_pct=positive(row.get("fan.speed")),
    )
    return _judged(reading, row.values())


# -- the table ---------------------------------------------------------------------------------

_BUS = re.compile(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7]")


def read_table(text: str) -> list[Reading]:
    """Plain `nvidia-smi`."""
    found = smi_table.readings(
        smi_table.read(text),
        driver=smi_table.version(text, "Driver Version"),
        runtime=smi_table.version(text, "CUDA Version"),
    )
    rows = _rows_by_card(text)
    return [_table_reading(reading, rows.get(reading.pci or "", [])) for reading in found]


def _rows_by_card(text: str) -> dict[str, list[Row]]:
    """Identity, readings and MIG mode of a card stand between two rules."""
    found = {}
    for group in table_groups(text):
        address = _BUS.search(" ".join(group[0]))
        found[pci_address(address[0]) if address else None] = group
    return {address: group for address, group in found.items() if address is not None}


def _table_reading(reading: Reading, rows: list[Row]) -> Reading:
    cells = [cell for row in rows for cell in row]
    notes = ["MIG enabled"] if len(rows) > 2 and rows[2][-1] == "Enabled" else []
    named = msgspec.structs.replace(reading, arch=arch_of(reading.name), notes=notes)
    return _judged(named, (word for cell in cells for word in (cell, *cell.split())))


# -- the list ----------------------------------------------------------------------------------

_LISTED = re.compile(r"GPU (\d+): (.+?) \(UUID: (GPU-[0-9A-Za-z-]+)\)")


def read_list(text: str) -> list[Reading]:
    """`nvidia-smi -L`. MIG devices are indented below their card; they are no cards."""
    matches = (_LISTED.match(line) for line in text.splitlines())
    return [
        Reading(index=int(match[1]), name=match[2], uuid=match[3], arch=arch_of(match[2]))
        for match in matches
        if match is not None
    ]
