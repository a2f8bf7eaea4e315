"""AMD: amd-smi in JSON and text, its monitor, rocm-smi's JSON, rocminfo."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tool_answers import (
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
from appliance.hardware.vendors.amd import Amd
from appliance.hardware.vendors.base import PciDevice

VENDOR = Amd()

SHORT = (
    "rocm-smi --showid --showproductname --showtemp --showpower --showuse --showmeminfo vram "
    "--showbus --json"
)
LONG = (
    "rocm-smi -o -l -m -M -g -c -t -u -i -f -p -P -s -S -v --showreplaycount --showpids "
    "--showdriverversion --showmemvendor --showfwinfo --showproductname --showserial "
    "--showuniqueid --showbus --showpendingpages --showpagesinfo --showretiredpages "
    "--showunreservablepages --showmemuse --showvoltage --showtopo --showtopoweight "
    "--showtopohops --showtopotype --showtoponuma --showmeminfo all --json"
)
IDS = (
    "rocm-smi -i --showmeminfo vram --showpower --showserial --showuse --showtemp "
    "--showproductname --showuniqueid --json"
)


def amount(value: float | str, unit: str) -> object:
    return value if isinstance(value, str) else {"value": value, "unit": unit}


def listed(gpu: int, bdf: str) -> dict[str, Any]:
    return {"gpu": gpu, "bdf": bdf, "uuid": f"{gpu:08x}-74a5-1000-8000-0123456789ab"}


def static(gpu: int) -> dict[str, Any]:
    return {
        "gpu": gpu,
        "asic": {
            "market_name": "AMD Instinct MI325X",
            "device_id": "0x74a5",
            "target_graphics_version": "gfx942",
        },
        "bus": {"bdf": "0000:f5:00.0", "max_pcie_width": 16, "max_pcie_speed": amount(32, "GT/s")},
        "limit": {
            "ppt0": {"max_power_limit": amount(1000, "W"), "socket_power_limit": amount(900, "W")},
            "ppt1": {"max_power_limit": "N/A", "socket_power_limit": "N/A"},
            "slowdown_edge_temperature": "N/A",
            "slowdown_hotspot_temperature": amount(100, "C"),
            "shutdown_hotspot_temperature": amount(110, "C"),
        },
        "driver": {"name": "amdgpu", "version": "6.12.12"},
        "vram": {"type": "HBM3", "size": amount(256, "GB")},
    }


def metric(gpu: int) -> dict[str, Any]:
    return {
        "gpu": gpu,
        "usage": {"gfx_activity": amount(98, "%"), "umc_activity": amount(40, "%")},
        "power": {"socket_power": amount(873, "W"), "throttle_status": "N/A"},
        "clock": {"gfx_0": {"clk": amount(1950, "MHz")}, "mem_0": {"clk": amount(900, "MHz")}},
        "temperature": {
            "edge": "N/A",
            "hotspot": amount(84, "C"),
            "mem": amount(61, "C"),
        },
        "pcie": {"width": 8, "speed": amount(16, "GT/s")},
        "ecc": {"total_correctable_count": 3, "total_uncorrectable_count": 1},
        "fan": {"speed": 0, "usage": "N/A"},
        "throttle": {
            "ppt_violation_status": "ACTIVE",
            "socket_thermal_violation_status": "ACTIVE",
            "hbm_thermal_violation_status": "NOT ACTIVE",
        },
        "mem_usage": {"total_vram": amount(262128, "MB"), "used_vram": amount(250000, "MB")},
    }


def newer(*, gpus: int = 1, bare: bool = False) -> dict[str, str]:
    def answer(trees: list[dict[str, Any]]) -> str:
        return json.dumps(trees if bare else {"cpu_data": [{"cpu": 0}], "gpu_data": trees})

    return {
        "amd-smi list --json": json.dumps([listed(n, f"0000:{n:02x}:00.0") for n in range(gpus)]),
        "amd-smi static --json": answer([static(n) for n in reversed(range(gpus))]),
        "amd-smi metric --json": answer([metric(n) for n in range(gpus)]),
    }


@pytest.mark.parametrize("bare", [True, False])
def test_list_static_and_metric_together(bare: bool) -> None:
    warning = "WARNING: User is missing the following required groups: render, video.\n"
    answers = {question: warning + text for question, text in newer(gpus=2, bare=bare).items()}
    first, second = read(VENDOR, answers)
    assert (first.index, first.pci, second.pci) == (0, "0000:00:00.0", "0000:01:00.0")
    assert first.uuid == "00000000-74a5-1000-8000-0123456789ab"
    assert (first.name, first.arch, first.driver) == ("AMD Instinct MI325X", "gfx942", "6.12.12")
    assert (first.memory_mib, first.memory_used_mib) == (262128, 250000)
    assert (first.temp_c, first.temp_hotspot_c, first.temp_memory_c) == (84, 84, 61)
    assert (first.power_w, first.power_limit_w, first.clock_mhz) == (873, 900, 1950)
    assert (first.util_pct, first.ecc_uncorrected, first.fan_pct) == (98, 1, None)
    assert first.pcie == Pcie(gen=4, width=8, gen_max=5, width_max=16)
    assert (first.temp_warn_c, first.temp_critical_c) == (100, 110)
    assert first.throttle == ["power", "thermal"]


def test_processes_by_card() -> None:
    running = [
        {
            "gpu": 0,
            "process_list": [
                {
                    "process_info": {
                        "name": "vllm",
                        "pid": 42,
                        "memory_usage": {"vram_mem": amount(1048576 * 512, "B")},
                    }
                }
            ],
        },
        {"gpu": 1, "process_list": [{"process_info": "No running processes detected"}]},
    ]
    answers = newer(gpus=2) | {"amd-smi process --json": json.dumps(running)}
    first, second = read(VENDOR, answers)
    assert first.processes == [CardProcess(pid=42, memory_mib=512, command="vllm")]
    assert second.processes == []


def test_keys_of_the_first_amd_smi() -> None:
    facts = {
        "gpu": 0,
        "asic": {"market_name": "0x73bf"},
        "board": {"product_name": "Navi 21 [Radeon RX 6800]"},
        "driver": {"driver_name": "amdgpu", "driver_version": "6.1.5"},
        "vram": {"vram_size_mb": amount(16368, "MB")},
    }
    values = {
        "gpu": 0,
        "usage": {"gfx_activity": amount(7, "%")},
        "power": {"current_power": amount(31, "W"), "power_limit": amount(203, "W")},
        "clock": {"gfx": {"cur_clk": amount(500, "MHz")}},
        "temperature": {"edge": amount(39, "C"), "hotspot": amount(42, "C"), "mem": "N/A"},
        "pcie": {"current_width": 16, "current_speed": amount(8, "GT/s")},
        "ecc": {"total_uncorrectable": "N/A"},
    }
    answers = {
        "amd-smi static --json": json.dumps([facts]),
        "amd-smi metric --json": json.dumps([values]),
    }
    (card,) = read(VENDOR, answers)
    assert (card.name, card.driver, card.memory_mib) == ("Navi 21 [Radeon RX 6800]", "6.1.5", 16368)
    assert (card.temp_c, card.temp_hotspot_c, card.temp_memory_c) == (39, 42, None)
    assert (card.power_w, card.power_limit_w, card.clock_mhz) == (31, 203, 500)
    assert (card.pcie, card.ecc_uncorrected) == (Pcie(gen=3, width=16), None)


def test_logical_devices_of_a_partitioned_card_have_what_is_told_of_each() -> None:
    answers = newer(gpus=2)
    part = metric(1)
    part |= {"usage": "N/A", "power": "N/A", "temperature": "N/A", "ecc": "N/A", "clock": "N/A"}
    part["mem_usage"] = {"total_vram": amount(24564, "MB"), "used_vram": amount(512, "MB")}
    answers["amd-smi metric --json"] = json.dumps({"gpu_data": [metric(0), part]})
    whole, logical = read(VENDOR, answers)
    assert (whole.util_pct, whole.memory_mib) == (98, 262128)
    assert (logical.util_pct, logical.power_w, logical.temp_c) == (None, None, None)
    assert (logical.memory_mib, logical.memory_used_mib) == (24564, 512)


@pytest.mark.parametrize("nothing", ["N/A", "", None, 65535, 4294967295, "ERR!", [], {}])
@pytest.mark.parametrize(
    ("section", "key", "field"),
    [
        ("usage", "gfx_activity", "util_pct"),
        ("power", "socket_power", "power_w"),
        ("temperature", "mem", "temp_memory_c"),
        ("mem_usage", "used_vram", "memory_used_mib"),
        ("ecc", "total_uncorrectable_count", "ecc_uncorrected"),
    ],
)
def test_an_unreadable_value_is_none(section: str, key: str, field: str, nothing: object) -> None:
    if field == "memory_used_mib" and nothing == 65535:
        return  # an amount of memory that a card can well use
    values = metric(0)
    values[section][key] = nothing
    answers = newer() | {"amd-smi metric --json": json.dumps([values])}
    (card,) = read(VENDOR, answers)
    assert getattr(card, field) is None


def test_nothing_throttles() -> None:
    values = metric(0)
    values["throttle"] = {"ppt_violation_status": "NOT ACTIVE"}
    (card,) = read(VENDOR, newer() | {"amd-smi metric --json": json.dumps([values])})
    assert card.throttle == []
    values["throttle"] = {"ppt_violation_status": "N/A"}
    (card,) = read(VENDOR, newer() | {"amd-smi metric --json": json.dumps([values])})
    assert card.throttle is None


# -- the overview and the monitor --------------------------------------------------------------

OVERVIEW = {
    "version_info": {"amdgpu version": "6.14.14", "rocm version": [True, "7.1.0"]},
    "gpu_info_list": [
        {
            "gpu_id": 0,
            "market_name": "AMD Radeon AI PRO R9700",
            "bdf": "0000:03:00.0",
            "mem_util": 12,
            "gfx_util": 77,
            "temp": 66,
            "power_usage": {"current_power": 251, "power_limit": 300},
            "mem_usage": {"used_vram": 30001, "total_vram": 32624},
            "uncorr_ecc": 0,
            "fan": 41.18,
        }
    ],
    "processes": [{"gpu": 0, "pid": 9, "name": "llama-server", "vram": "28.5 GB"}],
}


def test_the_overview() -> None:
    (card,) = read(VENDOR, {"amd-smi --json": json.dumps(OVERVIEW)})
    assert (card.index, card.pci, card.name) == (0, "0000:03:00.0", "AMD Radeon AI PRO R9700")
    assert (card.driver, card.runtime) == ("6.14.14", "7.1.0")
    assert (card.util_pct, card.temp_c, card.fan_pct) == (77, 66, 41.18)
    assert (card.power_w, card.power_limit_w, card.ecc_uncorrected) == (251, 300, 0)
    assert (card.memory_used_mib, card.memory_mib) == (30001, 32624)
    assert card.processes == [CardProcess(pid=9, memory_mib=29184, command="llama-server")]


MONITOR = """\
GPU  XCP  POWER  PWR_CAP   GPU_T   MEM_T   GFX_CLK   GFX%   MEM%   ENC%   DEC%      VRAM_USAGE
  0    0  251 W   1000 W   55 °C   43 °C  2144 MHz   97 %    1 %    N/A    0 %    2.0/192.0 GB
  1    1    N/A      N/A     N/A     N/A       N/A    N/A    N/A    N/A    N/A    0.5/ 48.0 GB
