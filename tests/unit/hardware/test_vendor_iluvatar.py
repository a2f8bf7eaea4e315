"""Iluvatar CoreX: ixsmi's XML log, CSV query and table."""

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
from appliance.hardware.vendors.base import PciDevice
from appliance.hardware.vendors.iluvatar import Iluvatar

VENDOR = Iluvatar()

FIELDS = "index,name,memory.total,memory.used,utilization.gpu,temperature.gpu"
CSV = f"ixsmi --query-gpu={FIELDS},gpu.power.draw,gpu.power.limit --format=csv,noheader"
OLD_CSV = f"ixsmi --query-gpu={FIELDS},power.draw,gpu.power.limit --format=csv,noheader"

TABLE = """\
Timestamp    Thu Jul 10 16:59:37 2025
+-----------------------------------------------------------------------------+
|  IX-ML: 4.3.0       Driver Version: 4.3.0       CUDA Version: 10.2          |
|-------------------------------+----------------------+----------------------|
| GPU  Name                     | Bus-Id               | Clock-SM  Clock-Mem  |
| Fan  Temp  Perf  Pwr:Usage/Cap|      Memory-Usage    | GPU-Util  Compute M. |
|===============================+======================+======================|
| 0    Iluvatar BI-V150         | 00000000:13:00.0     | 1500MHz   1600MHz    |
| N/A  35C   P0    N/A / N/A    | 28001MiB / 32768MiB  | 97%       Default    |
+-------------------------------+----------------------+----------------------+
| 1    Iluvatar BI-V150         | 00000000:16:00.0     | 1400MHz   1600MHz    |
| 30%  34C   P0    103W / 350W  | 64MiB / 32768MiB     | 0%        Default    |
+-------------------------------+----------------------+----------------------+

+-----------------------------------------------------------------------------+
| Processes:                                                       GPU Memory |
|  GPU        PID      Process name                                Usage(MiB) |
|=============================================================================|
|    0       4711      /usr/bin/python3 -m vllm.entrypoints.openai 27900      |
|    0       4712      python3                                     37         |
+-----------------------------------------------------------------------------+
"""

LOG = """\
<?xml version="1.0" ?>
<!DOCTYPE ixsmi_log SYSTEM "ixsmi_device_v1.dtd">
<ixsmi_log>
  <timestamp>Thu Jul 10 16:59:37 2025</timestamp>
  <driver_version>4.3.0</driver_version>
  <cuda_version>10.2</cuda_version>
  <attached_gpus>2</attached_gpus>
  <gpu id="00000000:0C:00.0">
    <product_name>Iluvatar MR-V100</product_name>
    <uuid>GPU-00000000-0000-0000-0000-00000000000a</uuid>
    <minor_number>0</minor_number>
    <fan_speed>N/A</fan_speed>
    <pci>
      <pci_gpu_link_info>
        <pcie_gen><max_link_gen>4</max_link_gen><current_link_gen>3</current_link_gen></pcie_gen>
        <link_widths>
          <max_link_width>16x</max_link_width><current_link_width>8x</current_link_width>
        </link_widths>
      </pci_gpu_link_info>
    </pci>
    <memory_usage><total>32768 MiB</total><used>27780 MiB</used></memory_usage>
    <bar1_memory_usage><total>256 MiB</total><used>1 MiB</used></bar1_memory_usage>
    <utilization><gpu_util>12 %</gpu_util><memory_util>85 %</memory_util></utilization>
    <ecc_errors>
      <volatile>
        <single_bit><total>7</total></single_bit>
        <double_bit><device_memory>1</device_memory><total>1</total></double_bit>
      </volatile>
    </ecc_errors>
    <temperature><gpu_temp>44 C</gpu_temp><memory_temp>N/A</memory_temp></temperature>
    <power_readings>
      <gpu_power_draw>37.5 W</gpu_power_draw>
      <current_gpu_power_limit>150 W</current_gpu_power_limit>
    </power_readings>
    <clocks><sm_clock>1500 MHz</sm_clock><mem_clock>1600 MHz</mem_clock></clocks>
    <processes>
      <process_info>
        <pid>4711</pid><process_name>python3</process_name><used_memory>27700 MiB</used_memory>
      </process_info>
    </processes>
  </gpu>
  <gpu id="00000000:10:00.0">
    <product_name>Iluvatar MR-V100</product_name>
    <uuid>GPU-00000000-0000-0000-0000-00000000000b</uuid>
    <memory_usage><total>32768 MiB</total><used>0 MiB</used></memory_usage>
    <utilization><gpu_util>0 %</gpu_util></utilization>
    <temperature><gpu_temp>40 C</gpu_temp></temperature>
    <power_readings><gpu_power_draw>N/A</gpu_power_draw></power_readings>
    <processes></processes>
  </gpu>
</ixsmi_log>
"""

