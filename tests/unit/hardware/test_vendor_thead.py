"""T-Head PPU: ppu-smi's CSV queries, table, details and list."""

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

from appliance.core.sample import CardProcess
from appliance.hardware.vendors.base import PciDevice
from appliance.hardware.vendors.thead import THead

VENDOR = THead()

CSV = (
    "ppu-smi --query-ppu=timestamp,index,name,uuid,pci.bus_id,memory.total,memory.used"
    " --format=csv,noheader,nounits"
)
OTHER_CSV = (
    "ppu-smi --query-ppu=timestamp,index,name,compute_mode,memory.total,memory.used --format=csv"
)

ROWS = """\
2026/03/02 09:24:11.132, 0, PPU-ZW810E, GPU-0000000a, 00000001:C9:00.0, 98304, 70001
2026/03/02 09:24:11.139, 1, PPU-ZW810E, GPU-0000000b, 00000000:7E:00.0, 98304, 0
"""

OTHER_ROWS = """\
timestamp, index, name, compute_mode, memory.total [MiB], memory.used [MiB]
2026/03/02 09:24:11.132, 0, PPU-ZW810E, Default, 98304 MiB, 70001 MiB
2026/03/02 09:24:11.139, 1, PPU-ZW810E, Default, 98304 MiB, [N/A]
"""

TABLE = """\
+-------------------------------------------------------------------------------+
| PPU-SMI 1.28          Driver Version: 2.1.2-rd1dcd     HGGC Version: 13.0     |
+---------------------------------+----------------------+----------------------+
| PPU  Name        Persistence M. | Bus-Id               | Volatile Uncorr. ECC |
| Fan  Temp  Perf   Pwr:Usage/Cap | Memory-Usage         | PPU-Util  Compute M. |
|                                 |                      |               MIG M. |
+=================================+======================+======================+
| 0  PPU-ZW810E        N/A        | 00000001:C9:00.0     |                    0 |
| N/A  66C   N/A      312W / 400W | 70001MiB / 98304MiB  |  98%        Default  |
|                                 |                      |             Disabled |
+---------------------------------+----------------------+----------------------+
| 10  PPU-ZW810E        N/A       | 00000000:7E:00.0     |                    2 |
| N/A  33C   N/A       79W / 400W | 1MiB / 98304MiB      |   0%        Default  |
|                                 |                      |             Disabled |
+---------------------------------+----------------------+----------------------+

+-------------------------------------------------------------------------------+
| Processes:                                                                    |
| PPU    GI   CI   PID      Type  Process name                       PPU Memory |
|        ID   ID                                                     Usage      |
+===============================================================================+
| 10     0    0    61785    C     ppu_test                              413MiB  |
+-------------------------------------------------------------------------------+
"""

DETAILS = """\
==============PPUSMI LOG==============

Timestamp                                   : Mon Mar  2 09:24:11 2026
Driver Version                              : 2.1.2-rd1dcd
HGGC Version                                : N/A

Attached PPUs                               : 1
PPU 00000001:C9:00.0
    Product Name                            : PPU-ZW810E
    PPU UUID                                : GPU-0000000a
    Fan Speed                               : N/A
    FB Memory Usage
        Total                               : 98304 MiB
        Used                                : 70001 MiB
    BAR1 Memory Usage
        Total                               : 512 MiB
        Used                                : 2 MiB
    Utilization
        Ppu                                 : 98 %
        Core                                : 61 %
        Memory                              : 7 %
    Ecc Mode
        Current                             : Enabled
    ECC Errors
        Volatile
            SRAM Correctable                : 5
            SRAM Uncorrectable              : 1
            DRAM Correctable                : 0
            DRAM Uncorrectable              : 2
        Aggregate
            SRAM Uncorrectable              : 70
    Temperature
        PPU Current Temp                    : 66 C
        PPU Shutdown Temp                   : 95 C
        PPU Slowdown Temp                   : 92 C
        PPU Max Operating Temp              : 85 C
        PPU Target Temperature              : N/A
        Memory Current Temp                 : 61 C
        Memory Max Operating Temp           : 95 C
    Power Readings
        Power Draw                          : 312.25 W
        Power Limit                         : 400.00 W
        Enforced Power Limit                : 380.00 W
    Clocks
        SM                                  : 1700 MHz
        Memory                              : 1600 MHz
    Processes
        Process ID                          : 61785
            Type                            : C
            Name                            : ppu_test
            Used PPU Memory                 : 413 MiB
"""


