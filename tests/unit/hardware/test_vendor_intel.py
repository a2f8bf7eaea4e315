"""Intel GPUs: xpu-smi's JSON, its tables, its CSV, and the overview of release 2."""

from __future__ import annotations

import json
from typing import Any

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

from appliance.core.inventory import Link
from appliance.core.sample import CardProcess, Pcie
from appliance.hardware.vendors.base import PciDevice
from appliance.hardware.vendors.intel import Intel

VENDOR = Intel()
DUMP = "xpu-smi dump -d -1 -m 0,1,2,3,4,5,18 -n 1"


def device(number: int, bus: str, *, uuid: str | None = None) -> dict[str, Any]:
    return {
        "device_id": number,
        "device_name": "Intel(R) Data Center GPU Max 1550",
        "pci_bdf_address": f"0000:{bus}:00.0",
        "pci_device_id": "0xbd5",
        "uuid": uuid or f"00000000-0000-00{bus}-0000-00180bd58086",
        "vendor_name": "Intel(R) Corporation",
    }


def details(number: int, bus: str) -> str:
    facts = {
        "driver_version": "I915_24.2.11",
        "memory_physical_size_byte": "137438953472",
        "number_of_tiles": "2",
        "pcie_generation": "5",
        "pcie_max_link_width": "16",
    }
    return json.dumps(device(number, bus) | facts)


def values(**metrics: object) -> list[dict[str, object]]:
    return [{"metrics_type": f"XPUM_STATS_{name}", "value": v} for name, v in metrics.items()]


TILES = {
    "device_id": 0,
    "device_level": [],
    "tile_level": [
        {
            "tile_id": 0,
            "data_list": values(
                GPU_UTILIZATION=90.0,
                POWER=143.5,
                GPU_FREQUENCY=1600,
                GPU_CORE_TEMPERATURE=48.0,
                MEMORY_TEMPERATURE="N/A",
                MEMORY_USED=1080.5,
            ),
        },
        {
            "tile_id": 1,
            "data_list": values(
                GPU_UTILIZATION=10.0,
                POWER=97.25,
                GPU_FREQUENCY=1200,
                GPU_CORE_TEMPERATURE=51.0,
                MEMORY_TEMPERATURE="N/A",
                MEMORY_USED=198.5,
            ),
        },
    ],
}


def json_answers(**more: str) -> dict[str, str]:
    return {
        "xpu-smi discovery -j": json.dumps({"device_list": [device(0, "29")]}),
        "xpu-smi discovery -d 0 -j": details(0, "29"),
        "xpu-smi stats -d 0 -j": json.dumps(TILES),
    } | more


def test_the_tiles_of_a_device_are_one_device() -> None:
    (card,) = read(VENDOR, json_answers())
    assert (card.index, card.pci, card.memory_mib) == (0, "0000:29:00.0", 131072)
    assert (card.name, card.driver) == ("Intel(R) Data Center GPU Max 1550", "I915_24.2.11")
    assert card.pcie == Pcie(gen_max=5, width_max=16)
    assert (card.util_pct, card.power_w, card.memory_used_mib) == (50, 240.75, 1279)
    assert (card.temp_c, card.temp_memory_c, card.clock_mhz) == (51, None, 1600)


def test_the_device_level_goes_first() -> None:
    whole = TILES | {"device_level": values(POWER=310.0, GPU_UTILIZATION=0.0)}
    (card,) = read(VENDOR, json_answers(**{"xpu-smi stats -d 0 -j": json.dumps(whole)}))
    assert (card.power_w, card.util_pct, card.memory_used_mib) == (310, 0, 1279)


def test_uuids_that_name_a_product_name_no_card() -> None:
    same = "00000000-0000-0000-0000-020a00008086"
    listed = {"device_list": [device(0, "29", uuid=same), device(1, "3a", uuid=same)]}
    cards = read(VENDOR, {"xpu-smi discovery -j": json.dumps(listed)})
    assert [(c.index, c.uuid, c.pci) for c in cards] == [
        (0, None, "0000:29:00.0"),
        (1, None, "0000:3a:00.0"),
    ]


HEALTH = [
    {
        "device_id": 0,
        "core_temperature": {
            "status": "Ok",
            "throttle_threshold": 95,
            "shutdown_threshold": 125,
        },
        "memory_temperature": {"status": "Warning", "throttle_threshold": -1},
        "power": {"status": "Unknown", "throttle_threshold": -1},
    }
]