ROWS = """\
0, Iluvatar BI-V150, 32768 MiB, 28001 MiB, 97 %, 35 C, N/A, N/A
1, Iluvatar BI-V150, 32768 MiB, 64 MiB, 0 %, 34 C, 103 W, 350 W
"""


def test_the_table_of_a_board_with_two_dies() -> None:
    first, second = read(VENDOR, {"ixsmi": TABLE})
    assert (first.name, first.pci, first.driver) == ("Iluvatar BI-V150", "0000:13:00.0", "4.3.0")
    assert (first.runtime, first.clock_mhz, first.fan_pct) == ("10.2", 1500, None)
    assert (first.power_w, first.power_limit_w, first.temp_c) == (None, None, 35)
    assert (first.memory_used_mib, first.util_pct) == (28001, 97)
    assert first.processes == [
        CardProcess(
            pid=4711, memory_mib=27900, command="/usr/bin/python3 -m vllm.entrypoints.openai"
        ),
        CardProcess(pid=4712, memory_mib=37, command="python3"),
    ]
    assert (second.power_w, second.power_limit_w, second.fan_pct) == (103, 350, 30)
    assert second.processes == []


def test_the_log_of_an_older_driver_counts_errors_without_sections() -> None:
    volatile = LOG[LOG.index("      <volatile>") : LOG.index("    </ecc_errors>")]
    plain = "      <single_bit>7</single_bit>\n      <double_bit>2</double_bit>\n"
    busy, idle = read(VENDOR, {"ixsmi -q -x": LOG.replace(volatile, plain)})
    assert (busy.ecc_uncorrected, idle.ecc_uncorrected) == (2, None)


def test_the_log() -> None:
    busy, idle = read(VENDOR, {"ixsmi -q -x": LOG})
    assert (busy.index, busy.pci, busy.uuid) == (
        0,
        "0000:0c:00.0",
        "GPU-00000000-0000-0000-0000-00000000000a",
    )
    assert (busy.name, busy.driver, busy.runtime) == ("Iluvatar MR-V100", "4.3.0", "10.2")
    assert (busy.memory_mib, busy.memory_used_mib, busy.util_pct) == (32768, 27780, 12)
    assert (busy.temp_c, busy.temp_memory_c) == (44, None)
    assert (busy.power_w, busy.power_limit_w, busy.clock_mhz) == (37.5, 150, 1500)
    assert busy.pcie == Pcie(gen=3, width=8, gen_max=4, width_max=16)
    assert (busy.ecc_uncorrected, busy.fan_pct) == (1, None)
    assert busy.processes == [CardProcess(pid=4711, memory_mib=27700, command="python3")]
    assert (idle.index, idle.power_w, idle.memory_used_mib, idle.processes) == (1, None, 0, [])


def test_a_log_that_leaves_cards_out_numbers_by_minor() -> None:
    cards = read(VENDOR, {"ixsmi -q -x": LOG.replace("<attached_gpus>2", "<attached_gpus>8")})
    assert [card.index for card in cards] == [0, None]
    assert cards[0].throttle is None