"""
MONITOR_Q = """\
GPU  POWER  GPU_TEMP  MEM_TEMP  GFX_UTIL  GFX_CLOCK  SINGLE_ECC  DOUBLE_ECC  VRAM_USED  VRAM_TOTAL
  0   71 W     42 °C     40 °C       3 %    300 MHz           9           2    1235 MB    16335 MB

PROCESS INFO:
GPU                  NAME      PID  GTT_MEM  CPU_MEM  VRAM_MEM  MEM_USAGE     GFX     ENC
  0          python 3 work    77123    0.0 B    0.0 B  512.0 MB      0.0 B    0 ns    0 ns
"""
MONITOR_CSV = """\
timestamp,gpu,xcp,power_usage,hotspot_temperature,memory_temperature,gfx_clk,gfx,vram_used,vram_total
1,0,0,133,47,38,132,0,283,196592
1,1,0,N/A,N/A,N/A,N/A,N/A,284,196592
"""


def test_the_monitor_with_units_in_its_cells() -> None:
    first, part = read(VENDOR, {"amd-smi monitor -p -t -v": MONITOR})
    assert (first.index, first.power_w, first.power_limit_w) == (0, 251, 1000)
    assert (first.temp_c, first.temp_memory_c, first.clock_mhz) == (55, 43, 2144)
    assert (first.util_pct, first.memory_used_mib, first.memory_mib) == (97, 2048, 196608)
    assert (part.index, part.power_w, part.temp_c, part.util_pct) == (1, None, None, None)
    assert (part.memory_used_mib, part.memory_mib) == (512, 49152)


def test_the_monitor_with_processes() -> None:
    (card,) = read(VENDOR, {"amd-smi monitor -q": MONITOR_Q})
    assert (card.power_w, card.temp_c, card.ecc_uncorrected) == (71, 42, 2)
    assert card.processes == [CardProcess(pid=77123, memory_mib=512, command="python 3 work")]


def test_the_monitor_of_the_first_amd_smi_says_whether_it_is_throttled() -> None:
    monitor = (
        "GPU  POWER  GPU_TEMP  MEM_TEMP  GFX_UTIL  DEC_CLOCK     THROTTLE  DOUBLE_ECC"
        "  VRAM_USED  VRAM_TOTAL   PCIE_BW\n"
        "  0   19 W     47 °C     61 °C      77 %    512 MHz  UNTHROTTLED           0"
        "     310 MB    24560 MB  N/A Mb/s\n"
        "  1   20 W       N/A     62 °C       N/A    512 MHz    THROTTLED           1"
        "     320 MB    24560 MB  N/A Mb/s\n"
    )
    calm, slowed = read(VENDOR, {"amd-smi monitor -q": monitor})
    assert (calm.power_w, calm.util_pct, calm.throttle, calm.memory_mib) == (19, 77, [], 24560)
    assert (slowed.temp_c, slowed.temp_memory_c, slowed.util_pct) == (None, 62, None)
    assert (slowed.throttle, slowed.ecc_uncorrected, slowed.memory_used_mib) == (None, 1, 320)


def test_the_monitor_as_csv() -> None:
    first, second = read(VENDOR, {"amd-smi monitor --csv": MONITOR_CSV})
    assert (first.temp_c, first.temp_hotspot_c, first.power_w) == (47, 47, 133)
    assert (first.util_pct, first.memory_used_mib, first.memory_mib) == (0, 283, 196592)
    assert (second.temp_c, second.memory_used_mib) == (None, 284)


TEXTS = {
    "amd-smi static --limit": (
        "CPU: 0\n    SMU:\n        FW_VERSION: 85.90.0\n\n"
        "GPU: 0\n    LIMIT:\n        PPT0:\n            MAX_POWER_LIMIT: 1000 W\n"
        "            SOCKET_POWER_LIMIT: 650 W\n"
        "        SLOWDOWN_EDGE_TEMPERATURE: 100 °C\n        SHUTDOWN_EDGE_TEMPERATURE: 105 °C\n"
        "        SLOWDOWN_HOTSPOT_TEMPERATURE: 110 °C\n"
    ),
    "amd-smi metric --pcie": "GPU: 0\n    PCIE:\n        WIDTH: 8\n        SPEED: 16 GT/s\n",
    "amd-smi metric --throttle": (
        "GPU: 0\n    THROTTLE:\n        PPT_VIOLATION_STATUS: NOT ACTIVE\n"
        "        VR_THERMAL_VIOLATION_STATUS: ACTIVE\n"
    ),
}


def test_limits_link_and_throttling_as_text() -> None:
    (card,) = read(VENDOR, TEXTS)
    assert (card.power_limit_w, card.temp_warn_c, card.temp_critical_c) == (650, 100, 105)
    assert (card.pcie, card.throttle) == (Pcie(gen=4, width=8), ["thermal"])


def test_violations_as_shares() -> None:
    table = (
        "GPU  PVIOL  TVIOL  TVIOL_ACTIVE  PHOT_TVIOL  VR_TVIOL  HBM_TVIOL\n"
        "0  100 %    1 %          True         0 %       0 %        0 %\n"
        "1    0 %    0 %         False         0 %       0 %        0 %\n"
    )
    first, second = read(VENDOR, {"amd-smi monitor --violation": table})
    assert (first.throttle, second.throttle) == (["power", "thermal"], [])


# -- rocm-smi ----------------------------------------------------------------------------------


def rocm(**changes: str) -> dict[str, str]:
    return {
        "Device Name": "Navi 31 [Radeon RX 7900 XT/7900 XTX]",
        "Device ID": "0x744c",
        "Temperature (Sensor edge) (C)": "47.0",
        "Temperature (Sensor junction) (C)": "61.0",
        "Temperature (Sensor memory) (C)": "70.0",
        "Average Graphics Package Power (W)": "211.0",
        "GPU use (%)": "99",
        "PCI Bus": "0000:0C:00.0",
        "VRAM Total Memory (B)": "25753026560",
        "VRAM Total Used Memory (B)": "6815744",
        "Card Series": "Navi 31 [Radeon RX 7900 XT/7900 XTX]",
        "GFX Version": "gfx1100",
    } | changes


def cards(*each: dict[str, str], **system: str) -> str:
    answer: dict[str, object] = {f"card{n}": card for n, card in enumerate(each)}
    return json.dumps(answer | ({"system": system} if system else {}))


def test_rocm_smi() -> None:
    (card,) = read(VENDOR, {SHORT: "\n" + cards(rocm())})
    assert (card.index, card.pci, card.arch) == (0, "0000:0c:00.0", "gfx1100")
    assert card.name == "Navi 31 [Radeon RX 7900 XT/7900 XTX]"
    assert (card.temp_c, card.temp_hotspot_c, card.temp_memory_c) == (47, 61, 70)
    assert (card.power_w, card.util_pct) == (211, 99)
    assert (card.memory_mib, card.memory_used_mib) == (24560, 6.5)


def test_the_long_answer_adds_limits_clocks_and_links() -> None:
    more = {
        "Max Graphics Package Power (W)": "339.0",
        "sclk clock speed:": "(2371Mhz)",
        "pcie clock level": "1 (16.0GT/s x16)",
        "Fan speed (%)": "27",
        "Unique ID": "0xABCDEF0123456789",
    }
    system = {
        "Driver version": "6.8.5",
        "(Topology) Link type between DRM devices 0 and 1": "XGMI",
    }
    first, second = read(
        VENDOR,
        {
            SHORT: cards(rocm(), rocm()),
            LONG: cards(rocm() | more, rocm() | more, **system),
        },
    )
    assert (first.power_limit_w, first.clock_mhz, first.fan_pct) == (339, 2371, 27)
    assert (first.driver, first.uuid) == ("6.8.5", "GPU-abcdef0123456789")
    assert first.pcie == Pcie(gen=4, width=16)
    assert first.links == [Link(kind="xGMI", peer="#1", state="up")]
    assert second.links == [Link(kind="xGMI", peer="#0", state="up")]


def test_a_process_belongs_to_the_only_card() -> None:
    system = {"PID4711": "python3, 1, 4294967296, 0, 0", "PID12": "idle, 0, 0, 0, 0"}
    (card,) = read(VENDOR, {LONG: cards(rocm(), **system)})
    assert card.processes == [CardProcess(pid=4711, memory_mib=4096, command="python3")]
    both = read(VENDOR, {LONG: cards(rocm(), rocm(), **system)})
    assert [one.processes for one in both] == [None, None]


def test_a_bare_id_is_no_name() -> None:
    old = {key: value for key, value in rocm().items() if key not in ("Device Name", "GFX Version")}
    (card,) = read(VENDOR, {IDS: cards(old | {"Card Series": "0x1002", "Card Model": "0xc1e"})})
    assert (card.name, card.arch) == (None, None)


@pytest.mark.parametrize(
    ("printed", "arch"),
    [("gfx11001", "gfx1101"), ("gfx9402", "gfx942"), ("gfx9010", "gfx90a"), ("gfx90a", "gfx90a")],
)
def test_target_names(printed: str, arch: str) -> None:
    (card,) = read(VENDOR, {SHORT: cards(rocm(**{"GFX Version": printed}))})
    assert card.arch == arch


def test_rocm_smi_knows_no_power_of_an_mi300() -> None:
    name = {"Device ID": "0x74a5", "Average Graphics Package Power (W)": "2.0"}
    (card,) = read(VENDOR, {SHORT: cards(rocm(**name))})
    assert card.power_w is None
    (card,) = read(VENDOR, {SHORT: cards(rocm(**{"Average Graphics Package Power (W)": "2.0"}))})
    assert card.power_w == 2


def test_the_second_die_of_an_mi250_has_no_power_of_its_own() -> None:
    power = {"Average Graphics Package Power (W)": "N/A (Secondary die)"}
    first, second = read(VENDOR, {SHORT: cards(rocm(), rocm(**power))})
    assert (first.power_w, second.power_w) == (211, None)


def test_rocminfo_tells_products_apart() -> None:
    rocminfo = (
        "Agent 1\nName: AMD EPYC 9354\nUuid: CPU-XX\nMarketing Name: AMD EPYC 9354\n"
        "Device Type: CPU\nBDFID: 0\n"
        "Agent 2\n  Name:                    gfx1100\n  Uuid:                    GPU-XX\n"
        "  Marketing Name:          AMD Radeon RX 7900 XT\n  Device Type:             GPU\n"
        "  BDFID:                   3072\n  ISA Info:\n    Name:  amdgcn-amd-amdhsa--gfx1100\n"
    )
    (card,) = read(VENDOR, {SHORT: cards(rocm()), "rocminfo": rocminfo})
    assert (card.name, card.arch, card.uuid) == ("AMD Radeon RX 7900 XT", "gfx1100", None)


def test_hygon_cards_are_not_amds() -> None:
    dcu = cards(rocm() | {"DCU use (%)": "0", "Card Vendor": "Chengdu Haiguang IC Design"})
    assert read_spoiled(VENDOR, {SHORT: dcu, IDS: dcu}) == []


def test_graphics_in_a_processor_are_no_card() -> None:
    (card,) = read(VENDOR, {SHORT: cards(rocm(), rocm(**{"Device ID": "0x164e"}))})
    assert card.index == 0


# -- the bus, and no answer --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device_id", "class_id", "ours"),
    [
        ("74a1", "120000", True),
        ("744c", "030000", True),
        ("740f", "038000", True),
        ("ab30", "040300", False),  # the audio function of a Radeon
        ("164e", "030000", False),  # Ryzen 7000's graphics
        ("1586", "038000", True),  # Strix Halo, unified memory up to 128 GB
    ],
)
def test_cards_on_the_bus(device_id: str, class_id: str, ours: bool) -> None:
    device = PciDevice(
        address="0000:03:00.0", vendor_id="1002", device_id=device_id, class_id=class_id
    )
    assert VENDOR.owns(device) is ours


def test_no_driver() -> None:
    ask = failing(
        "rocm-smi", stderr="ERROR:root:Driver not initialized (amdgpu not found in modules)"
    )
    assert VENDOR.read_tool(ask, None).answer == "no_driver"


def test_the_tool_hangs_or_is_missing() -> None:
    hanging = failing("amd-smi", stderr="", exit_status=None)
    assert VENDOR.read_tool(hanging, None).answer == "no_answer"
    assert VENDOR.read_tool(asking({}), None).answer == "absent"


@given(data=st.data(), question=st.sampled_from(["monitor -p -t -v", "monitor -q"]))
def test_spoiled_monitors_do_no_harm(data: st.DataObject, question: str) -> None:
    text = data.draw(spoiled(MONITOR if question.endswith("-v") else MONITOR_Q))
    for card in read_spoiled(VENDOR, {f"amd-smi {question}": text}):
        for value in (card.power_w, card.temp_c, card.temp_memory_c, card.clock_mhz):
            assert value is None or f"{value:.10g}" in text


@given(data=st.data())
def test_spoiled_texts_do_no_harm(data: st.DataObject) -> None:
    texts = {question: data.draw(spoiled(text)) for question, text in TEXTS.items()}
    assert_printed(read_spoiled(VENDOR, texts), "".join(texts.values()))


@given(data=st.data())
def test_spoiled_json_does_no_harm(data: st.DataObject) -> None:
    answers = {question: data.draw(spoiled(text)) for question, text in newer(gpus=2).items()}
    for card in read_spoiled(VENDOR, answers):
        for value in (card.util_pct, card.power_w, card.temp_c, card.memory_used_mib):
            assert value is None or f"{value:.10g}" in answers["amd-smi metric --json"]


@given(data=st.data())
def test_spoiled_rocm_json_does_no_harm(data: st.DataObject) -> None:
    text = data.draw(spoiled(cards(rocm(), rocm(**{"GPU use (%)": "0"}))))
    for card in read_spoiled(VENDOR, {SHORT: text}):
        for value in (card.util_pct, card.power_w, card.temp_c, card.temp_memory_c):
            assert value is None or f"{value:.10g}" in text


# -- captures ----------------------------------------------------------------------------------


@needs_captures
def test_captured_amd_smi() -> None:
    eight = replay(VENDOR, "mi300x8-json")
    assert [c.pci for c in eight][:3] == ["0000:05:00.0", "0000:26:00.0", "0000:46:00.0"]
    busy = eight[3]
    assert (busy.uuid, busy.arch) == ("3cff74a1-0000-1000-8031-9e4c2a7d0b33", "gfx942")
    assert (busy.util_pct, busy.memory_used_mib, busy.memory_mib) == (97, 171902, 196592)
    assert (busy.temp_c, busy.temp_memory_c, busy.power_w) == (63, 51, 602)
    assert (busy.clock_mhz, busy.power_limit_w, busy.throttle) == (2100, 750, [])
    assert [c.power_w for c in eight] == [132, 134, 131, 602, 133, 135, 130, 136]
    (hot,) = replay(VENDOR, "monitor-hot-card")
    assert (hot.temp_c, hot.temp_memory_c, hot.power_w, hot.util_pct) == (103, 84, 199, 99)
    assert (hot.memory_used_mib, hot.memory_mib, hot.ecc_uncorrected) == (1235, 16335, 0)
    assert hot.processes == [CardProcess(pid=1564865, memory_mib=1126, command="rvs")]
    limits = replay(VENDOR, "metric-and-limit-text")
    assert [(c.index, c.power_limit_w, c.temp_warn_c, c.temp_critical_c) for c in limits] == [
        (0, 203, 100, 105),
        (1, 213, 109, 114),
    ]
    assert [(c.pcie, c.throttle) for c in limits] == [(Pcie(gen=5, width=16), [])] * 2


@needs_captures
def test_captured_rocm_smi() -> None:
    six = replay(VENDOR, "mi100x6-rocm571")
    assert [c.temp_c for c in six] == [31, 30, 31, 33, 32, 33]
    assert [c.power_w for c in six] == [39, 37, 35, 39, 39, 40]
    assert {(c.name, c.memory_mib, c.memory_used_mib) for c in six} == {
        ("Arcturus GL-XL [Instinct MI100]", 32752, 6.47)
    }
    assert (six[5].pci, six[5].power_limit_w, six[5].driver) == ("0000:49:00.0", 290, "6.2.4")
    oldest, newest = replay(VENDOR, "rx6700xt-rocm430"), replay(VENDOR, "rx6700xt-rocm612")
    assert [(c.name, c.arch, c.clock_mhz) for c in (*oldest, *newest)] == [
        (None, None, 500),
        ("Navi 22 [Radeon RX 6700/6700 XT / 6800M]", "gfx1031", 0),
    ]
    assert [c.temp_memory_c for c in (*oldest, *newest)] == [46, 46]
    (vega,) = replay(VENDOR, "vega10-rocm40")
    assert (vega.name, vega.temp_c, vega.temp_memory_c, vega.fan_pct) == (None, 39, 92, 13)
    (named,) = replay(VENDOR, "rx7800xt-rocm624")
    assert (named.name, named.arch) == ("AMD Radeon RX 7800 XT", "gfx1101")
    assert (named.util_pct, named.power_w, named.temp_hotspot_c) == (100, 53, 51)