def section(*keys: str) -> str:
    """The heading of a card and some of its sections, as `-q -d` prints them."""
    lines = DETAILS.splitlines(keepends=True)
    starts = [i for i, line in enumerate(lines) if line[:4] == "    " and line[4] != " "]
    ends = [*starts[1:], len(lines)]
    parts = {lines[a].strip(): lines[a:b] for a, b in zip(starts, ends, strict=True)}
    return "PPU 00000001:C9:00.0\n" + "".join(line for key in keys for line in parts[key])


def test_the_table() -> None:
    busy, idle = read(VENDOR, {"ppu-smi": TABLE})
    assert (busy.index, busy.name, busy.pci) == (0, "PPU-ZW810E", "0001:c9:00.0")
    assert (busy.driver, busy.runtime) == ("2.1.2-rd1dcd", "13.0")
    assert (busy.temp_c, busy.power_w, busy.power_limit_w) == (66, 312, 400)
    assert (busy.memory_used_mib, busy.util_pct, busy.processes) == (70001, 98, [])
    assert (idle.index, idle.name, idle.ecc_uncorrected) == (10, "PPU-ZW810E", 2)
    assert idle.processes == [CardProcess(pid=61785, memory_mib=413, command="ppu_test")]


def test_the_query_with_table_and_details_behind_it() -> None:
    first, second = read(VENDOR, {CSV: ROWS, "ppu-smi": TABLE, "ppu-smi -q": DETAILS})
    assert (first.index, first.uuid, first.memory_used_mib) == (0, "GPU-0000000a", 70001)
    assert (first.temp_c, first.temp_memory_c, first.clock_mhz) == (66, 61, 1700)
    assert (second.index, second.temp_c, second.memory_used_mib) == (1, 33, 0)
    assert second.temp_memory_c is None


def test_the_details_alone() -> None:
    (card,) = read(VENDOR, {"ppu-smi -q": DETAILS})
    assert (card.index, card.pci, card.uuid) == (0, "0001:c9:00.0", "GPU-0000000a")
    assert (card.name, card.driver, card.runtime) == ("PPU-ZW810E", "2.1.2-rd1dcd", None)
    assert (card.memory_mib, card.memory_used_mib, card.util_pct) == (98304, 70001, 98)
    assert (card.temp_c, card.temp_warn_c, card.temp_critical_c) == (66, 92, 95)
    assert (card.power_w, card.power_limit_w, card.ecc_uncorrected) == (312.25, 380, 3)
    assert card.processes == [CardProcess(pid=61785, memory_mib=413, command="ppu_test")]


def test_single_sections_alone() -> None:
    (card,) = read(
        VENDOR,
        {
            "ppu-smi -q -d TEMPERATURE": section("Temperature"),
            "ppu-smi -q -d POWER": section("Power Readings"),
            "ppu-smi -q -d UTILIZATION": section("Utilization"),
            "ppu-smi -q -d ECC": section("Ecc Mode", "ECC Errors"),
        },
    )
    assert (card.index, card.pci) == (None, "0001:c9:00.0")
    assert (card.temp_c, card.power_w, card.util_pct, card.ecc_uncorrected) == (66, 312.25, 98, 3)


def test_another_query_and_the_list() -> None:
    listed = (
        "PPU 0: PPU (UUID: GPU-0000000a)\n"
        "PPU 1: PPU (UUID: GPU-0000000b)\n"
        "    MIG g1.c1.i1, Device 0 (UUID: MIG-0000000c)\n"
    )
    first, second = read(VENDOR, {"ppu-smi -L": listed, OTHER_CSV: OTHER_ROWS})
    assert (first.uuid, first.memory_used_mib, first.memory_mib) == ("GPU-0000000a", 70001, 98304)
    assert (second.uuid, second.memory_used_mib) == ("GPU-0000000b", None)


