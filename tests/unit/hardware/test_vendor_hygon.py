"""Hygon: hy-smi's JSON and table, and the rocm-smi of older DTK releases."""

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

from appliance.core.sample import Pcie
from appliance.hardware.vendors.base import PciDevice
from appliance.hardware.vendors.hygon import Hygon

VENDOR = Hygon()

METRICS = "hy-smi --showuse --showmemuse --showpower --showtemp --showserial --showbus --json"
MEMORY = "hy-smi --showproductname --showmeminfo vram --json"
LIMITS = "hy-smi --showserial --showmaxpower --showmemavailable --showbus --json"
ROCM = (
    "rocm-smi -i --showmeminfo vram --showpower --showserial --showuse --showtemp "
    "--showproductname --showuniqueid --json"
)

TABLE = """\

================================= System Management Interface ==================================
================================================================================================
HCU     Temp     AvgPwr     Perf     PwrCap     VRAM%      HCU%      Dec%      Enc%      Mode
0       50.5C    180.0W     auto     1000.0W    97%        81.5%     0.0%      0.0%      Normal
1       42.0C    89.0W      auto     1000.0W    0%         0.0%      0.0%      0.0%      N/A
================================================================================================
======================================== End of SMI Log ========================================
"""


def metrics(unit: str, *, bus: str, use: str = "33", power: str = "287.0") -> dict[str, str]:
    return {
        "Serial Number": "T6X0000001",
        "Average Graphics Package Power (W)": power,
        "Temperature (Sensor edge) (C)": "62.0",
        "Temperature (Sensor junction) (C)": "64.0",
        "Temperature (Sensor mem) (C)": "59.0",
        "Temperature (Sensor core) (C)": "61.0",
        f"{unit} use (%)": use,
        f"{unit} memory use (%)": "69",
        "PCI Bus": bus,
    }


PRODUCT = {
    "Card Series": "BW1000",
    "Card Vendor": "C-3000 IC Design Co., Ltd.",
    "vram Total Memory (MiB)": "65520",
    "vram Total Used Memory (MiB)": "45209",
}
CAPS = {"Max Graphics Package Power (W)": "800.0", "Available memory size (MiB)": "65520"}


def cards(*each: dict[str, str]) -> str:
    return json.dumps({f"card{n}": card for n, card in enumerate(each)})


@pytest.mark.parametrize("unit", ["DCU", "HCU"])
def test_three_questions_make_one_reading(unit: str) -> None:
    first, second = read(
        VENDOR,
        {
            METRICS: cards(
                metrics(unit, bus="0000:9F:00.0 --> SN: T6X0000001"),
                metrics(unit, bus="0000:B6:00.0", use="0.0"),
            ),
            MEMORY: cards(PRODUCT, PRODUCT),
            LIMITS: cards(CAPS, CAPS),
        },
    )
    assert (first.index, first.name, first.pci) == (0, "BW1000", "0000:9f:00.0")
    assert (first.util_pct, second.util_pct, second.pci) == (33, 0, "0000:b6:00.0")
    assert (first.temp_c, first.temp_hotspot_c, first.temp_memory_c) == (62, 64, 59)
    assert (first.power_w, first.power_limit_w) == (287, 800)
    assert (first.memory_used_mib, first.memory_mib) == (45209, 65520)


def test_commas_that_the_tool_forgets() -> None:
    text = (
        '{"card0": {"Card Series": "BW", "Average Graphics Package Power (W)": "91.0"'
        '"Average GFX Core Power (W)": "20.0""Average Memory Power (W)": "38.0", '
        '"Temperature (Sensor edge) (C)": "54.0", "HCU use (%)": "7.5", "": "", "": "", '
        '"pcie clock level": "2", "pcie clock speed": "32.0GT/s, x16 1100Mhz", '
        '"sclk clock speed": "1350Mhz"} "card1": {"HCU use (%)": 3.0}}'
    )
    first, second = read(VENDOR, {METRICS: text})
    assert (first.power_w, first.temp_c, first.util_pct, first.clock_mhz) == (91, 54, 7.5, 1350)
    assert first.pcie == Pcie(gen=5, width=16)
    assert (second.index, second.util_pct, second.power_w) == (1, 3, None)


