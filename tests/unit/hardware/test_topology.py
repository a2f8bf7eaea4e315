from __future__ import annotations

from pathlib import Path

import pytest
from fake_server import Bus
from hypothesis import given
from hypothesis import strategies as st
from tool_answers import asking

from appliance.core.inventory import Card, Link
from appliance.hardware.topology import read_affinity, read_matrix, topology

TOPO_M = """\
\tGPU0\tGPU1\tGPU2\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID
GPU0\t X \tNV18\tSYS\tPIX\t0-51,104-155\t0\t\tN/A
GPU1\tNV18\t X \tSYS\tSYS\t0-51,104-155\t0\t\tN/A
GPU2\tSYS\tSYS\t X \tSYS\t52-103\t1\t\tN/A
NIC0\tPIX\tSYS\tSYS\t X

Legend:

  X    = Self
  NV#  = Connection traversing a bonded set of # NVLinks
"""
ROCM = """\
========================== Weight between two GPUs ==========================
       GPU0         GPU1
GPU0   0            15
GPU1   15           0
========================== Link Type between two GPUs =======================
       GPU0         GPU1
GPU0   0            XGMI
GPU1   XGMI         0
"""


def card(index: int, pci: str | None = None, **more: object) -> Card:
    return Card(id=f"c{index}", vendor="nvidia", index=index, pci=pci, **more)  # type: ignore[arg-type]


def test_matrices_that_tools_print() -> None:
    matrix = read_matrix(TOPO_M)
    assert matrix[0, 1] == "NV18"
    assert matrix[2, 0] == "SYS"
    assert max(matrix) == (2, 2)
    assert read_affinity(TOPO_M) == {0: "0-51,104-155", 1: "0-51,104-155", 2: "52-103"}
    assert read_matrix(ROCM)[0, 1] == "XGMI"
    assert read_matrix("no matrix here") == {}


def test_a_tool_names_the_interconnect() -> None:
    found = topology([card(0), card(1), card(2)], asking({"nvidia-smi topo -m": TOPO_M}), None)
    assert found.matrix == [["X", "NV18", "SYS"], ["NV18", "X", "SYS"], ["SYS", "SYS", "X"]]
    assert [place.cpus for place in found.cards] == ["0-51,104-155", "0-51,104-155", "52-103"]


ROOT = "../../../devices/pci0000:80"
SWITCH = f"{ROOT}/0000:80:01.0/0000:81:00.0"
PATHS = {
    "0000:83:00.0": f"{SWITCH}/0000:82:00.0/0000:83:00.0",
    "0000:84:00.0": f"{SWITCH}/0000:82:01.0/0000:84:00.0",
    "0000:88:00.0": f"{SWITCH}/0000:82:02.0/0000:86:00.0/0000:87:00.0/0000:88:00.0",
    "0000:90:00.0": f"{ROOT}/0000:80:03.0/0000:90:00.0",
    "0000:c1:00.0": "../../../devices/pci0000:c0/0000:c0:01.0/0000:c1:00.0",
    "0000:21:00.0": "../../../devices/pci0000:20/0000:20:01.0/0000:21:00.0",
}
NODES = {"0000:21:00.0": 0}
EXPECTED = {
    "0000:84:00.0": "PIX",
    "0000:88:00.0": "PXB",
    "0000:90:00.0": "PHB",
    "0000:c1:00.0": "NODE",
    "0000:21:00.0": "SYS",
}


@pytest.mark.parametrize("kept_as", ["link", "text"])
@pytest.mark.parametrize(("other", "word"), EXPECTED.items())
def test_distances_on_the_bus(bus: Bus, kept_as: str, other: str, word: str) -> None:
    for address, path in PATHS.items():
        device = bus.devices / address
        if kept_as == "link":
            device.symlink_to(path)
        else:
            device.mkdir()
            (device / "path").write_text(f"{path}\n")
    cards = [card(i, pci, numa=NODES.get(pci, 1)) for i, pci in enumerate(["0000:83:00.0", other])]
    found = topology(cards, asking({}), bus.root)
    assert found.matrix == [["X", word], [word, "X"]]


def test_own_links_count_those_that_are_up(tmp_path: Path) -> None:
    def links(peer: str) -> list[Link]:
        up = [Link(kind="NVLink", peer=peer, state="up")] * 4
        return [*up, Link(kind="NVLink", peer=peer, state="down")]

    one = card(0, "0000:01:00.0", links=links("c1"), numa=0)
    two = card(1, "0000:02:00.0", links=links("c0"), numa=1)
    assert topology([one, two], asking({}), tmp_path).matrix == [["X", "NV4"], ["NV4", "X"]]


def test_what_is_not_known() -> None:
    found = topology([card(0, "0000:01:00.0"), card(1, "0000:02:00.0")], asking({}), None)
    assert found.matrix == [["X", None], [None, "X"]]
    assert found.cards[0].cpus is None


def test_processors_of_a_node_by_lscpu() -> None:
    lscpu = "NUMA:\n  NUMA node0 CPU(s):   0-23\n  NUMA node1 CPU(s):   24-47\n"
    found = topology([card(0, numa=1)], asking({"lscpu": lscpu}), None)
    assert found.cards[0].cpus == "24-47"


@given(st.text(alphabet="GPUXNVSY01 \t|\n-/,", max_size=300))
def test_no_text_fails(text: str) -> None:
    read_matrix(text)
    read_affinity(text)