def test_the_spellings_of_nvidias_log() -> None:
    log = LOG.replace("memory_usage>", "fb_memory_usage>").replace(
        "<gpu_power_draw>37.5 W</gpu_power_draw>",
        "<power_draw>N/A</power_draw><average_power_draw>38.5 W</average_power_draw>",
    )
    reasons = """<clocks_event_reasons>
      <clocks_event_reason_gpu_idle>Active</clocks_event_reason_gpu_idle>
      <clocks_event_reason_hw_thermal_slowdown>Active</clocks_event_reason_hw_thermal_slowdown>
      <clocks_event_reason_sw_thermal_slowdown>Not Active</clocks_event_reason_sw_thermal_slowdown>
      <clocks_event_reason_sw_power_cap>Not Active</clocks_event_reason_sw_power_cap>
    </clocks_event_reasons><clocks>"""
    busy, _ = read(VENDOR, {"ixsmi -q -x": log.replace("<clocks>", reasons, 1)})
    assert (busy.memory_used_mib, busy.power_w, busy.throttle) == (27780, 38.5, ["thermal"])


@pytest.mark.parametrize("question", [CSV, OLD_CSV])
def test_the_query_with_the_table_behind_it(question: str) -> None:
    first, second = read(VENDOR, {question: ROWS, "ixsmi": TABLE})
    assert (first.memory_used_mib, first.power_w) == (28001, None)
    assert (second.power_w, second.pci, second.driver) == (103, "0000:16:00.0", "4.3.0")


def test_the_query_alone() -> None:
    cards = read(VENDOR, {CSV: ROWS})
    assert [(c.index, c.util_pct, c.temp_c, c.power_limit_w) for c in cards] == [
        (0, 97, 35, None),
        (1, 0, 34, 350),
    ]


def test_a_log_with_entities_is_refused() -> None:
    bomb = LOG.replace("<ixsmi_log>", '<!ENTITY a "aaaa"><ixsmi_log>')
    assert read_spoiled(VENDOR, {"ixsmi -q -x": bomb}) == []


def test_no_driver() -> None:
    words = "IX-SMI has failed because it couldn't communicate with the Iluvatar driver."
    report = VENDOR.read_tool(failing("ixsmi", stderr=words, exit_status=9), None)
    assert (report.answer, report.message) == ("no_driver", words)


@pytest.mark.parametrize(("class_id", "ours"), [("120000", True), ("060400", False)])
def test_cards_on_the_bus(class_id: str, ours: bool) -> None:
    function = PciDevice(
        address="0000:15:00.0", vendor_id="1e3e", device_id="0002", class_id=class_id
    )
    assert VENDOR.owns(function) is ours


@pytest.mark.parametrize("nothing", UNREADABLE)
@pytest.mark.parametrize(
    ("shown", "field"),
    [
        ("30%", "fan_pct"),
        ("34C", "temp_c"),
        ("103W", "power_w"),
        ("350W", "power_limit_w"),
        ("64MiB", "memory_used_mib"),
        ("1400MHz", "clock_mhz"),
    ],
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    table = TABLE.replace(shown, nothing.ljust(len(shown)))
    first, second = read(VENDOR, {"ixsmi": table})
    assert getattr(second, field) is None
    assert (first.temp_c, first.memory_used_mib, first.util_pct) == (35, 28001, 97)


@given(data=st.data(), question=st.sampled_from(("ixsmi", "ixsmi -q -x", CSV)))
def test_spoiled_answers_do_no_harm(data: st.DataObject, question: str) -> None:
    text = {"ixsmi": TABLE, "ixsmi -q -x": LOG, CSV: ROWS}[question]
    text = data.draw(spoiled(text))
    assert_printed(read_spoiled(VENDOR, {question: text}), text)


@needs_captures
def test_captures() -> None:
    first, second = replay(VENDOR, "bi150x2-4.3.8")
    assert (first.power_w, second.power_w, second.power_limit_w) == (None, 104, 350)
    assert (first.temp_c, second.temp_c, first.clock_mhz) == (40, 39, 1500)
    assert [c.index for c in replay(VENDOR, "bi100-3.0.1")] == [0, 7]
    (contained,) = replay(VENDOR, "bi150s-container")
    assert (contained.runtime, contained.power_w, contained.memory_used_mib) == (None, None, 114)
