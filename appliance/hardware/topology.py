"""How cards are linked: from the bus, from the cards' own links, from the vendors' matrices.

PCIe distances come from the paths in sysfs, in the words that vendors' tools share. A tool's matrix
is believed where it names an interconnect, and where sysfs does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from appliance.core.inventory import Card, VendorName
from appliance.core.topology import CardPlace, Topology
from appliance.hardware.pci import SYS
from appliance.hardware.vendors.base import Ask
from appliance.hardware.vendors.parse import blocks, integer

PCIE_WORDS = frozenset(("X", "S", "PIX", "PXB", "PHB", "NODE", "SYS", "PIB", "PCIE"))

QUESTIONS: dict[VendorName, tuple[tuple[str, ...], ...]] = {
    "nvidia": (("nvidia-smi", "topo", "-m"),),
    "amd": (("rocm-smi", "--showtopo"),),
    "intel": (("xpu-smi", "topology", "-m"),),
    "ascend": (("npu-smi", "info", "-t", "topo"),),
    "mthreads": (("mthreads-gmi", "topo", "-m"),),
    "metax": (("mx-smi", "topo", "-m"), ("ht-smi", "topo", "-m")),
    "hygon": (("hy-smi", "--showtopo"), ("rocm-smi", "--showtopo")),
    "iluvatar": (("ixsmi", "topo", "-m"),),
    "kunlunxin": (("xpu-smi", "topo", "-m"), ("xpu_smi", "topo", "-m")),
    "cambricon": (("cnmon", "topo", "-m"),),
    "thead": (("ppu-smi", "topo", "-m"),),
}


def topology(cards: Sequence[Card], ask: Ask, sys_root: Path | None = SYS) -> Topology:
    """The matrix of `cards`; `sys_root` is `None` for a capture without sysfs."""
    told = {vendor: _tool_answer(vendor, ask) for vendor in {card.vendor for card in cards}}
    matrices = {vendor: read_matrix(text) for vendor, text in told.items()}
    affinities = {vendor: read_affinity(text) for vendor, text in told.items()}
    nodes = _captured_cpus(ask)
    return Topology(
        cards=[_place(card, sys_root, nodes, affinities[card.vendor]) for card in cards],
        matrix=[[_path(a, b, matrices[a.vendor], sys_root) for b in cards] for a in cards],
    )


def _path(a: Card, b: Card, told: dict[tuple[int, int], str], sys_root: Path | None) -> str | None:
    if a.id == b.id:
        return "X"
    word = _told(a, b, told) if a.vendor == b.vendor else None
    if word is not None and word not in PCIE_WORDS:
        return word
    return _linked(a, b) or _pcie_distance(a, b, sys_root) or word


def _told(a: Card, b: Card, told: dict[tuple[int, int], str]) -> str | None:
    if a.index is None or b.index is None:
        return None
    return told.get((a.index, b.index))


_LINK_WORDS = {"NVLink": "NV", "xGMI": "XGMI"}


def _linked(a: Card, b: Card) -> str | None:
    """The cards' own links to each other: `NV4` are four NVLinks."""
    links = [link for link in a.links if link.peer == b.id and link.state != "down"]
    if not links:
        return None
    kind = links[0].kind
    return f"NV{len(links)}" if kind == "NVLink" else _LINK_WORDS.get(kind, kind)


# -- sysfs -------------------------------------------------------------------------------------


def _pcie_distance(a: Card, b: Card, sys_root: Path | None) -> str | None:
    left, right = _bus_path(a, sys_root), _bus_path(b, sys_root)
    if left and right and left[0] == right[0]:
        return _below_one_root(left, right)
    if a.numa is None or b.numa is None:
        return None
    if a.numa != b.numa:
        return "SYS"
    return "NODE" if left and right else None


def _below_one_root(left: Sequence[str], right: Sequence[str]) -> str:
    shared = 0
    while shared < min(len(left), len(right)) and left[shared] == right[shared]:
        shared += 1
    if shared < 2:
        return "PHB"
    below = max(len(left), len(right)) - shared
    return "PIX" if below <= 2 else "PXB"


