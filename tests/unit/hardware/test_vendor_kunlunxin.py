"""Kunlunxin: xpu-smi's lines, table, XML and list; and Intel's tool of the same name."""

from __future__ import annotations

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
from appliance.hardware.vendors.base import ABSENT, PciDevice
from appliance.hardware.vendors.kunlunxin import Kunlunxin

VENDOR = Kunlunxin()

LINES = """\
00000000:03:00.0 0 0 SN0000000001 51 0 47 0 212 1450 1450 1450 1450 1450 1450 2 96 90440 98304 83 \
1.0:2.6:1.39.1.7 "P800 OAM" 0 0 0 0 0 0 0 0 0 0
00000000:83:00.0 1 1 SN0000000002 39 0 40 0 86 1300 1450 1450 1450 1450 1450 0 96 0 98304 0 \
1.0:2.6:1.39.1.7 "P800 OAM" 0 0 0 0 0 0 0 0 0 0
"""

TABLE = """\
Thu Sep 10 08:18:37 2026
+-----------------------------------------------------------------------------+
| XPU-SMI               Driver Version: 5.19.0.0     XPU-RT Version: 5.19.0   |
|-------------------------------+----------------------+----------------------+
| XPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | XPU-Util  Compute M. |
|                               |             L3-Usage |            SR-IOV M. |
|===============================+======================+======================|
|   0  P800 OAM           N/A   | 00000000:03:00.0 N/A |                    0 |
| N/A   51C  N/A    212W / 400W |  90440MiB / 98304MiB |     83%      Default |
|                               |      2MiB /    96MiB |             Disabled |
+-------------------------------+----------------------+----------------------+
|   1  P800 OAM           N/A   | 00000000:83:00.0 N/A |                    5 |
| N/A   39C  N/A     86W / 400W |      0MiB / 98304MiB |      0%      Default |
|                               |      0MiB /    96MiB |             Disabled |
+-------------------------------+----------------------+----------------------+

+-----------------------------------------------------------------------------+
| Processes:                                                                  |
|  XPU   XI   CI        PID   Type   Process name                  XPU Memory |
|        ID   ID                                                   Usage      |
|=============================================================================|
|    0   N/A  N/A    104242      C   python3 -m vllm.entrypoints     90420MiB |
+-----------------------------------------------------------------------------+
"""

LOG = """\
<?xml version="1.0" ?>
<xpu_smi_log>
  <driver_version>5.0.21.26</driver_version>
  <xpu_rt_version>10.2</xpu_rt_version>
  <attached_xpus>1</attached_xpus>
  <xpu id="00000000:01:00.0">
    <product_name>P800 PCIe</product_name>
    <uuid>GPU-00000000-0000-0000-0000-00000000000a</uuid>
    <pci>
      <pci_bus_id>00000000:01:00.0</pci_bus_id>
      <pci_xpu_link_info>
        <pcie_gen><max_link_gen>4</max_link_gen><current_link_gen>3</current_link_gen></pcie_gen>
        <link_widths>
          <max_link_width>16x</max_link_width><current_link_width>16x</current_link_width>
        </link_widths>
      </pci_xpu_link_info>
    </pci>
    <memory_usage><total>98304 MiB</total><used>77 MiB</used></memory_usage>
    <l3_usage><total>96 MiB</total><used>1 MiB</used></l3_usage>
    <utilization><xpu_util>4 %</xpu_util></utilization>
    <ecc_errors>
      <volatile>
        <dram_correctable>9</dram_correctable><dram_uncorrectable>1</dram_uncorrectable>
      </volatile>
      <aggregate><dram_uncorrectable>70</dram_uncorrectable></aggregate>
    </ecc_errors>
    <temperature><xpu_temp>46 C</xpu_temp></temperature>
    <power_readings>
      <enforced_power_limit>350.00 W</enforced_power_limit><power_draw>76.00 W</power_draw>
    </power_readings>
    <clocks><cluster>1450 MHz</cluster><cdnn>1400 MHz</cdnn></clocks>
  </xpu>
</xpu_smi_log>
"""

INTELS_TABLE = """\
+-----------+--------------------------------------------------------------------------------------+
| Device ID | Device Information                                                                   |
+-----------+--------------------------------------------------------------------------------------+
| 0         | Device Name: Intel(R) Data Center GPU Flex 170                                       |
|           | PCI BDF Address: 0000:4d:00.0                                                        |
+-----------+--------------------------------------------------------------------------------------+
"""


@pytest.mark.parametrize("program", ["xpu-smi", "xpu_smi"])
def test_the_machine_readable_lines(program: str) -> None:
    busy, idle = read(VENDOR, {f"{program} -m": LINES})
    assert (busy.index, busy.name, busy.pci) == (0, "P800 OAM", "0000:03:00.0")
    assert (busy.temp_c, busy.temp_memory_c, busy.power_w) == (51, 47, 212)
    assert (busy.memory_used_mib, busy.memory_mib, busy.util_pct) == (90440, 98304, 83)
    assert (idle.index, idle.clock_mhz, idle.memory_used_mib) == (1, 1300, 0)
    assert (idle.driver, idle.power_limit_w, idle.processes) == (None, None, None)


