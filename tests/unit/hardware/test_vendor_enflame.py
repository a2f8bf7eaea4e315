"""Enflame: efsmi's query, its tables over the years, dmon and the list."""

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

from appliance.core.sample import Pcie
from appliance.hardware.vendors.base import PciDevice
from appliance.hardware.vendors.enflame import Enflame

VENDOR = Enflame()

BANNER = """\
-------------------------------------------------------------------------------
--------------------- Enflame System Management Interface ---------------------
--------- Enflame Tech, All Rights Reserved. 2024-2025 Copyright (C) ----------
-------------------------------------------------------------------------------
"""

DETAILS = (
    BANNER
    + """\
DEV ID 0
    Driver Info
        Ver                     : 1.4.0.9
    Device Info
        Dev Name                : S60
        Dev UUID                : TR0V00000001
        Dev SN                  : A000000000001
        Health                  : True
    PCIe Info
        Vendor ID               : 1e36
        Device ID               : c035
        Domain                  : 0000
        Bus                     : b1
        Dev                     : 00
        Func                    : 0
        Link Info
        Max Link Speed          : Gen5
        Max Link Width          : X16
        Cur Link Speed          : Gen4
        Cur Link Width          : X16
    Clock Info
        Mem CLK                 : 7000 MHz
    Power Info
        Power Capa              : 300 W
        Cur Power               : 102 W
    Device Mem Info
        Total Size              : 42976 MiB
        Reserved Size           : 1129 MiB
        Used Size               : 20480 MiB
    BAR1 Mem Info
        Total Size              : 512 MiB
        Used Size               : 1 MiB
    Temperature Info
        GCU Temp                : 47 ℃
    Device Usage Info
        GCU Usage               : 63.5 %
    RMA Info
        Flags                   : False
        Total DBE               : 2
DEV ID 1
    Driver Info
        Ver                     : 1.4.0.9
    Device Info
        Dev Name                : S60
        Health                  : False
    Power Info
        Power Capa              : N/A
        Cur Power               : N/A
    Device Mem Info
        Mem Size                : 23552 MiB
        Mem Usage               : 0 MiB
    Temperature Info
        GCU Temp                : 34 C
    Device Usage Info
        GCU Usage               : 0.0 %
"""
)

NARROW = (
    BANNER
    + """\
DEV ID 0
    Device Mem Info
        Mem Size                : 49120 MiB
        Mem Usage               : 1129 MiB
        Mem Ecc                 : enable
    Temperature Info
        GCU Temp                : 41 C
    Device Usage Info
        GCU Usage               : 0.0 %
"""
)

S60 = (
    BANNER
    + """
+2025-02-06, 11:33:56 CST--------------------------------------------------+
|EFSMI    V1.2.0.301       Driver Ver: 1.2.0.301                           |
|--------------------------------------------------------------------------|
|--------------------------------------------------------------------------|
| DEV    NAME                | FW VER          | BUS-ID      ECC           |
| TEMP   Dpm   Pwr(Usage/Cap)| Mem     GCU Virt| DUsed       SN            |
|--------------------------------------------------------------------------|
| 0      S60                 | 33.6.2          | 00:01:00.0  Disable       |
| 39 C   Sleep    105W  300W | 49120MiB Disable|   0.0%      A000000000001 |
+--------------------------------------------------------------------------+
|--------------------------------------------------------------------------|
| 1      S60                 | 33.6.5          | 00:09:00.0  Enable        |
| 46 C   Active   128W  300W | 42976MiB Disable|  71.5%      A000000000002 |
+--------------------------------------------------------------------------+
"""
)

L300 = (
    BANNER
    + """
+2026-03-06, 10:12:03 CST-----------------------------------------------------+
| EFSMI: 1.7.2.14          Driver Ver: 1.7.2.14                               |
+-----------------------------+-------------------+---------------------------+
| DEV    NAME                 | Boot FW VER       | BUS-ID      ECC           |
| TEMP   Lpm   Pwr(Usage/Cap) | Mem      GCU Virt | DUsed       SN            |
|=============================================================================|
| 0      Enflame L300         | 40.2.8.3          | 00:2d:00.0  Enable        |
| 35℃    LP1      68W / 300W  | 147456MiB Disable | 4%          A000000000003 |
+-----------------------------+-------------------+---------------------------+
| 1      Enflame S60G         | 31.5.3            | 00:2e:00.0  Disable       |
| 34℃    LP0      N/A         | 23552MiB  SRIOV   | 0%          A000000000004 |
+-----------------------------+-------------------+---------------------------+
"""
)