def test_what_another_query_lists_are_the_cards_and_their_processes() -> None:
    ids = (
        "timestamp, count, name, serial, index, uuid\n"
        "2022/09/08 09:42:34.913, 2, alixpu, 7149, 0, PPU-0000000a\n"
        "2022/09/08 09:42:34.920, 2, alixpu, 7150, 1, PPU-0000000b\n"
    )
    running = (
        "timestamp, uuid, pid, process_name, used_ppu_memory [MiB]\n"
        "2022/09/08 09:57:57.660, PPU-0000000b, 61785, ppu_test, 413 MiB\n"
        "2022/09/08 09:57:57.660, PPU-0000000b, 62103, worker, N/A\n"
    )
    first, second = read(
        VENDOR,
        {
            "ppu-smi --query-ppu=timestamp,count,name,serial,index,uuid --format=csv": ids,
            "ppu-smi --query-compute-apps=timestamp,uuid,pid,process_name,used_ppu_memory"
            " --format=csv": running,
            "ppu-smi -q -d TEMPERATURE": section("Temperature"),
            OTHER_CSV: OTHER_ROWS,
        },
    )
    assert (first.index, first.uuid, first.memory_mib) == (0, "PPU-0000000a", 98304)
    assert (first.temp_c, first.processes) == (None, [])
    assert second.processes == [
        CardProcess(pid=61785, memory_mib=413, command="ppu_test"),
        CardProcess(pid=62103, memory_mib=None, command="worker"),
    ]


def test_no_driver() -> None:
    ask = failing("ppu-smi", stderr="Init HGML error: driver is not loaded")
    assert VENDOR.read_tool(ask, None).answer == "no_driver"


@pytest.mark.parametrize(
    ("device_id", "class_id", "ours"),
    [("6001", "120000", True), ("107f", "020000", False), ("5007", "120000", False)],
)
def test_cards_on_the_bus(device_id: str, class_id: str, ours: bool) -> None:
    function = PciDevice(
        address="0001:c9:00.0", vendor_id="1ded", device_id=device_id, class_id=class_id
    )
    assert VENDOR.owns(function) is ours


@pytest.mark.parametrize("nothing", UNREADABLE)
@pytest.mark.parametrize(
    ("shown", "field"),
    [("66C", "temp_c"), ("312W", "power_w"), ("98%", "util_pct"), ("70001MiB", "memory_used_mib")],
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    busy, idle = read(VENDOR, {"ppu-smi": TABLE.replace(shown, nothing.ljust(len(shown)))})
    assert getattr(busy, field) is None
    assert (idle.temp_c, idle.power_w, idle.util_pct, idle.memory_used_mib) == (33, 79, 0, 1)


@given(data=st.data(), question=st.sampled_from((CSV, "ppu-smi", "ppu-smi -q")))
def test_spoiled_answers_do_no_harm(data: st.DataObject, question: str) -> None:
    text = data.draw(spoiled({CSV: ROWS, "ppu-smi": TABLE, "ppu-smi -q": DETAILS}[question]))
    assert_printed(read_spoiled(VENDOR, {question: text}), text)


@needs_captures
def test_captures() -> None:
    cards = replay(VENDOR, "zw810ex16-1.28")
    assert [card.index for card in cards] == list(range(16))
    assert (cards[10].pci, cards[10].temp_c, cards[10].power_w) == ("0001:0a:00.0", 27, 81)
    assert {(c.name, c.memory_mib, c.memory_used_mib, c.power_limit_w) for c in cards} == {
        ("PPU-ZW810E", 98304, 1, 400)
    }
    first, second = replay(VENDOR, "manual-queries")
    assert (first.index, first.name, first.memory_mib) == (0, "alixpu", 40960)
    assert (second.index, second.memory_mib, second.memory_used_mib) == (1, 24576, 508)
    assert [process.pid for process in first.processes or []] == [61785, 62103]
    assert second.processes == []
