"""Apple silicon: macmon, powermetrics, system_profiler and ioreg."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tool_answers import asking, needs_captures, read, read_spoiled, replay, spoiled

from appliance.hardware.vendors.apple import Apple
from appliance.hardware.vendors.base import PciDevice

VENDOR = Apple()

SYSCTL = "sysctl -n machdep.cpu.brand_string hw.memsize"
MACMON = "macmon pipe -s 1"
POWERMETRICS = "powermetrics --samplers gpu_power -n 1 -i 200"
PROFILER = "system_profiler SPDisplaysDataType -json"
IOREG = "ioreg -r -c AGXAccelerator -d 1"

CHIP = "Apple M4 Max\n137438953472\n"
SAMPLE = json.dumps(
    {
        "all_power": 30.5,
        "cpu_power": 4.25,
        "gpu_power": 26.25,
        "gpu_usage": [1398, 0.875],
        "memory": {"ram_total": 137438953472, "ram_usage": 68719476736, "swap_usage": 0},
        "temp": {"cpu_temp_avg": 70.5, "gpu_temp_avg": 61.25},
    }
)
SAMPLED = """\
*** Sampled system activity (Fri Nov 15 10:00:00 2024 -0800) (200ms elapsed) ***

**** GPU usage ****

GPU HW active frequency: 1200 MHz
GPU HW active residency:  45.50% (389 MHz: 1.3% 1200 MHz:  44%)
GPU idle residency:  54.50%
GPU Power: 2500 mW
"""
DISPLAYS = json.dumps(
    {
        "SPDisplaysDataType": [
            {"_name": "kHW_Other", "sppci_model": "Some Display"},
            {"_name": "Apple M2", "sppci_model": "Apple M2", "sppci_cores": "10"},
        ]
    }
)
REGISTRY = """\
+-o AGXAcceleratorG14G  <class AGXAcceleratorG14G, id 0x1000005a1, registered, matched>
    {
      "model" = "Apple M2"
      "PerformanceStatistics" = {"In use system memory (driver)"=0,"Tiler Utilization %"=9,\
"Device Utilization %"=16,"In use system memory"=2147483648}
      "gpu-core-count" = 10
    }
"""


def test_macmon_with_the_systems_facts() -> None:
    (card,) = read(VENDOR, {SYSCTL: CHIP, MACMON: SAMPLE})
    assert (card.index, card.name, card.arch, card.pci) == (0, "Apple M4 Max", "apple9", None)
    assert (card.memory_mib, card.memory_used_mib) == (131072, 65536)
    assert (card.util_pct, card.clock_mhz) == (87.5, 1398)
    assert (card.temp_c, card.power_w) == (61.25, 26.25)


def test_a_sample_that_is_cut_off_does_not_hide_the_one_before() -> None:
    (card,) = read(VENDOR, {SYSCTL: CHIP, MACMON: f"{SAMPLE}\n{SAMPLE[:40]}"})
    assert card.util_pct == 87.5


def test_powermetrics() -> None:
    (card,) = read(VENDOR, {SYSCTL: CHIP, POWERMETRICS: SAMPLED})
    assert (card.util_pct, card.clock_mhz, card.power_w) == (45.5, 1200, 2.5)
    assert (card.memory_mib, card.memory_used_mib, card.temp_c) == (131072, None, None)


def test_the_registry_and_the_profiler() -> None:
    (card,) = read(VENDOR, {PROFILER: DISPLAYS, IOREG: REGISTRY})
    assert (card.name, card.arch, card.util_pct) == ("Apple M2", "apple8", 16)
    assert (card.memory_mib, card.memory_used_mib) == (None, 2048)
    (card,) = read(VENDOR, {IOREG: REGISTRY})
    assert (card.name, card.util_pct) == ("Apple M2", 16)


@pytest.mark.parametrize("nothing", [None, "N/A", [], [1398], {}, 2.5, -1])
@pytest.mark.parametrize("key", ["gpu_power", "gpu_usage", "memory", "temp"])
def test_an_unreadable_value_is_none(key: str, nothing: object) -> None:
    sample = json.loads(SAMPLE) | {key: nothing}
    (card,) = read(VENDOR, {SYSCTL: CHIP, MACMON: json.dumps(sample)})
    unknown = {
        "gpu_power": card.power_w,
        "gpu_usage": card.util_pct,
        "memory": card.memory_used_mib,
        "temp": card.temp_c,
    }[key]
    assert unknown == (2.5 if (key, nothing) == ("gpu_power", 2.5) else None)


def test_an_intel_processor_is_no_apple_chip() -> None:
    intel = {SYSCTL: "Intel(R) Core(TM) i9-9880H CPU @ 2.30GHz\n17179869184\n"}
    assert VENDOR.read_tool(asking(intel), None).answer == "absent"
    assert VENDOR.read_tool(asking({SYSCTL: CHIP}), []).answer == "absent"


def test_nothing_on_the_bus_is_ours() -> None:
    device = PciDevice(
        address="0000:01:00.0", vendor_id="106b", device_id="2005", class_id="018000"
    )
    assert not VENDOR.owns(device)


@given(data=st.data())
def test_spoiled_answers_do_no_harm(data: st.DataObject) -> None:
    answers = {
        question: data.draw(spoiled(text))
        for question, text in {
            SYSCTL: CHIP,
            MACMON: SAMPLE,
            POWERMETRICS: SAMPLED,
            PROFILER: DISPLAYS,
            IOREG: REGISTRY,
        }.items()
    }
    printed = "".join(answers.values())
    for card in read_spoiled(VENDOR, answers):
        for value in (card.temp_c, card.clock_mhz):
            assert value is None or f"{value:.10g}" in printed


@needs_captures
def test_captures() -> None:
    (card,) = replay(VENDOR, "m3-pro-macmon")
    assert (card.name, card.memory_mib, card.clock_mhz) == ("Apple M3 Pro", 36864, 461)
    assert card.memory_used_mib == pytest.approx(20985479168 / 1048576, abs=0.1)
    assert card.util_pct == pytest.approx(2.15, abs=0.01)
    assert (card.temp_c, card.power_w) == (36.95167, 0.017451683)