@pytest.mark.parametrize("document", [HEALTH, HEALTH[0], {"device_list": HEALTH}])
def test_health_as_json(document: object) -> None:
    (card,) = read(VENDOR, json_answers(**{"xpu-smi health -l -j": json.dumps(document)}))
    assert (card.health, card.temp_warn_c, card.temp_critical_c) == ("warning", 95, 125)


def test_health_limits_processes_and_links_as_text() -> None:
    tables = {
        "xpu-smi discovery -j": json.dumps({"device_list": [device(0, "29"), device(1, "3a")]}),
        "xpu-smi health -l": (
            "+---+---+\n| Device ID | 0 |\n+---+---+\n"
            "| 1. GPU Core Temperature | Status: Critical |\n"
            "| | Description: Above the threshold. |\n"
            "| | Throttle Threshold: 105 Celsius Degree |\n"
            "| | Shutdown Threshold: 130 Celsius Degree |\n+---+---+\n"
            "| 4. GPU Memory | Status: Ok |\n+---+---+\n"
            "| Device ID | 1 |\n+---+---+\n| 4. GPU Memory | Status: Unknown |\n"
        ),
        "xpu-smi config -d 0": (
            "| Device Type | Device ID/Tile ID | Configuration |\n+--+--+--+\n"
            "| GPU | 0 | Power Limit (w): 550.0 |\n|  |  |   Valid Range: 1 to 600 |\n"
        ),
        "xpu-smi ps": (
            "PID       Command                       DeviceID       SHR            MEM\n"
            "12961     vllm serve                    0              0              1048576\n"
        ),
        "xpu-smi topology -m": (
            "         GPU 0/0|GPU 0/1|GPU 1/0|GPU 1/1|CPU Affinity\n"
            "GPU 0/0 |S      |MDF    |XL*    |SYS    |0-23\n"
            "GPU 0/1 |MDF    |S      |SYS    |SYS    |0-23\n"
            "GPU 1/0 |XL*    |SYS    |S      |MDF    |24-47\n"
            "GPU 1/1 |SYS    |SYS    |MDF    |S      |24-47\n"
        ),
    }
    first, second = read(VENDOR, tables)
    assert (first.health, first.temp_warn_c, first.temp_critical_c) == ("critical", 105, 130)
    assert (first.power_limit_w, second.power_limit_w, second.health) == (550, None, None)
    assert first.processes == [CardProcess(pid=12961, memory_mib=1024, command="vllm serve")]
    assert second.processes == []
    assert first.links == [Link(kind="Xe Link", peer="#1", state="up")]
    assert second.links == [Link(kind="Xe Link", peer="#0", state="up")]


TABLE = """\
+-----------+--------------------------------------------------------------------------------------+
| Device ID | Device Information                                                                   |
+-----------+--------------------------------------------------------------------------------------+
| 0         | Device Name: Intel(R) Arc(TM) Pro B60 Graphics                                       |
|           | Vendor Name: Intel(R) Corporation                                                    |
|           | SOC UUID: 00000000-0000-0003-0000-0000e2118086                                       |
|           | PCI BDF Address: 0000:03:00.0                                                        |
+-----------+--------------------------------------------------------------------------------------+
| 1         | Device Name: Intel(R) Arc(TM) Pro B60 Graphics                                       |
|           | PCI BDF Address: 0000:04:00.0                                                        |
+-----------+--------------------------------------------------------------------------------------+
"""
STATS = """\
+-----------------------------+--------------------------------------------------------------------+
| Device ID                   | 0                                                                  |
+-----------------------------+--------------------------------------------------------------------+
| GPU Utilization (%)         | 37                                                                 |
| Compute Engine Util (%)     | 99; Engine 0: 99                                                   |
+-----------------------------+--------------------------------------------------------------------+
| Cache Errors Uncorrectable  | 8                                                                  |
| Mem Errors Uncorrectable    | 3                                                                  |
+-----------------------------+--------------------------------------------------------------------+
| GPU Power (W)               | 121                                                                |
| GPU Frequency (MHz)         | 2400                                                               |
| Media Engine Freq (MHz)     | 1025                                                               |
| GPU Core Temperature (C)    | 66                                                                 |
| GPU Memory Temperature (C)  |                                                                    |
| GPU Memory Used (MiB)       | 20480                                                              |
| GPU Memory Util (%)         | 84                                                                 |
+-----------------------------+--------------------------------------------------------------------+
"""


