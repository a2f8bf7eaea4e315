"""Cambricon: cnmon's details, tables old and new, list, and the file it writes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tool_answers import (
    UNREADABLE,
    asking,
    assert_printed,
    failing,
    needs_captures,
    read,
    read_spoiled,
    replay,
    spoiled,
)

from appliance.core.sample import CardProcess, Pcie
from appliance.hardware.vendors.base import PciDevice
from appliance.hardware.vendors.cambricon import Cambricon

VENDOR = Cambricon()

INFO = """\
================CNMON v5.10.22================
Card 0
    Product Name                   : MLU370-X4
    UUID                           : 00000001-0000-0000-0000-000000000000
    Driver                         : v5.10.22
    Health State                   :
        Device                     : Good
        Driver                     : Running
    Utilization                    :
        MLU Average                : 91 %
        Core 0                     : 90 %
    Temperature                    :
        Board                      : 60 C
        Chip                       : 71 C
        Memory                     : 59 C
    Physical Memory Usage          :
        Total                      : 23308 MiB
        Used                       : 20118 MiB
        Free                       : 3190 MiB
    Virtual Memory Usage           :
        Total                      : 1048576 MiB
        Used                       : 10240 MiB
    Power                          :
        Usage                      : 96 W
        Cap                        : 150 W
    PCI                            :
        Domain ID                  : 0000
        Bus num                    : 1b
        Device                     : 00
        Function                   : 0
Card 1
    Product Name                   : MLU370-X4
    UUID                           : N/A
    Driver                         : v5.10.22
    Health State                   :
        Device                     : Bad
    Utilization                    :
        MLU Average                : N/A
    Temperature                    :
        Board                      : 33 C
        Chip                       : N/A
        Memory                     : N/A
    Physical Memory Usage          :
        Total                      : 23308 MiB
        Used                       : 0 MiB
    Power                          :
        Usage                      : N/A
        Cap                        : 150 W
    PCI                            :
        Domain ID                  : 0000
        Bus num                    : 36
        Device                     : 00
        Function                   : 0
"""

TABLE = """\
Thu Dec 19 22:05:42 2024
+------------------------------------------------------------------------------+
| CNMON v5.10.31                                               Driver v5.10.31 |
+-------------------------------+----------------------+-----------------------+
| Card  VF  Name       Firmware |               Bus-Id | Util        Ecc-Error |
| Fan   Temp      Pwr:Usage/Cap |         Memory-Usage | Mode     Compute-Mode |
|===============================+======================+=======================|
| 0     /   MLU370-X4    v1.1.6 |         0000:1B:00.0 | 91%                 0 |
|  0%   71C         96 W/ 150 W | 20118 MiB/ 23308 MiB | FULL          Default |
+-------------------------------+----------------------+-----------------------+
| 1     /   MLU370-X4    v1.1.6 |         0000:36:00.0 | 0%               N/A  |
|  N/A  34C         27 W/ 150 W |     0 MiB/ xxxxx MiB | FULL        Exclusive |
+-------------------------------+----------------------+-----------------------+