def _bus_path(card: Card, sys_root: Path | None) -> tuple[str, ...]:
    """Root and bridges above the card, then the card: `pci0000:80`, `0000:80:01.0`, …"""
    if sys_root is None or card.pci is None:
        return ()
    device = sys_root / "bus/pci/devices" / card.pci
    if device.is_symlink():
        text = str(device.readlink())
    elif (device / "path").is_file():  # a capture cannot keep the link
        text = (device / "path").read_text(errors="replace").strip()
    else:
        return ()
    parts = PurePosixPath(text).parts
    roots = [i for i, part in enumerate(parts) if part.startswith("pci")]
    return parts[roots[0] :] if roots else ()


def _place(
    card: Card, sys_root: Path | None, nodes: dict[int, str], told: dict[int, str]
) -> CardPlace:
    cpus = None
    if sys_root is not None and card.pci is not None:
        file = sys_root / "bus/pci/devices" / card.pci / "local_cpulist"
        cpus = file.read_text().strip() or None if file.is_file() else None
    if cpus is None and card.numa is not None:
        cpus = nodes.get(card.numa)
    if cpus is None and card.index is not None:
        cpus = told.get(card.index)
    return CardPlace(
        id=card.id,
        vendor=card.vendor,
        index=card.index,
        pci=card.pci,
        numa=card.numa,
        cpus=cpus,
    )


def _captured_cpus(ask: Ask) -> dict[int, str]:
    """Processors of each NUMA node, as `lscpu` prints them."""
    answer = ask("lscpu")
    found: dict[int, str] = {}
    for block in blocks(answer.stdout if answer is not None else "").walk():
        match = re.fullmatch(r"NUMA node(\d+) CPU\(s\)", block.key)
        if match and block.value:
            found[int(match[1])] = block.value
    return found


# -- matrices that tools print -----------------------------------------------------------------

Matrix = dict[tuple[int, int], str]
_NAME = re.compile(r"(?:GPU|NPU|XPU|PPU|MLU|DCU|HCU|GCU|CARD)\s?(\d+)(?:/\d+)?", re.IGNORECASE)


_CPUS = re.compile(r"\b\d+-\d+(?:,\d+(?:-\d+)?)*")


def _tool_answer(vendor: VendorName, ask: Ask) -> str:
    for argv in QUESTIONS.get(vendor, ()):
        answer = ask(*argv)
        if answer is not None and read_matrix(answer.stdout):
            return answer.stdout
    return ""


def read_affinity(text: str) -> dict[int, str]:
    """The processors that a matrix names at the end of each card's row."""
    found: dict[int, str] = {}
    for line in text.splitlines():
        name, cpus = _NAME.match(line.strip()), _CPUS.findall(line)
        if name and cpus:
            found.setdefault(int(name[1]), cpus[0])
    return found


def read_matrix(text: str) -> Matrix:
    """Words by pair of indexes; of several matrices the first whose words name links."""
    for matrix in _matrices(text.splitlines()):
        between = [word for (a, b), word in matrix.items() if a != b]
        if any(word[0].isalpha() for word in between):
            return {pair: word for pair, word in matrix.items() if word.upper() != "NA"}
    return {}


def _matrices(lines: Iterable[str]) -> list[Matrix]:
    """Every table whose header and rows are cards' names."""
    found: list[Matrix] = []
    columns: list[int] = []
    for line in lines:
        plain = line.replace("|", " ").strip()
        names = [int(match[1]) for match in _NAME.finditer(plain)]
        first = _NAME.match(plain)
        if first and len(names) > 1 and _is_header(plain):
            columns = names
            found.append({})
        elif first and columns:
            words = plain[first.end() :].split()
            row = integer(first[1])
            for column, word in zip(columns, words, strict=False):
                if row is not None:
                    found[-1].setdefault((row, column), word)
    return [matrix for matrix in found if matrix]


def _is_header(line: str) -> bool:
    """A header starts with two names; a row has a word after the first."""
    first = _NAME.match(line)
    return first is not None and _NAME.match(line[first.end() :].strip()) is not None