def text_answers(stats: str = STATS) -> dict[str, str]:
    more = TABLE.replace(
        "PCI BDF Address", "Memory Physical Size: 24480.00 MiB |\n| | PCI BDF Address"
    )
    return {
        "xpu-smi discovery": TABLE,
        "xpu-smi discovery -d 0000:03:00.0": more,
        "xpu-smi stats -d 0": stats,
    }


def test_tables() -> None:
    first, second = read(VENDOR, text_answers())
    assert (first.name, first.pci) == ("Intel(R) Arc(TM) Pro B60 Graphics", "0000:03:00.0")
    assert (first.uuid, second.uuid) == ("00000000-0000-0003-0000-0000e2118086", None)
    assert (first.memory_mib, first.memory_used_mib) == (24480, 20480)
    assert (first.util_pct, first.power_w, first.clock_mhz) == (37, 121, 2400)
    assert (first.temp_c, first.temp_memory_c, first.ecc_uncorrected) == (66, None, 3)
    assert (second.pci, second.util_pct) == ("0000:04:00.0", None)


def test_a_table_of_tiles() -> None:
    stats = (
        STATS.replace("| 37 ", "| Tile 0: 20; Tile 1: 40 ")
        .replace("| 121 ", "| Tile 0: 143; Tile 1: 97 ")
        .replace("| 66 ", "| Tile 0: 40; Tile 1: 37 ")
        .replace("| 3  ", "| Tile 0: N/A; Tile 1: N/A ")
    )
    first = read(VENDOR, text_answers(stats))[0]
    assert (first.util_pct, first.power_w, first.temp_c) == (30, 240, 40)
    assert first.ecc_uncorrected is None


def test_the_words_of_older_tables() -> None:
    stats = STATS.replace(
        "| GPU Utilization (%)         | 37 ",
        "| Average % utilization of    | 12 ",
    ).replace("| Compute Engine", "| all GPU Engines             |    |\n| Compute Engine")
    assert read(VENDOR, text_answers(stats))[0].util_pct == 12


def test_the_power_of_some_tiles_is_not_the_devices() -> None:
    stats = STATS.replace("| 121 ", "| Tile 0: 143; Tile 1: N/A ").replace(
        "| 66 ", "| Tile 0: N/A; Tile 1: 37 "
    )
    first = read(VENDOR, text_answers(stats))[0]
    assert (first.power_w, first.temp_c) == (None, 37)


def test_a_table_of_statistics_with_a_line_for_each_tile() -> None:
    stats = (
        STATS.replace("| 121 ", "| Tile 0: avg: 90, min: 80, max: 99, current: 95 ")
        .replace(
            "| GPU Frequency",
            "| | Tile 1: avg: 70, min: 60, max: 79, current: 75 |\n| GPU Frequency",
        )
        .replace("| GPU Core Temperature (C)    | 66 ", "| GPU Core Temperature | Tile 0: 40 ")
        .replace("| GPU Memory Temp", "| (Celsius Degree) | Tile 1: 43 |\n| GPU Memory Temp")
    )
    first = read(VENDOR, text_answers(stats))[0]
    assert (first.power_w, first.temp_c, first.clock_mhz) == (170, 43, 2400)


def test_the_statistics_of_release_2() -> None:
    def now(value: float) -> dict[str, float]:
        return {"avg": 1.0, "min": 0.5, "max": 99.0, "current": value}

    stats = {
        "device_index": 0,
        "power": {"gpu_power_w": {"tile_0": now(66.5)}, "energy_consumed_j": 12.5},
        "frequency": {"gpu_frequency_mhz": {"tile_0": now(2850)}},
        "temperature": {"gpu_core_celsius": {"tile_0": now(61)}, "vr_celsius": {"tile_0": now(70)}},
        "memory": {"used_mib": {"tile_0": now(9000.25)}, "util_percent": {"tile_0": now(73)}},
        "fan": {"speed_percent": {"fan_0": now(30), "fan_1": now(32)}},
        "utilization": {"gpu_percent": {"tile_0": 88.5}},
    }
    (card,) = read(VENDOR, json_answers(**{"xpu-smi stats -d 0 -j": json.dumps(stats)}))
    assert (card.power_w, card.clock_mhz, card.temp_c) == (66.5, 2850, 61)
    assert (card.memory_used_mib, card.fan_pct, card.util_pct) == (9000.25, 32, 88.5)