@pytest.mark.parametrize("indent", ["", "    "])
def test_the_table(indent: str) -> None:
    text = "".join(indent + line for line in TABLE.splitlines(keepends=True))
    busy, idle = read(VENDOR, {"xpu-smi": text})
    assert (busy.name, busy.driver, busy.runtime) == ("P800 OAM", "5.19.0.0", "5.19.0")
    assert (busy.power_w, busy.power_limit_w, busy.fan_pct) == (212, 400, None)
    assert (busy.memory_used_mib, busy.memory_mib) == (90440, 98304)
    assert busy.processes == [
        CardProcess(pid=104242, memory_mib=90420, command="python3 -m vllm.entrypoints")
    ]
    assert (idle.ecc_uncorrected, idle.util_pct, idle.processes) == (5, 0, [])


def test_the_table_adds_driver_and_limit_to_the_lines() -> None:
    busy, idle = read(VENDOR, {"xpu-smi -m": LINES, "xpu-smi": TABLE})
    assert (busy.driver, busy.power_limit_w, busy.temp_memory_c) == ("5.19.0.0", 400, 47)
    assert (idle.ecc_uncorrected, idle.clock_mhz) == (5, 1300)


def test_the_log_alone() -> None:
    (card,) = read(VENDOR, {"xpu-smi -q -x": LOG})
    assert (card.name, card.pci, card.driver) == ("P800 PCIe", "0000:01:00.0", "5.0.21.26")
    assert (card.index, card.uuid) == (0, "GPU-00000000-0000-0000-0000-00000000000a")
    assert (card.memory_mib, card.memory_used_mib, card.util_pct) == (98304, 77, 4)
    assert (card.temp_c, card.power_w, card.power_limit_w) == (46, 76, 350)
    assert (card.clock_mhz, card.ecc_uncorrected, card.runtime) == (1450, 1, "10.2")
    assert card.pcie == Pcie(gen=3, width=16, gen_max=4, width_max=16)


def test_the_list_alone() -> None:
    text = "XPU 0: P800 OAM (UUID: GPU-0000000a)\nXPU 1: P800 OAM (UUID: GPU-0000000b)\n"
    cards = read(VENDOR, {"xpu-smi -L": text})
    assert [(c.index, c.name, c.uuid) for c in cards] == [
        (0, "P800 OAM", "GPU-0000000a"),
        (1, "P800 OAM", "GPU-0000000b"),
    ]


def test_intels_tool_of_the_same_name_tells_nothing() -> None:
    answers = {f"xpu-smi{question}": INTELS_TABLE for question in ("", " -m", " -q -x", " -L")}
    assert read_spoiled(VENDOR, answers) == []


def test_without_a_card_on_the_bus_the_tool_is_not_asked() -> None:
    assert VENDOR.read_tool(asking({"xpu-smi": TABLE}), []) == ABSENT


def test_no_driver() -> None:
    ask = failing("xpu-smi", stderr="Failed to initialize XPUML: driver not loaded")
    assert VENDOR.read_tool(ask, None).answer == "no_driver"


@pytest.mark.parametrize(
    ("vendor_id", "device_id", "class_id", "ours"),
    [
        ("1d22", "3688", "120000", True),
        ("2057", "3686", "120000", True),
        ("1d22", "1380", "010802", False),
        ("8086", "56c0", "038000", False),
    ],
)
def test_cards_on_the_bus(vendor_id: str, device_id: str, class_id: str, ours: bool) -> None:
    function = PciDevice(
        address="0000:03:00.0", vendor_id=vendor_id, device_id=device_id, class_id=class_id
    )
    assert VENDOR.owns(function) is ours


@pytest.mark.parametrize("nothing", UNREADABLE)
@pytest.mark.parametrize(
    ("shown", "field"),
    [("51C", "temp_c"), ("212W", "power_w"), ("83%", "util_pct"), ("90440MiB", "memory_used_mib")],
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    busy, idle = read(VENDOR, {"xpu-smi": TABLE.replace(shown, nothing.ljust(len(shown)), 1)})
    assert getattr(busy, field) is None
    assert (idle.temp_c, idle.power_w, idle.util_pct, idle.memory_used_mib) == (39, 86, 0, 0)


@given(data=st.data(), question=st.sampled_from(("xpu-smi", "xpu-smi -m", "xpu-smi -q -x")))
def test_spoiled_answers_do_no_harm(data: st.DataObject, question: str) -> None:
    answers = {"xpu-smi": TABLE, "xpu-smi -m": LINES, "xpu-smi -q -x": LOG}
    text = data.draw(spoiled(answers[question]))
    assert_printed(read_spoiled(VENDOR, {question: text}), text)


@pytest.mark.parametrize("nothing", ["N/A", "-", "?", "9044G", "4294967295"])
def test_an_unreadable_field_of_a_line_is_none(nothing: str) -> None:
    busy, idle = read(VENDOR, {"xpu-smi -m": LINES.replace(" 90440 ", f" {nothing} ")})
    assert (busy.memory_used_mib, busy.memory_mib, idle.memory_used_mib) == (None, 98304, 0)


@needs_captures
def test_captures() -> None:
    cards = replay(VENDOR, "p800x8-5.0.21")
    assert [card.temp_c for card in cards] == [38, 40, 45, 44, 49, 41, 43, 42]
    assert {(c.name, c.memory_mib, c.power_limit_w) for c in cards} == {("P800 OAM", 98304, 400)}
    first, second = replay(VENDOR, "p800x2-machine-readable")
    assert (first.temp_c, second.temp_c, first.memory_used_mib) == (36, 39, 90440)
    assert (first.pci, first.util_pct, first.power_w) == ("0000:03:00.0", 0, 86)
