"""MetaX: mx-smi and ht-smi tables, lists, JSON and single questions."""

from __future__ import annotations

import json

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
from appliance.hardware.vendors.metax import MetaX

VENDOR = MetaX()

PLAIN_POWER = """\
mx-smi  version: 2.1.6

=================== MetaX System Management Interface Log ===================
Timestamp                                         : Mon Mar  3 10:00:00 2025

Attached GPUs                                     : 2
+---------------------------------------------------------------------------------+
| MX-SMI 2.1.6                        Kernel Mode Driver Version: 2.5.014         |
| MACA Version: 2.23.0.1018           BIOS Version: 1.13.5.0                      |
|------------------------------------+---------------------+----------------------+
| GPU         NAME                   | Bus-id              | GPU-Util             |
| Temp        Power                  | Memory-Usage        |                      |
|====================================+=====================+======================|
| 0           MXC500                 | 0000:05:00.0        | 17%                  |
| 51C         71W                    | 60982/65536 MiB     |                      |
+------------------------------------+---------------------+----------------------+
| 1           MXC500                 | 0000:15:00.0        | 0%                   |
| 39C         60W                    | 810/65536 MiB       |                      |
+------------------------------------+---------------------+----------------------+

+---------------------------------------------------------------------------------+
| Process:                                                                        |
|  GPU                    PID         Process Name                 GPU Memory     |
|                                                                  Usage(MiB)     |
|=================================================================================|
|  0                      4242        python3                      60124          |
+---------------------------------------------------------------------------------+
"""

IN_A_POD = """\
mx-smi  version: 2.2.8
Attached GPUs                                     : 1
+---------------------------------------------------------------------------------+
| MX-SMI 2.2.8                        Kernel Mode Driver Version: 3.0.11          |
| MACA Version: unknown               BIOS Version: 1.26.1.0                      |
|------------------------------------+---------------------+----------------------+
| GPU     NAME         Persistence-M | Bus-id              | GPU-Util      sGPU-M |
| Temp    Pwr:Usage/Cap         Perf | Memory-Usage        | GPU-State            |
|====================================+=====================+======================|
| 0       MetaX N260             Off | 0000:01:00.0        | 3%            Native |
| 37C     29W / NA                P0 | 666/65536 MiB       | Available            |
+------------------------------------+---------------------+----------------------+
"""

BOARD_FIRST = """\
ht-smi  version: 2.3.1
+---------------------------------------------------------------------------------+
| HT-SMI 2.3.1                       Kernel Mode Driver Version: 3.8.1            |
| HPCC Version: 3.7.1.5              BIOS Version: 1.31.1.0                       |
|------------------+-----------------+---------------------+----------------------|
| Board       Name | GPU   Persist-M | Bus-id              | GPU-Util      sGPU-M |
| Pwr:Usage/Cap    | Temp       Perf | Memory-Usage        | GPU-State            |
|==================+=================+=====================+======================|
| 0      Mars X201 | 2           Off | 0000:98:00.0        | 5%          Disabled |
| 38W / 350W       | 44C          P0 | 858/65536 MiB       | Available            |
+------------------+-----------------+---------------------+----------------------+
| 1      Mars X201 | 3           Off | 0000:99:00.0        | NA          Disabled |
| NA / 350W        | NA           P0 | NA/65536 MiB        | Not Available        |
+------------------+-----------------+---------------------+----------------------+
"""

LIST = """\
mx-smi  version: 2.3.4
GPU#0    MXC500      0000:05:00.0   Available (UUID: GPU-00000000-0000-0000-0000-00000000000a)
GPU#1    MXC500      0000:15:00.0   Available (UUID: GPU-00000000-0000-0000-0000-00000000000b)
GPU#2    MXC500      0000:25:00.0   Not Available(MetaX Sysfs File Unaccessible)
"""

SHOW = {
    "--show-memory": """\
mx-smi  version: 2.2.9
Attached GPUs                                     : 1
GPU#0  MXC500  0000:08:00.0
    Memory
        vis_vram total                            : 67108864 KB
        vis_vram used                             : 845824 KB
        vram total                                : 67108864 KB
        vram used                                 : 846848 KB
""",
    "--show-usage": """\
GPU#0  MXC500  0000:08:00.0
    Usage
        GPU                                       : 42 %
        VPU                                       : 1 %
""",
    "--show-temperature": """\
GPU#0  MXC500  0000:08:00.0

    Chip Temperature
        hotspot(sensor0)                          :  39.25 C
    Board Temperature
        air-inlet                                 :  28.75 C
""",
    "--show-board-power": """\
GPU#0  MXC500  0000:08:00.0
    Board Power
        Total                                     : 71.5 W
""",
}

DOCUMENT = {
    "maca_version": "3.1.0.14",
    "driver_version": "3.0.11",
    "attached_gpus": 1,
    "0000:01:00.0": {
        "device_id": 0,
        "name": "MetaX N260",
        "clocks": {"XCORE": {"XCORE_CLK": 1500}},
    },
}


def test_a_table_with_plain_power_and_no_state() -> None:
    busy, idle = read(VENDOR, {"mx-smi": PLAIN_POWER})
    assert (busy.index, busy.name, busy.pci) == (0, "MXC500", "0000:05:00.0")
    assert (busy.driver, busy.runtime) == ("2.5.014", "2.23.0.1018")
    assert (busy.util_pct, busy.temp_c, busy.power_w, busy.power_limit_w) == (17, 51, 71, None)
    assert (busy.memory_used_mib, busy.memory_mib, busy.health) == (60982, 65536, None)
    assert busy.processes == [CardProcess(pid=4242, memory_mib=60124, command="python3")]
    assert (idle.memory_used_mib, idle.processes) == (810, [])