+------------------------------------------------------------------------------+
| Processes:                                                                   |
|  Card  VF  PID    Command Line                             MLU Memory Usage  |
|==============================================================================|
|  0     /   12345  python train.py                                 20000 MiB  |
+------------------------------------------------------------------------------+
"""

OLD_TABLE = """\
Sat Oct  8 11:22:22 2022
+------------------------------------------------------------------------------+
| CNMON v4.20.11                                                               |
+-------------------------------+----------------------+-----------------------+
| Card  VF  Name       Firmware | Inited        Driver | Util        Ecc-Error |
| Fan   Temp      Pwr:Usage/Cap |         Memory-Usage |         vMemory-Usage |
|===============================+======================+=======================|
| 0     /   MLU290-M5    v1.1.6 | On          v4.20.11 | 5%          N/A       |
|  0%   32C        130 W/ 350 W |   512 MiB/ 30432 MiB | 10240 MiB/1048576 MiB |
+-------------------------------+----------------------+-----------------------+
"""

DOCUMENT = {
    "CnmonInfo": [
        {
            "CardNum": 0,
            "ProductName": "MLU590-M9",
            "UUID": "00000002-0000-0000-0000-000000000000",
            "Utilization": {"MLUAverage": 12},
            "PhysicalMemUsage": {"Total": 98304, "Used": 1024},
            "Temperature": {"Board": 40, "Chip": 52},
            "PCI": {
                "DomainID": "0000",
                "Bus": "63",
                "Device": "00",
                "Function": "0",
                "CurrentSpeed": "16 GT/s",
                "CurrentWidth": "x16",
                "MaxSpeed": "32 GT/s",
                "MaxWidth": "x16",
            },
        }
    ]
}


def test_the_details() -> None:
    good, bad = read(VENDOR, {"cnmon info": INFO})
    assert (good.index, good.name, good.driver) == (0, "MLU370-X4", "v5.10.22")
    assert (good.pci, good.health) == ("0000:1b:00.0", "ok")
    assert good.uuid == "00000001-0000-0000-0000-000000000000"
    assert (good.util_pct, good.temp_c, good.temp_memory_c) == (91, 71, 59)
    assert (good.memory_mib, good.memory_used_mib) == (23308, 20118)
    assert (good.power_w, good.power_limit_w) == (96, 150)
    assert (bad.uuid, bad.health, bad.util_pct, bad.temp_c) == (None, "critical", None, None)
    assert (bad.pci, bad.power_w, bad.memory_used_mib) == ("0000:36:00.0", None, 0)


def test_the_details_name_the_processes() -> None:
    running = (
        "    Processes                      :\n"
        "        Process                    : 0\n"
        "            PID                    : 20471\n"
        "            cmdline                : /opt/serve/bin/python\n"
        "            MLU Memory Usage       : 15001 MiB\n"
    )
    busy, idle = INFO.split("Card 1")
    idle = f"Card 1{idle}    Processes                      :\n"
    first, second = read(VENDOR, {"cnmon info": busy + running + idle})
    assert first.processes == [
        CardProcess(pid=20471, memory_mib=15001, command="/opt/serve/bin/python")
    ]
    assert second.processes == []


def test_the_table() -> None:
    busy, idle = read(VENDOR, {"cnmon": TABLE})
    assert (busy.name, busy.pci, busy.driver) == ("MLU370-X4", "0000:1b:00.0", "v5.10.31")
    assert (busy.fan_pct, busy.temp_c, busy.power_w, busy.power_limit_w) == (0, 71, 96, 150)
    assert (busy.memory_used_mib, busy.util_pct, busy.ecc_uncorrected) == (20118, 91, 0)
    assert busy.processes == [CardProcess(pid=12345, memory_mib=20000, command="python train.py")]
    (corrected, _) = read(
        VENDOR, {"cnmon": TABLE.replace("91%                 0", "91%                 4")}
    )
    assert corrected.ecc_uncorrected is None  # four errors, perhaps all corrected
    assert (idle.memory_mib, idle.memory_used_mib, idle.fan_pct) == (None, 0, None)
    assert (idle.ecc_uncorrected, idle.processes) == (None, [])


def test_the_old_table_has_a_driver_column_and_virtual_memory() -> None:
    (card,) = read(VENDOR, {"cnmon": OLD_TABLE})
    assert (card.name, card.driver, card.pci) == ("MLU290-M5", "v4.20.11", None)
    assert (card.memory_used_mib, card.memory_mib, card.util_pct) == (512, 30432, 5)
    assert (card.power_w, card.temp_c) == (130, 32)


def test_the_table_adds_fan_and_processes_to_the_details() -> None:
    good, bad = read(VENDOR, {"cnmon info": INFO, "cnmon": TABLE})
    assert (good.fan_pct, good.health, good.temp_memory_c) == (0, "ok", 59)
    assert [process.pid for process in good.processes or []] == [12345]
    assert (bad.temp_c, bad.power_w, bad.health) == (34, 27, "critical")


def test_the_list_alone() -> None:
    text = "Card 0: MLU370-X8 (UUID: 00000001-0000-0000-0000-000000000000)\n"
    (card,) = read(VENDOR, {"cnmon -l": text})
    assert (card.index, card.name) == (0, "MLU370-X8")


def test_the_file_that_the_tool_writes() -> None:
    question = "cnmon info -e -m -u -j"
    report = VENDOR.read_tool(
        asking({question: "saved\n"}, **{"cnmon_info.json": json.dumps(DOCUMENT)}), None
    )
    (card,) = report.readings
    assert (card.index, card.name, card.pci) == (0, "MLU590-M9", "0000:63:00.0")
    assert (card.memory_mib, card.memory_used_mib) == (98304, 1024)
    assert (card.util_pct, card.temp_c) == (12, 52)
    assert card.pcie == Pcie(gen=4, width=16, gen_max=5, width_max=16)


def test_no_driver() -> None:
    ask = failing("cnmon", stderr="cnmon: driver not found, please install the MLU driver")
    assert VENDOR.read_tool(ask, None).answer == "no_driver"


@pytest.mark.parametrize(("vendor_id", "ours"), [("cabc", True), ("cabd", False)])
def test_cards_on_the_bus(vendor_id: str, ours: bool) -> None:
    function = PciDevice(
        address="0000:39:00.0", vendor_id=vendor_id, device_id="0370", class_id="120000"
    )
    assert VENDOR.owns(function) is ours


@pytest.mark.parametrize("nothing", UNREADABLE)
@pytest.mark.parametrize(
    ("shown", "field"),
    [("71C", "temp_c"), ("96 W", "power_w"), ("91%", "util_pct"), ("20118 MiB", "memory_used_mib")],
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    busy, idle = read(VENDOR, {"cnmon": TABLE.replace(shown, nothing.ljust(len(shown)))})
    assert getattr(busy, field) is None
    assert (idle.temp_c, idle.power_w, idle.util_pct, idle.memory_used_mib) == (34, 27, 0, 0)


@given(data=st.data(), question=st.sampled_from(("cnmon", "cnmon info")))
def test_spoiled_answers_do_no_harm(data: st.DataObject, question: str) -> None:
    text = data.draw(spoiled({"cnmon": TABLE, "cnmon info": INFO}[question]))
    assert_printed(read_spoiled(VENDOR, {question: text}), text)


@needs_captures
def test_captures() -> None:
    idle, busy = replay(VENDOR, "mlu370x4x2-info")
    assert (idle.pci, idle.temp_c, idle.temp_memory_c) == ("0000:17:00.0", 52, 40)
    assert (busy.pci, busy.util_pct, busy.memory_used_mib) == ("0000:65:00.0", 88, 20118)
    cards = replay(VENDOR, "mlu370x8x2-5.10")
    assert [(c.pci, c.temp_c, c.power_w, c.power_limit_w, c.memory_mib) for c in cards] == [
        ("0000:39:00.0", 32, 106, 250, 23374),
        ("0000:3d:00.0", 39, 106, 250, 23374),
    ]