def test_the_table_has_no_names_and_no_memory_size() -> None:
    busy, idle = read(VENDOR, {"hy-smi": TABLE})
    assert (busy.index, busy.temp_c, busy.power_w, busy.power_limit_w) == (0, 50.5, 180, 1000)
    assert (busy.util_pct, busy.health, busy.name) == (81.5, "ok", None)
    assert (busy.memory_mib, busy.memory_used_mib) == (None, None)
    assert (idle.index, idle.util_pct, idle.health) == (1, 0, None)


def test_a_table_without_addresses_is_in_the_order_of_the_bus() -> None:
    bus = [
        PciDevice(address=address, vendor_id="1d94", device_id="6320", class_id="120000")
        for address in ("0000:b6:00.0", "0000:09:00.0")
    ]
    first, second = VENDOR.read_tool(asking({"hy-smi": TABLE}), bus).readings
    assert (first.pci, second.pci) == ("0000:09:00.0", "0000:b6:00.0")
    fewer = VENDOR.read_tool(asking({"hy-smi": TABLE}), bus[:1]).readings
    assert [card.pci for card in fewer] == [None, None]


def test_the_table_fills_in_the_cap() -> None:
    answers = {METRICS: cards(metrics("DCU", bus="0000:9f:00.0")), "hy-smi": TABLE}
    first = read(VENDOR, answers)[0]
    assert (first.power_w, first.power_limit_w) == (287, 1000)


def test_the_oldest_table() -> None:
    text = (
        "DCU  Temp    AvgPwr  SCLK     MCLK     Fan   Perf  PwrCap  VRAM%  DCU%\n"
        "0    46.0c   32.0W   700Mhz   800Mhz   0.0%  auto  300.0W  20%    84%\n"
    )
    (card,) = read(VENDOR, {"rocm-smi": text})
    assert (card.temp_c, card.power_w, card.clock_mhz, card.fan_pct) == (46, 32, 700, 0)
    assert (card.util_pct, card.power_limit_w) == (84, 300)


def test_rocm_smi_of_an_older_dtk_and_the_target_from_rocminfo() -> None:
    rocminfo = (
        "=======\nAgent 1\n*******\n  Name:   Hygon C86 7390\n  Device Type:   CPU\n"
        "*******\nAgent 2\n*******\n  Name:     gfx928\n  Uuid:     GPU-0011223344556677\n"
        "  Marketing Name:   K1xx_AI\n  Device Type:   DCU\n  BDFID:   15\n"
    )
    card = metrics("DCU", bus="0000:09:00.0") | PRODUCT | {"Unique ID": "0011223344556677"}
    (found,) = read(VENDOR, {ROCM: cards(card), "rocminfo": rocminfo})
    assert (found.name, found.arch, found.uuid) == ("BW1000", "gfx928", "GPU-0011223344556677")


def test_newer_dtk_calls_the_devices_of_rocminfo_hcu() -> None:
    rocminfo = (
        "*******\nAgent 9\n*******\n  Name:     gfx936\n  Uuid:     GPU-0011223344556677\n"
        "  Marketing Name:   BW\n  Device Type:   HCU\n  BDFID:   2304\n"
    )
    answers = {METRICS: cards(metrics("HCU", bus="0000:09:00.0")), "rocminfo": rocminfo}
    (found,) = read(VENDOR, answers)
    assert (found.name, found.arch, found.uuid) == ("BW", "gfx936", "GPU-0011223344556677")


def test_amds_rocm_smi_is_not_ours() -> None:
    amd = {"card0": {"Card Series": "Navi 31", "GPU use (%)": "3", "Card Vendor": "AMD"}}
    assert read_spoiled(VENDOR, {ROCM: json.dumps(amd)}) == []


def test_eight_watts_under_load_are_no_measurement() -> None:
    stuck = cards(
        metrics("DCU", bus="0000:09:00.0", use="96", power="8.0"),
        metrics("DCU", bus="0000:0a:00.0", use="0", power="8.0"),
        metrics("DCU", bus="0000:0b:00.0", use="0", power="62.0"),
    )
    assert [c.power_w for c in read(VENDOR, {METRICS: stuck})] == [None, None, 62]
    idle = cards(metrics("DCU", bus="0000:09:00.0", use="0", power="8.0"))
    assert [c.power_w for c in read(VENDOR, {METRICS: idle})] == [8]