def test_the_columns_of_release_2() -> None:
    rows = (
        "Timestamp, DeviceId, utilization.gpu (%), power.draw (W), temperature.gpu (C), "
        "memory.used (MiB)\n10:00:00.000, 0, 7.00, 66.10, 41.00, 239.00\n"
    )
    (card,) = read(VENDOR, {DUMP: rows})
    assert (card.util_pct, card.power_w, card.temp_c, card.memory_used_mib) == (7, 66.1, 41, 239)


ROWS = """\
Timestamp, DeviceId, GPU Utilization (%), GPU Power (W), GPU Frequency (MHz), \
GPU Core Temperature (Celsius Degree), GPU Memory Temperature (Celsius Degree), \
GPU Memory Utilization (%), GPU Memory Used (MiB)
06:14:46.000,    0, 1.50, 14.61, 2050, 41.00, N/A, 0.18, 24.40
06:14:46.000,    3, 93.40, 118.30, 2050, 72.00, 69.00, 87.33, 11820.50
06:14:47.000,    0, 2.50, 15.61, 2000, 42.00,     , 0.18, 25.40
"""


def test_the_last_sample_of_a_dump() -> None:
    first, second = read(VENDOR, {DUMP: ROWS})
    assert (first.index, first.util_pct, first.power_w) == (0, 2.5, 15.61)
    assert (first.temp_c, first.temp_memory_c, first.memory_used_mib) == (42, None, 25.4)
    assert (second.index, second.temp_memory_c, second.memory_used_mib) == (3, 69, 11820.5)


def test_a_dump_by_tiles() -> None:
    rows = (
        "Timestamp, DeviceId, TileId, GPU Power (W), GPU Core Temperature (C)\n"
        "06:14:46.000, 0, 0, 100.5, 40.00\n06:14:46.000, 0, 1, 50.25, 44.00\n"
    )
    (card,) = read(VENDOR, {DUMP: rows})
    assert (card.power_w, card.temp_c) == (150.75, 44)


def test_the_csv_of_discovery() -> None:
    rows = (
        "Device ID,Device Name,Vendor Name,PCI BDF Address,Memory Physical Size\n"
        '0,"Intel(R) Graphics [0x56c0]","Intel(R) Corporation",0000:4d:00.0,"14248.00 MiB"\n'
    )
    (card,) = read(VENDOR, {"xpu-smi discovery --dump 1,2,3,6": rows})
    assert (card.name, card.memory_mib) == ("Intel(R) Graphics [0x56c0]", 14248)


OVERVIEW = """\
+----------------------------------------------+----------------------------+----------------------+
|            Intel XPU-SMI v2.0    Driver: 9FF4708BCC22    Level Zero: 1.27.0                      |
+----------------------------------------------+----------------------------+----------------------+
| GPU  Name                    Persistence-M   | Bus-Id            Disp.A   | Volatile Uncorr. ECC |
| Fan  Temp  Pwr:Usage/Cap                     | Memory-Usage               |  GPU-Util Compute M. |
+----------------------------------------------+----------------------------+----------------------+
|   0  Intel(R) Arc(TM) A770   Off             | 0000:03:00.0      Off      |             Disabled |
|      Graphics                                |                            |                      |
| N/A    25C  66W / 190W                       | 3642MiB / 16288MiB         |      7%      Default |
+----------------------------------------------+----------------------------+----------------------+
"""


def test_the_overview_of_release_2() -> None:
    (card,) = read(VENDOR, {"xpu-smi": OVERVIEW})
    assert (card.index, card.pci, card.driver) == (0, "0000:03:00.0", "9FF4708BCC22")
    assert (card.temp_c, card.power_w, card.power_limit_w) == (25, 66, 190)
    assert (card.memory_used_mib, card.memory_mib, card.util_pct) == (3642, 16288, 7)


def test_kunlunxins_tool_of_the_same_name_is_not_ours() -> None:
    banner = "| XPU-SMI               Driver Version: 5.0.21    XPU-RT Version: 5.0.21       |\n"
    assert read_spoiled(VENDOR, {"xpu-smi": banner + OVERVIEW.split("\n", 2)[2]}) == []


def function(device_id: str, class_id: str = "030000", address: str = "0000:4d:00.0") -> PciDevice:
    return PciDevice(address=address, vendor_id="8086", device_id=device_id, class_id=class_id)