def test_a_table_in_a_pod_knows_neither_cap_nor_runtime() -> None:
    (card,) = read(VENDOR, {"mx-smi": IN_A_POD})
    assert (card.name, card.driver, card.runtime) == ("MetaX N260", "3.0.11", None)
    assert (card.power_w, card.power_limit_w, card.util_pct) == (29, None, 3)
    assert (card.health, card.state, card.processes) == ("ok", "ok", None)


def test_the_table_under_another_name_with_boards_first() -> None:
    alive, dead = read(VENDOR, {"ht-smi": BOARD_FIRST})
    assert (alive.index, alive.name, alive.runtime) == (2, "Mars X201", "3.7.1.5")
    assert (alive.power_w, alive.power_limit_w, alive.temp_c) == (38, 350, 44)
    assert (dead.index, dead.state, dead.health) == (3, "lost", None)
    assert (dead.util_pct, dead.power_w, dead.temp_c, dead.memory_used_mib) == (None,) * 4
    assert (dead.power_limit_w, dead.memory_mib) == (350, 65536)


def test_the_list_adds_unique_ids_and_the_dead_card() -> None:
    first, second, dead = read(VENDOR, {"mx-smi": PLAIN_POWER, "mx-smi -L": LIST})
    assert first.uuid == "GPU-00000000-0000-0000-0000-00000000000a"
    assert (second.temp_c, second.health) == (39, "ok")
    assert (dead.index, dead.pci, dead.state) == (2, "0000:25:00.0", "lost")
    assert dead.notes == ["Not Available(MetaX Sysfs File Unaccessible)"]


def test_the_list_alone() -> None:
    states = [(c.index, c.name, c.state, c.health) for c in read(VENDOR, {"mx-smi -L": LIST})]
    assert states == [
        (0, "MXC500", "ok", "ok"),
        (1, "MXC500", "ok", "ok"),
        (2, "MXC500", "lost", None),
    ]


def test_json_alone_and_beside_the_table() -> None:
    text = "warning: no log directory\n" + json.dumps(DOCUMENT)
    (alone,) = read(VENDOR, {"mx-smi -j": text})
    assert (alone.index, alone.pci, alone.clock_mhz) == (0, "0000:01:00.0", 1500)
    assert (alone.driver, alone.runtime, alone.temp_c) == ("3.0.11", "3.1.0.14", None)
    (both,) = read(VENDOR, {"mx-smi": IN_A_POD, "mx-smi -j": text})
    assert (both.clock_mhz, both.runtime, both.temp_c) == (1500, "3.1.0.14", 37)


def test_single_questions_alone() -> None:
    (card,) = read(VENDOR, {f"mx-smi {question}": text for question, text in SHOW.items()})
    assert (card.index, card.name, card.pci) == (0, "MXC500", "0000:08:00.0")
    assert (card.memory_mib, card.memory_used_mib, card.util_pct) == (65536, 827, 42)
    assert (card.temp_c, card.temp_hotspot_c, card.power_w) == (39.25, 39.25, 71.5)


def test_no_driver() -> None:
    ask = failing("mx-smi", stderr="mxsml init failed: driver not found")
    assert VENDOR.read_tool(ask, None).answer == "no_driver"


@pytest.mark.parametrize(("class_id", "ours"), [("038000", True), ("020000", False)])
def test_cards_on_the_bus(class_id: str, ours: bool) -> None:
    function = PciDevice(
        address="0000:05:00.0", vendor_id="9999", device_id="4001", class_id=class_id
    )
    assert VENDOR.owns(function) is ours


@pytest.mark.parametrize("nothing", UNREADABLE)
@pytest.mark.parametrize(
    ("shown", "field"),
    [("17%", "util_pct"), ("51C", "temp_c"), ("71W", "power_w"), ("60982", "memory_used_mib")],
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    table = PLAIN_POWER.replace(shown, nothing.ljust(len(shown)))
    busy, idle = read(VENDOR, {"mx-smi": table})
    assert getattr(busy, field) is None
    assert (idle.temp_c, idle.util_pct, idle.power_w, idle.memory_used_mib) == (39, 0, 60, 810)


@given(data=st.data(), text=st.sampled_from((PLAIN_POWER, IN_A_POD, BOARD_FIRST)))
def test_a_spoiled_table_does_no_harm(data: st.DataObject, text: str) -> None:
    text = data.draw(spoiled(text))
    assert_printed(read_spoiled(VENDOR, {"mx-smi": text}), text)


@given(data=st.data())
def test_other_spoiled_answers_do_no_harm(data: st.DataObject) -> None:
    read_spoiled(VENDOR, {"mx-smi -L": data.draw(spoiled(LIST))})
    read_spoiled(VENDOR, {"mx-smi -j": data.draw(spoiled(json.dumps(DOCUMENT)))})
    shown = {f"mx-smi {question}": data.draw(spoiled(text)) for question, text in SHOW.items()}
    read_spoiled(VENDOR, shown)


@needs_captures
def test_captures() -> None:
    cards = replay(VENDOR, "c550x8-2.2.4")
    assert [card.temp_c for card in cards] == [29, 29, 30, 29, 30, 32, 32, 31]
    assert [card.power_w for card in cards] == [53, 53, 54, 54, 53, 55, 56, 56]
    assert {(c.memory_used_mib, c.memory_mib, c.power_limit_w, c.health) for c in cards} == {
        (858, 65536, 450, "ok")
    }
    (mars,) = replay(VENDOR, "mars-x201-ht-smi")
    assert (mars.name, mars.power_w, mars.temp_c, mars.driver) == ("Mars X201", 38, 44, "3.8.1")
    assert [card.state for card in replay(VENDOR, "c550-list")] == ["ok", "ok", "lost"]