@pytest.mark.parametrize(
    ("device_id", "class_id", "ours"),
    [
        ("6210", "0b4000", True),
        ("6320", "120000", True),
        ("1450", "060000", False),  # a bridge of the processor
        ("1456", "108000", False),  # its crypto engine
        ("145c", "0c0330", False),  # its USB
    ],
)
def test_cards_on_the_bus(device_id: str, class_id: str, ours: bool) -> None:
    device = PciDevice(
        address="0000:09:00.0", vendor_id="1d94", device_id=device_id, class_id=class_id
    )
    assert VENDOR.owns(device) is ours


def test_no_driver_and_no_tool() -> None:
    ask = failing("hy-smi", stderr="ERROR: Driver not initialized (hydcu not found in modules)")
    assert VENDOR.read_tool(ask, None).answer == "no_driver"
    assert VENDOR.read_tool(asking({}), None).answer == "absent"


@pytest.mark.parametrize("nothing", [text for text in UNREADABLE if " " not in text and text])
@pytest.mark.parametrize(
    ("shown", "field"), [("50.5C", "temp_c"), ("180.0W", "power_w"), ("81.5%", "util_pct")]
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    busy, idle = read(VENDOR, {"hy-smi": TABLE.replace(shown, nothing)})
    assert getattr(busy, field) is None
    assert (idle.temp_c, idle.power_w, idle.util_pct) == (42, 89, 0)


def test_an_empty_cell_costs_its_line() -> None:
    (idle,) = read(VENDOR, {"hy-smi": TABLE.replace("50.5C", "     ")})
    assert idle.index == 1


@given(data=st.data())
def test_spoiled_tables_do_no_harm(data: st.DataObject) -> None:
    text = data.draw(spoiled(TABLE))
    assert_printed(read_spoiled(VENDOR, {"hy-smi": text}), text)


@given(data=st.data())
def test_spoiled_json_does_no_harm(data: st.DataObject) -> None:
    whole = cards(metrics("HCU", bus="0000:9f:00.0"), metrics("HCU", bus="0000:b6:00.0"))
    text = data.draw(spoiled(whole))
    assert_printed(read_spoiled(VENDOR, {METRICS: text}), text)


# -- captures ----------------------------------------------------------------------------------


@needs_captures
def test_captured_json() -> None:
    first, second = replay(VENDOR, "k100aix2-json")
    assert (first.name, first.pci, first.memory_mib) == ("K100_AI", "0000:09:00.0", 65520)
    assert (first.temp_c, first.power_w, first.memory_used_mib) == (41, 80, 2)
    assert (second.util_pct, second.temp_c, second.temp_hotspot_c) == (96, 62, 64)
    assert (second.temp_memory_c, second.power_w, second.power_limit_w) == (59, 287, 400)
    assert second.memory_used_mib == 45209
    (card,) = replay(VENDOR, "dcu-json-24.04")
    assert (card.name, card.arch, card.uuid) == ("K100_AI", "gfx928", "GPU-4325dd3455646653")
    assert (card.temp_c, card.temp_hotspot_c, card.temp_memory_c) == (41, 39, 44)


@needs_captures
def test_captured_tables() -> None:
    full = replay(VENDOR, "bw1000x8-vram-full")
    assert [c.temp_c for c in full] == [43, 42, 37, 37, 43, 42, 38, 36]
    assert [c.power_w for c in full] == [131, 134, 131, 133, 133, 135, 133, 135]
    assert {(c.power_limit_w, c.util_pct, c.memory_used_mib) for c in full} == {(800, 0, None)}
    assert [c.power_w for c in replay(VENDOR, "k100aix4-table")] == [118, 120, 116, 138]
    (card,) = replay(VENDOR, "bw101-table")
    assert (card.temp_c, card.power_w, card.power_limit_w) == (46, 51, 400)
    old = replay(VENDOR, "k100x8-rocm-smi")
    assert [c.temp_c for c in old] == [53, 53, 54, 55, 54, 54, 55, 54]
    assert [c.power_w for c in old] == [96, 96, 95, 96, 97, 95, 93, 96]