T20 = """\
*Sat Oct  7 15:54:28 2023-------------------------------------------------*
*EFSMI    V1.20.0          Driver Ver: 2.4.20230829                       *
*-------------------------------------------------------------------------*
* DEV    NAME                | FW VER          | BUS-ID     ECC           *
* TEMP   DPM   Pwr(Usage/Cap)| Mem         vGCU| DEV-Util   UUID          *
*-------------------------------------------------------------------------*
* 0      T20                 | 10.19.3         | 00:3d:0.0  Enable        *
* 30C    Sleep   48.5W  300W | 32G      Disable|  12.5%     W00000000001  *
*-------------------------------------------------------------------------*
"""

DMON = (
    BANNER
    + """
*Dev Pwr    DTemp  Sip    DUsed  Dpm     MUsed  Mem    Mclk   TxPci   RxPci
*Idx W      C      %      %      L       %      MiB    MHz    MiB/s   MiB/s
0    101    36     0.0    37.5   Active  50.0   42976  7000   0       0
1    N/A    37     0.0    0.0    Sleep   N/A    42976  7000   0       0
"""
)

LIST = """\
DEV    SN                Slot    ID           Bus             CPU Affinity     UUID
-------------------------------------------------------------------------------------------
0      A000000000001     N/A     1ea0:2a22    0000:23:00.0    0-31             TPUH00000001
1      A000000000002     N/A     1ea0:2a22    0000:a3:00.0    32-63            TPUH00000002
"""


def test_the_query() -> None:
    busy, sick = read(VENDOR, {"efsmi -q": DETAILS})
    assert (busy.index, busy.name, busy.uuid) == (0, "S60", "TR0V00000001")
    assert (busy.pci, busy.driver, busy.health) == ("0000:b1:00.0", "1.4.0.9", "ok")
    assert (busy.memory_mib, busy.memory_used_mib, busy.util_pct) == (42976, 20480, 63.5)
    assert (busy.temp_c, busy.power_w, busy.power_limit_w) == (47, 102, 300)
    assert busy.pcie == Pcie(gen=4, width=16, gen_max=5, width_max=16)
    assert (busy.ecc_uncorrected, busy.clock_mhz) == (2, None)
    assert (sick.health, sick.power_w, sick.power_limit_w) == ("critical", None, None)
    assert (sick.memory_mib, sick.memory_used_mib, sick.temp_c) == (23552, 0, 34)


def test_the_table_of_an_s60() -> None:
    idle, busy = read(VENDOR, {"efsmi": S60})
    assert (idle.name, idle.pci, idle.driver) == ("S60", "0000:01:00.0", "1.2.0.301")
    assert (idle.temp_c, idle.power_w, idle.power_limit_w) == (39, 105, 300)
    assert (idle.memory_mib, idle.memory_used_mib, idle.util_pct) == (49120, None, 0)
    assert (busy.pci, busy.util_pct, busy.power_w, busy.uuid) == ("0000:09:00.0", 71.5, 128, None)


def test_the_newer_table_with_a_slash_and_a_virtual_card() -> None:
    card, virtual = read(VENDOR, {"efsmi": L300})
    assert (card.name, card.pci, card.driver) == ("Enflame L300", "0000:2d:00.0", "1.7.2.14")
    assert (card.temp_c, card.power_w, card.power_limit_w) == (35, 68, 300)
    assert (card.memory_mib, card.util_pct) == (147456, 4)
    assert (virtual.power_w, virtual.power_limit_w, virtual.temp_c) == (None, None, 34)
    assert (virtual.memory_mib, virtual.util_pct) == (23552, 0)


def test_the_oldest_table_is_framed_with_asterisks() -> None:
    (card,) = read(VENDOR, {"efsmi": T20})
    assert (card.name, card.pci, card.uuid) == ("T20", "0000:3d:00.0", "W00000000001")
    assert (card.memory_mib, card.util_pct, card.power_w) == (32768, 12.5, 48.5)


def test_the_narrower_query_adds_used_memory_to_the_table() -> None:
    first, second = read(VENDOR, {"efsmi": S60, "efsmi -q -d TEMP,MEMORY,USAGE": NARROW})
    assert (first.memory_used_mib, first.temp_c, first.power_w) == (1129, 39, 105)
    assert (second.memory_used_mib, second.temp_c) == (None, 46)