@pytest.mark.parametrize(
    ("candidate", "ours"),
    [
        (function("56c0", "038000"), True),
        (function("0bd5", "038000"), True),
        (function("e20b"), True),
        (function("4940", "0b4000"), False),  # QuickAssist
        (function("4680", address="0000:00:02.0"), False),  # graphics in a processor
        (function("7d1d", "120000", "0000:00:0b.0"), False),  # a laptop's NPU
        (function("4f90", "040300"), False),  # the audio function of an Arc
        (function("56a0", address="0000:00:02.0"), True),  # a board handed to a virtual machine
    ],
)
def test_cards_on_the_bus(candidate: PciDevice, ours: bool) -> None:
    assert VENDOR.owns(candidate) is ours


def test_the_family_by_device_id() -> None:
    bus = [function("56c0", "038000", "0000:29:00.0")]
    (card,) = VENDOR.read_tool(asking(json_answers()), bus).readings
    assert card.arch == "dg2"


def test_no_driver_no_card_no_tool() -> None:
    ask = failing("xpu-smi", stderr="Error: Level Zero Initialization Error")
    assert VENDOR.read_tool(ask, None).answer == "no_driver"
    assert VENDOR.read_tool(asking(json_answers()), []).answer == "absent"
    assert VENDOR.read_tool(asking({}), None).answer == "absent"


@pytest.mark.parametrize("nothing", UNREADABLE)
@pytest.mark.parametrize(
    ("shown", "field"),
    [
        ("| 37 ", "util_pct"),
        ("| 121 ", "power_w"),
        ("| 66 ", "temp_c"),
        ("| 20480 ", "memory_used_mib"),
    ],
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    first = read(VENDOR, text_answers(STATS.replace(shown, f"| {nothing} ")))[0]
    assert getattr(first, field) is None
    assert first.clock_mhz == 2400


@given(data=st.data())
def test_spoiled_tables_do_no_harm(data: st.DataObject) -> None:
    answers = {question: data.draw(spoiled(text)) for question, text in text_answers().items()}
    assert_printed(read_spoiled(VENDOR, answers), "".join(answers.values()))


@given(data=st.data())
def test_spoiled_rows_do_no_harm(data: st.DataObject) -> None:
    text = data.draw(spoiled(ROWS))
    for card in read_spoiled(VENDOR, {DUMP: text}):
        for value in (card.temp_c, card.clock_mhz):
            assert value is None or f"{value:.10g}" in text


@given(data=st.data())
def test_spoiled_json_does_no_harm(data: st.DataObject) -> None:
    answers = {question: data.draw(spoiled(text)) for question, text in json_answers().items()}
    printed = "".join(answers.values())
    for card in read_spoiled(VENDOR, answers):
        for value in (card.temp_c, card.clock_mhz):
            assert value is None or f"{value:.10g}" in printed


# -- captures ----------------------------------------------------------------------------------


@needs_captures
def test_captured_json() -> None:
    first, second = replay(VENDOR, "flex170x2-json")
    assert (first.name, first.pci) == ("Intel(R) Data Center GPU Flex 170", "0000:4d:00.0")
    assert (first.memory_mib, first.memory_used_mib, first.power_w) == (13536, 24.4, 14.61)
    assert (first.temp_c, first.temp_memory_c, first.util_pct) == (41, 38, 0)
    assert (second.pci, second.util_pct, second.power_w) == ("0000:9a:00.0", 93.4, 118.3)
    assert (second.temp_c, second.memory_used_mib, second.driver) == (72, 11820.5, "1.23.10.49")
    (card,) = replay(VENDOR, "xpu-0x020a-discovery")
    assert (card.name, card.pci) == ("Intel(R) Graphics [0x020a]", "0000:4d:00.0")
    assert (card.memory_mib, card.driver, card.util_pct) == (32768, "16929133", None)


@needs_captures
def test_captured_text() -> None:
    first, second = replay(VENDOR, "flex170x2-text")
    assert (first.index, first.name) == (0, "Intel(R) Graphics [0x56c0]")
    assert (first.util_pct, first.power_w, first.clock_mhz) == (0, 15, 2050)
    assert (first.temp_c, first.temp_memory_c, first.memory_used_mib) == (41, None, 24)
    assert (first.health, first.temp_warn_c, first.temp_critical_c) == ("ok", 105, 130)
    assert (second.index, second.util_pct, second.temp_c) == (1, None, None)
