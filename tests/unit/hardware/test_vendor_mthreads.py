"""Moore Threads: mthreads-gmi old and new, its queries, musaInfo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tool_answers import (
    UNREADABLE,
    assert_printed,
    failing,
    needs_captures,
    read,
    read_spoiled,
    replay,
    spoiled,
)

from appliance.core.sample import CardProcess, Pcie
from appliance.hardware.vendors.base import ABSENT, PciDevice
from appliance.hardware.vendors.mthreads import MooreThreads

VENDOR = MooreThreads()

OLD = """\
Tue Apr  1 08:00:00 2025
---------------------------------------------------------------
    mthreads-gmi:1.12.2          Driver Version:2.6.0
---------------------------------------------------------------
ID   Name           |PCIe                |%GPU  Mem
     Device Type    |Pcie Lane Width     |Temp  MPC Capable
                                         |      ECC Mode
+-------------------------------------------------------------+
0    MTT S4000      |00000000:31:00.0    |88%   44302MiB(49152MiB)
     Physical       |16x(16x)            |65C   YES
                                         |      N/A
+-------------------------------------------------------------+
1    MTT S4000      |00000000:B1:00.0    |0%    3MiB(49152MiB)
     MPC Parent     |8x(16x)             |41C   YES
                                         |      N/A
---------------------------------------------------------------

---------------------------------------------------------------
Processes:
ID   PID       Process name                         GPU Memory
                                                         Usage
+-------------------------------------------------------------+
0    4711      ...bin/python3 -m serve                44290MiB
---------------------------------------------------------------
"""

WIDE = """\
---------------------------------------------------------------------
    mthreads-gmi:2.4.0           Driver Version:5.0.1-server
---------------------------------------------------------------------
ID   Name                 |PCIe                |%GPU  Mem
     Device Type   Perf   |Pcie Lane Width     |Temp  MPC Capable
                                               |      ECC Mode
+-------------------------------------------------------------------+
0    MTT S5000            |00000000:2a:00.0    |7%    80902MiB(81920MiB)
     MPC Parent    P0     |16x(16x)            |57C   NO
                                               |      On-die, EDC
+-------------------------------------------------------------------+
"""

WITHOUT_RULES = """\
mthreads-gmi:1.6.0           Driver Version:N/A
ID   Name           |PCIe                |%GPU  Mem
     Device Type    |Pcie Lane Width     |Temp  MPC Capable
+-------------------------------------------------------------+
0    MTT S2000      |00000000:03:00.0    |0%    4MiB(16384MiB)
     Physical       |8x(8x)              |51C   NO
ID   Name           |PCIe                |%GPU  Mem
     Device Type    |Pcie Lane Width     |Temp  MPC Capable
+-------------------------------------------------------------+
1    MTT S2000      |00000000:04:00.0    |75%   8192MiB(16384MiB)
     Physical       |8x(8x)              |50C   NO
Processes:
   No running processes found
"""

DETAILS = """\
Timestamp                       : Tue Apr  1 08:00:00 2025
Driver Version                  : 2.6.0
Attached GPUs                   : 2
GPU 00000000:31:00.0
    Product Name                : MTT S4000
    GPU UUID                    : 1f0c2d3e-aaaa-bbbb-cccc-000000000001
    FB Memory Usage
        Total                   : 49152MiB
        Used                    : 44302MiB
    Utilization
        Gpu                     : 88%
        Memory                  : 40%
    Temperature
        GPU Current Temp        : 65C
    Power Readings
        Power Draw              : 231.50W
GPU 00000000:B1:00.0
    Product Name                : MTT S4000
    FB Memory Usage
        Total                   : 49152MiB
        Used                    : 3MiB
    Utilization
        Gpu                     : 0%
    Temperature
        GPU Current Temp        : N/A
    Power Readings
        Power Draw              : N/A