def test_the_narrower_query_alone() -> None:
    (card,) = read(VENDOR, {"efsmi -q -d TEMP,MEMORY,USAGE": NARROW})
    assert (card.index, card.memory_mib, card.memory_used_mib, card.temp_c) == (0, 49120, 1129, 41)


def test_dmon_alone() -> None:
    busy, other = read(VENDOR, {"efsmi --dmon -c 1": DMON})
    assert (busy.index, busy.power_w, busy.temp_c, busy.util_pct) == (0, 101, 36, 37.5)
    assert (busy.memory_mib, busy.memory_used_mib) == (42976, 21488)
    assert (other.power_w, other.memory_used_mib, other.util_pct) == (None, None, 0)


def test_the_list_alone() -> None:
    cards = read(VENDOR, {"efsmi -L": LIST})
    assert [(card.index, card.pci, card.uuid) for card in cards] == [
        (0, "0000:23:00.0", "TPUH00000001"),
        (1, "0000:a3:00.0", "TPUH00000002"),
    ]


def test_no_driver() -> None:
    ask = failing("efsmi", stderr="Failed to init EFML, please check the driver")
    assert VENDOR.read_tool(ask, None).answer == "no_driver"


@pytest.mark.parametrize(
    ("vendor_id", "class_id", "ours"),
    [("1e36", "120000", True), ("1e36", "058000", False), ("1e37", "120000", False)],
)
def test_cards_on_the_bus(vendor_id: str, class_id: str, ours: bool) -> None:
    function = PciDevice(
        address="0000:17:00.0", vendor_id=vendor_id, device_id="c035", class_id=class_id
    )
    assert VENDOR.owns(function) is ours


@pytest.mark.parametrize("nothing", UNREADABLE)
@pytest.mark.parametrize(
    ("shown", "field"),
    [
        ("63.5 %", "util_pct"),
        ("47 ℃", "temp_c"),
        ("102 W", "power_w"),
        ("20480 MiB", "memory_used_mib"),
        ("b1", "pci"),
        (": 2\n", "ecc_uncorrected"),
    ],
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    text = DETAILS.replace(shown, f": {nothing}\n" if shown.startswith(":") else nothing)
    assert getattr(read(VENDOR, {"efsmi -q": text})[0], field) is None


@given(data=st.data(), text=st.sampled_from((S60, L300)))
def test_a_spoiled_table_does_no_harm(data: st.DataObject, text: str) -> None:
    text = data.draw(spoiled(text))
    assert_printed(read_spoiled(VENDOR, {"efsmi": text}), text)


@given(data=st.data())
def test_other_spoiled_answers_do_no_harm(data: st.DataObject) -> None:
    text = data.draw(spoiled(DETAILS))
    assert_printed(read_spoiled(VENDOR, {"efsmi -q": text}), text)
    read_spoiled(VENDOR, {"efsmi": data.draw(spoiled(T20))})
    read_spoiled(VENDOR, {"efsmi --dmon -c 1": data.draw(spoiled(DMON))})
    read_spoiled(VENDOR, {"efsmi -L": data.draw(spoiled(LIST))})


@needs_captures
def test_captures() -> None:
    (s60,) = replay(VENDOR, "s60-q-1.4")
    assert (s60.uuid, s60.pci, s60.memory_mib) == ("GZ7M72992193", "0000:17:00.0", 42976)
    assert (s60.power_w, s60.temp_c, s60.health, s60.util_pct) == (96, 35, "ok", 0)
    assert s60.pcie == Pcie(gen=3, width=8, gen_max=5, width_max=16)
    (table,) = replay(VENDOR, "s60-1.2")
    assert (table.memory_mib, table.power_w, table.power_limit_w) == (49120, 105, 300)
    dmon = replay(VENDOR, "s60x7-dmon")
    assert [card.power_w for card in dmon] == [101, 98, 101, 101, 101, 100, 100]
    assert dmon[0].memory_used_mib == pytest.approx(36142.8)
    t20 = replay(VENDOR, "t20x2-1.20")
    assert [card.pci for card in t20] == ["0000:3d:00.0", "0000:3e:00.0"]
    assert t20[0].memory_mib == 32768