"""

MUSA_INFO = """\
compiler: mcc
--------------------------------------------------------------------------------
device# 0
Name: MTT S4000
Driver Version: 4.3
Runtime Version: 4.2
compute capability: 2.2
pciBusID: 0x31
pciDeviceID: 0x0
pciDomainID: 0x1
clockRate: 1500 Mhz
totalGlobalMem: 47.83 GB
--------------------------------------------------------------------------------
device# 1
Name: MTT S4000
totalGlobalMem: unknown
"""


def test_the_narrow_table() -> None:
    busy, idle = read(VENDOR, {"mthreads-gmi": OLD})
    assert (busy.index, busy.name, busy.pci) == (0, "MTT S4000", "0000:31:00.0")
    assert (busy.driver, busy.runtime) == ("2.6.0", None)
    assert (busy.memory_mib, busy.memory_used_mib, busy.util_pct) == (49152, 44302, 88)
    assert (busy.temp_c, busy.power_w) == (65, None)
    assert busy.pcie == Pcie(width=16, width_max=16)
    assert busy.processes == [
        CardProcess(pid=4711, memory_mib=44290, command="...bin/python3 -m serve")
    ]
    assert (idle.pci, idle.util_pct, idle.memory_used_mib) == ("0000:b1:00.0", 0, 3)
    assert (idle.pcie, idle.processes) == (Pcie(width=8, width_max=16), [])


def test_the_wide_table_with_perf() -> None:
    (card,) = read(VENDOR, {"mthreads-gmi": WIDE})
    assert (card.name, card.driver) == ("MTT S5000", "5.0.1-server")
    assert (card.temp_c, card.memory_used_mib, card.util_pct) == (57, 80902, 7)
    assert card.processes is None


def test_a_table_that_repeats_its_header_without_rules() -> None:
    first, second = read(VENDOR, {"mthreads-gmi": WITHOUT_RULES})
    assert (first.temp_c, first.driver, first.memory_mib) == (51, None, 16384)
    assert (second.index, second.util_pct, second.memory_used_mib) == (1, 75, 8192)
    assert second.processes == []


def test_the_query_adds_power_and_unique_id_to_the_table() -> None:
    busy, idle = read(VENDOR, {"mthreads-gmi": OLD, "mthreads-gmi -q": DETAILS})
    assert (busy.power_w, busy.uuid) == (231.5, "1f0c2d3e-aaaa-bbbb-cccc-000000000001")
    assert (idle.power_w, idle.uuid, idle.temp_c) == (None, None, 41)


def test_the_query_alone() -> None:
    busy, idle = read(VENDOR, {"mthreads-gmi -q": DETAILS})
    assert (busy.index, busy.pci, busy.driver) == (0, "0000:31:00.0", "2.6.0")
    assert (busy.util_pct, busy.temp_c, busy.memory_mib) == (88, 65, 49152)
    assert (idle.index, idle.temp_c, idle.memory_used_mib) == (1, None, 3)


def test_the_list_alone() -> None:
    text = "GPU 0: MTT S80 (UUID: 00000000-1111-2222-3333-444444444444)\n"
    (card,) = read(VENDOR, {"mthreads-gmi -L": text})
    assert (card.index, card.name) == (0, "MTT S80")
    assert card.uuid == "00000000-1111-2222-3333-444444444444"


def test_musa_info_alone() -> None:
    known, unknown = read(VENDOR, {"musaInfo": MUSA_INFO})
    assert (known.name, known.memory_mib, known.pci) == ("MTT S4000", 48978, "0001:31:00.0")
    assert (known.driver, known.runtime, known.arch) == ("4.3", "4.2", "mp_22")
    assert known.clock_mhz is None
    assert (unknown.index, unknown.memory_mib, unknown.arch, unknown.pci) == (1, None, None, None)


def test_no_tool_no_driver_no_answer() -> None:
    assert VENDOR.read_tool(failing("another", stderr=""), None) == ABSENT
    gone = VENDOR.read_tool(failing("mthreads-gmi", stderr="Error: Driver is not loaded"), None)
    assert (gone.answer, gone.message) == ("no_driver", "Error: Driver is not loaded")
    hung = failing("mthreads-gmi", stderr="", exit_status=None)
    assert VENDOR.read_tool(hung, None).answer == "no_answer"


@pytest.mark.parametrize(
    ("device", "class_id", "ours"),
    [("0201", "030000", True), ("0323", "120000", True), ("02ff", "040300", False)],
)
def test_cards_on_the_bus(device: str, class_id: str, ours: bool) -> None:
    function = PciDevice(
        address="0000:04:00.0", vendor_id="1ed5", device_id=device, class_id=class_id
    )
    assert VENDOR.owns(function) is ours


@pytest.mark.parametrize("nothing", UNREADABLE)
@pytest.mark.parametrize(
    ("shown", "field"),
    [("88%", "util_pct"), ("65C", "temp_c"), ("44302MiB", "memory_used_mib")],
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    busy, idle = read(VENDOR, {"mthreads-gmi": OLD.replace(shown, nothing.ljust(len(shown)))})
    assert getattr(busy, field) is None
    assert (idle.temp_c, idle.util_pct, idle.memory_used_mib) == (41, 0, 3)


@given(data=st.data(), text=st.sampled_from((OLD, WIDE, WITHOUT_RULES)))
def test_a_spoiled_table_does_no_harm(data: st.DataObject, text: str) -> None:
    text = data.draw(spoiled(text))
    assert_printed(read_spoiled(VENDOR, {"mthreads-gmi": text}), text)


@given(data=st.data())
def test_spoiled_details_do_no_harm(data: st.DataObject) -> None:
    text = data.draw(spoiled(DETAILS))
    assert_printed(read_spoiled(VENDOR, {"mthreads-gmi -q": text}), text)
    read_spoiled(VENDOR, {"musaInfo": data.draw(spoiled(MUSA_INFO))})


@needs_captures
def test_captures() -> None:
    (s80,) = replay(VENDOR, "s80-1.14")
    assert (s80.pci, s80.temp_c, s80.memory_used_mib) == ("0000:04:00.0", 49, 2)
    assert s80.pcie == Pcie(width=4, width_max=16)
    (s3000,) = replay(VENDOR, "s3000-2.3")
    assert (s3000.util_pct, s3000.memory_used_mib, s3000.driver) == (58, 30094, "2.9.2-000")
    cards = replay(VENDOR, "s5000x8-2.4")
    assert [card.temp_c for card in cards] == [48, 48, 49, 48, 48, 50, 48, 49]
    (facts,) = replay(VENDOR, "s5000-musainfo")
    assert (facts.memory_mib, facts.arch, facts.pci) == (81828, "mp_31", "0000:2a:00.0")
