from __future__ import annotations

import pytest
from tool_answers import asking, failing

from appliance.core.sample import CardProcess, Pcie
from appliance.hardware.vendors import nvidia_forms as forms
from appliance.hardware.vendors.base import PciDevice, Reading, ToolAnswer
from appliance.hardware.vendors.nvidia import Nvidia, read_xids

XML_CARD = """\
  <gpu id="00000000:{bus}:00.0">
    <product_name>NVIDIA H100 80GB HBM3</product_name>
    <minor_number>{minor}</minor_number>
    <uuid>GPU-aaaaaaaa-0000-4000-8000-0000000000{bus}</uuid>
    <mig_mode><current_mig>Enabled</current_mig></mig_mode>
    <mig_devices><mig_device/><mig_device/></mig_devices>
    <pci>
      <pci_bus_id>00000000:{bus}:00.0</pci_bus_id>
      <pci_gpu_link_info>
        <pcie_gen><max_link_gen>5</max_link_gen><current_link_gen>4</current_link_gen></pcie_gen>
        <link_widths><max_link_width>16x</max_link_width><current_link_width>8x</current_link_width></link_widths>
      </pci_gpu_link_info>
    </pci>
    <fan_speed>N/A</fan_speed>
    <clocks_event_reasons>
      <clocks_event_reason_gpu_idle>Active</clocks_event_reason_gpu_idle>
      <clocks_event_reason_sw_power_cap>Active</clocks_event_reason_sw_power_cap>
      <clocks_event_reason_hw_thermal_slowdown>Active</clocks_event_reason_hw_thermal_slowdown>
      <clocks_event_reason_sw_thermal_slowdown>Active</clocks_event_reason_sw_thermal_slowdown>
      <clocks_event_reason_sync_boost>Not Active</clocks_event_reason_sync_boost>
    </clocks_event_reasons>
    <fb_memory_usage><total>81559 MiB</total><used>1024 MiB</used></fb_memory_usage>
    <bar1_memory_usage><total>131072 MiB</total><used>7 MiB</used></bar1_memory_usage>
    <utilization><gpu_util>97 %</gpu_util><memory_util>55 %</memory_util></utilization>
    <ecc_errors>
      <volatile>
        <sram_correctable>9</sram_correctable>
        <sram_uncorrectable_parity>1</sram_uncorrectable_parity>
        <sram_uncorrectable_secded>N/A</sram_uncorrectable_secded>
        <dram_uncorrectable>2</dram_uncorrectable>
      </volatile>
      <aggregate><dram_uncorrectable>50</dram_uncorrectable></aggregate>
    </ecc_errors>
    <temperature>
      <gpu_temp>60 C</gpu_temp>
      <gpu_temp_tlimit>27 C</gpu_temp_tlimit>
      <gpu_temp_max_tlimit_threshold>-8 C</gpu_temp_max_tlimit_threshold>
      <gpu_temp_slow_tlimit_threshold>-2 C</gpu_temp_slow_tlimit_threshold>
      <memory_temp>71 C</memory_temp>
    </temperature>
    <gpu_power_readings>
      <power_state>Requested functionality has been deprecated</power_state>
      <average_power_draw>401.00 W</average_power_draw>
      <instant_power_draw>412.50 W</instant_power_draw>
      <current_power_limit>700.00 W</current_power_limit>
    </gpu_power_readings>
    <module_power_readings><power_draw>999.00 W</power_draw></module_power_readings>
    <clocks><graphics_clock>1755 MHz</graphics_clock><mem_clock>2619 MHz</mem_clock></clocks>
    <max_clocks><graphics_clock>1980 MHz</graphics_clock></max_clocks>
    <processes>
      <process_info>
        <pid>4711</pid><process_name>/opt/engine</process_name><used_memory>900 MiB</used_memory>
      </process_info>
    </processes>
  </gpu>
"""
XML = (
    '<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">\n'
    "<nvidia_smi_log>\n<driver_version>570.10</driver_version><cuda_version>12.8</cuda_version>\n"
    "<attached_gpus>2</attached_gpus>\n"
    + XML_CARD.format(bus="53", minor=0)
    + XML_CARD.format(bus="64", minor=1)
    + "</nvidia_smi_log>\n"
)


def test_xml() -> None:
    first, second = forms.read_xml(XML)
    assert first == Reading(
        index=0,
        name="NVIDIA H100 80GB HBM3",
        uuid="GPU-aaaaaaaa-0000-4000-8000-000000000053",
        pci="0000:53:00.0",
        memory_mib=81559,
        driver="570.10",
        runtime="12.8",
        arch="sm_90",
        notes=["MIG enabled, 2 instances"],
        util_pct=97.0,
        memory_used_mib=1024,
        temp_c=60.0,
        temp_memory_c=71.0,
        power_w=412.5,
        power_limit_w=700.0,
        clock_mhz=1755.0,
        throttle=["power", "thermal"],
        ecc_uncorrected=3,
        pcie=Pcie(gen=4, width=8, gen_max=5, width_max=16),
        processes=[CardProcess(pid=4711, memory_mib=900, command="/opt/engine")],
        temp_warn_c=89.0,
        temp_critical_c=95.0,
        temp_margin_c=27.0,
    )
    assert second.index == 1


def test_a_document_cut_off_keeps_its_whole_cards() -> None:
    cut = XML[: XML.index("0000:64") + 400]
    (card,) = forms.read_xml(cut)
    assert card.uuid == "GPU-aaaaaaaa-0000-4000-8000-000000000053"
    assert card.driver == "570.10"
    assert card.index == 0  # its own number: of two attached only one is here


def test_a_lost_card_says_so() -> None:
    lost = XML.replace("97 %", "[GPU is lost]").replace("60 C", "[GPU is lost]")
    assert {card.state for card in forms.read_xml(lost)} == {"lost"}
    assert {card.temp_c for card in forms.read_xml(lost)} == {None}


@pytest.mark.parametrize(
    ("word", "state"),
    [("[GPU is lost]", "lost"), ("[Unknown Error]", "no_answer"), ("[N/A]", "ok")],
)
def test_a_line_of_errors(word: str, state: str) -> None:
    first, second = forms.read_csv(
        CSV_LINE.format(i=0, bus="21")
        + f"1, GPU-1, NVIDIA L40S, 00000000:A1:00.0, 550.1, {', '.join([word] * 12)}\n"
    )
    assert (first.state, second.state) == ("ok", state)
    assert second.pci == "0000:a1:00.0"


def test_the_kernel_log_is_read_where_no_bus_is_known() -> None:
    report = Nvidia().read_tool(asking({"nvidia-smi -q -x": XML, "dmesg -T": DMESG}), None)
    assert [card.state for card in report.readings] == ["ok", "ok", "no_answer", "lost"]


def test_absolute_limits_of_older_cards() -> None:
    old = XML.replace("gpu_temp_max_tlimit_threshold>-8", "gpu_temp_max_threshold>92").replace(
        "gpu_temp_slow_tlimit_threshold>-2", "gpu_temp_slow_threshold>89"
    )
    old = old.replace("<gpu_temp_tlimit>27 C", "<gpu_temp_tlimit>N/A")
    old = old.replace("tlimit_threshold>", "threshold>")
    card = forms.read_xml(old)[0]
    assert (card.temp_warn_c, card.temp_critical_c, card.temp_margin_c) == (89.0, 92.0, None)


Q = """
==============NVSMI LOG==============

Timestamp                                 : Fri Jun 21 02:03:08 2024
Driver Version                            : 535.00
CUDA Version                              : 12.2

Attached GPUs                             : 1
GPU 00000000:9B:00.0
    Product Name                          : NVIDIA A100-SXM4-80GB
    MIG Mode
        Current                           : Disabled
    GPU UUID                              : GPU-bbbbbbbb-0000-4000-8000-000000000001
    Minor Number                          : 4
    PCI
        Bus Id                            : 00000000:9B:00.0
        GPU Link Info
            PCIe Generation
                Max                       : 4
                Current                   : 4
            Link Width
                Max                       : 16x
                Current                   : 16x
    Fan Speed                             : N/A
    Clocks Throttle Reasons
        Idle                              : Not Active
        SW Power Cap                      : Not Active
        HW Slowdown                       : Active
            HW Thermal Slowdown           : Not Active
            HW Power Brake Slowdown       : Active
    FB Memory Usage
        Total                             : 81920 MiB
        Reserved                          : 600 MiB
        Used                              : 0 MiB
    BAR1 Memory Usage
        Total                             : 131072 MiB
        Used                              : 1 MiB
    Utilization
        Gpu                               : 0 %
        Memory                            : 0 %
    ECC Errors
        Volatile
            Single Bit
                Total                     : 3
            Double Bit
                Total                     : 1
    Temperature
        GPU Current Temp                  : 36 C
        GPU T.Limit Temp                  : N/A
        GPU Shutdown Temp                 : 92 C
        GPU Slowdown Temp                 : 89 C
        Memory Current Temp               : 40 C
    Power Readings
        Power Draw                        : 61.20 W
        Enforced Power Limit              : 400.00 W
    Clocks
        Graphics                          : 210 MHz
    Max Clocks
        Graphics                          : 1410 MHz
    Processes
        GPU instance ID                   : N/A
        Process ID                        : 58130
            Type                          : C
            Name                          : /usr/bin/python
            Used GPU Memory               : 20322 MiB
"""


def test_q_text() -> None:
    (card,) = forms.read_q(Q)
    assert (card.index, card.pci, card.arch) == (0, "0000:9b:00.0", "sm_80")
    assert (card.memory_mib, card.memory_used_mib, card.util_pct) == (81920, 0, 0.0)
    assert (card.temp_c, card.temp_memory_c, card.power_w, card.power_limit_w) == (
        36,
        40,
        61.2,
        400,
    )
    assert card.throttle == ["hw_slowdown", "power_brake"]
    assert card.ecc_uncorrected == 1
    assert (card.temp_warn_c, card.temp_critical_c) == (89.0, 92.0)
    assert card.processes == [CardProcess(pid=58130, memory_mib=20322, command="/usr/bin/python")]
    assert card.fan_pct is None
    assert card.notes == []


CSV_LINE = (
    "{i}, GPU-cccccccc-0000-4000-8000-00000000000{i}, NVIDIA L40S, 00000000:{bus}:00.0, 550.1, "
    "34, N/A, 34.71, 350.00, 0, 0, 3, 46068, 0, 0x0000000000000001, P8, [N/A]\n"
)
CSV = CSV_LINE.format(i=0, bus="21") + CSV_LINE.format(i=2, bus="a1")


def test_one_line_a_card() -> None:
    first, third = forms.read_csv(CSV)
    assert (first.index, third.index) == (0, 2)
    assert (first.temp_c, first.temp_memory_c, first.fan_pct) == (34.0, None, None)
    assert (first.power_w, first.power_limit_w, first.memory_used_mib) == (34.71, 350.0, 3)
    assert first.throttle == []
    assert first.ecc_uncorrected == 0


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ("0x0000000000000000", []), ("0x0000000000000001", []), ("0x0000000000000102", []),
        ("0x0000000000000004", ["power"]), ("0x0000000000000060", ["thermal"]),
        ("0x0000000000000088", ["hw_slowdown", "power_brake"]), ("[N/A]", None),
        ("[Not Supported]", None), ("4", None),
    ],
)  # fmt: skip
def test_throttle_masks(mask: str, words: list[str] | None) -> None:
    assert forms.read_csv(CSV.replace("0x0000000000000001", mask))[0].throttle == words


TABLE = """\
Mon Jan 20 10:18:26 2025
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 550.90.07              Driver Version: 550.90.07      CUDA Version: 12.4     |
|-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |
|                                         |                        |               MIG M. |
|=========================================+========================+======================|
|   0  NVIDIA A100-SXM...             On  |   00000000:19:00.0 Off |                    0 |
| N/A   27C    P0             72W /  400W |       1MiB /  81920MiB |      0%      Default |
|                                         |                        |             Disabled |
+-----------------------------------------+------------------------+----------------------+
|   1  NVIDIA GeForce RTX 3090       Off  |   00000000:3B:00.0  On |                  N/A |
|ERR!   ERR!  P8            N/A /   N/A   |    ERR! /  24576MiB    |     N/A      Default |
|                                         |                        |                  N/A |
+-----------------------------------------+------------------------+----------------------+

+-----------------------------------------------------------------------------------------+
| Processes:                                                                              |
|  GPU   GI   CI        PID   Type   Process name                              GPU Memory |
|=========================================================================================|
|    0   N/A  N/A      3021      C   python                                        900MiB |
+-----------------------------------------------------------------------------------------+
"""
OLD_TABLE = """\
+-----------------------------------------------------------------------------+
| NVIDIA-SMI 450.51.06    Driver Version: 450.51.06    CUDA Version: 11.0     |
|-------------------------------+----------------------+----------------------+
| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | GPU-Util  Compute M. |
|===============================+======================+======================|
|   0  Tesla T4            Off  | 00000000:00:1E.0 Off |                    0 |
| N/A   40C    P0    26W /  70W |   1032MiB / 15109MiB |      5%      Default |
+-------------------------------+----------------------+----------------------+
|   1  GeForce RTX 208...  On   | 00000000:00:1F.0 Off |                  N/A |
| 28%   40C    P8   ERR! / 250W |     11MiB / 11019MiB |      0%      Default |
+-------------------------------+----------------------+----------------------+
|   2  GeForce RTX 208...  ERR! | 00000000:00:20.0 Off |                 ERR! |
|ERR!  ERR! ERR!    ERR! / ERR! |  GPU is lost         |     ERR!        ERR! |
+-------------------------------+----------------------+----------------------+
"""
LISTED = """\
GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-dddddddd-0000-4000-8000-000000000000)
  MIG 3g.40gb     Device  0: (UUID: MIG-eeeeeeee-0000-4000-8000-000000000000)
GPU 1: NVIDIA GeForce RTX 3090 (UUID: GPU-dddddddd-0000-4000-8000-000000000001)
"""


def test_the_table_with_the_list() -> None:
    answers = {"nvidia-smi": TABLE, "nvidia-smi -L": LISTED}
    report = Nvidia().read_tool(asking(answers), None)
    first, second = report.readings
    assert first.name == "NVIDIA A100-SXM4-80GB"
    assert first.uuid == "GPU-dddddddd-0000-4000-8000-000000000000"
    assert (first.index, first.pci, first.driver, first.runtime) == (
        0, "0000:19:00.0", "550.90.07", "12.4",
    )  # fmt: skip
    assert (first.temp_c, first.power_w, first.power_limit_w) == (27.0, 72.0, 400.0)
    assert (first.memory_used_mib, first.memory_mib, first.util_pct) == (1, 81920, 0.0)
    assert second.memory_mib == 24576
    assert first.processes == [CardProcess(pid=3021, memory_mib=900, command="python")]
    unreadable = (second.temp_c, second.fan_pct, second.power_w, second.memory_used_mib)
    assert unreadable == (None, None, None, None)
    assert (second.util_pct, second.ecc_uncorrected) == (None, None)


def test_an_older_and_narrower_table() -> None:
    first, second, third = forms.read_table(OLD_TABLE)
    assert (first.name, first.memory_mib, first.memory_used_mib) == ("Tesla T4", 15109, 1032)
    assert (first.util_pct, first.power_w, first.temp_c, first.fan_pct) == (5, 26, 40, None)
    assert (second.fan_pct, second.power_w, second.power_limit_w) == (28, None, 250)
    assert (third.state, third.temp_c, third.memory_mib) == ("lost", None, None)


def test_the_list_alone() -> None:
    readings = Nvidia().read_tool(asking({"nvidia-smi -L": LISTED}), None).readings
    assert [(card.index, card.name) for card in readings] == [
        (0, "NVIDIA A100-SXM4-80GB"),
        (1, "NVIDIA GeForce RTX 3090"),
    ]


# -- cards that are gone -----------------------------------------------------------------------

LOST_LINE = "Unable to determine the device handle for GPU3: 0000:5F:00.0: Unknown Error\n"
DMESG = """\
[Sun Mar 29 19:20:37 2026] NVRM: GPU at PCI:0000:9b:00: GPU-ffffffff-0000-4000-8000-00000000009b
[Sun Mar 29 19:20:37 2026] NVRM: Xid (PCI:0000:9b:00): 119, pid=1, Timeout waiting for RPC
[Sun Mar 29 19:20:37 2026] NVRM: Xid (PCI:0000:5f:00): 79, GPU has fallen off the bus.
[Sun Mar 29 19:20:38 2026] NVRM: Xid (PCI:0000:17:00): 31, pid=2, MMU Fault
[Sun Mar 29 19:20:39 2026] usb 1-1: new device
"""


def test_the_tool_names_a_lost_card() -> None:
    argv = ("nvidia-smi", f"--query-gpu={forms.CSV_FIELDS}", "--format=csv,noheader,nounits")

    def ask(*asked: str) -> ToolAnswer | None:
        if asked != argv:
            return None
        return ToolAnswer(argv=asked, exit=0, stdout=CSV, stderr=LOST_LINE)

    report = Nvidia().read_tool(ask, None)
    assert report.answer == "ok"
    assert report.readings[2:] == [Reading(index=3, pci="0000:5f:00.0", state="lost")]


def test_the_kernel_log_explains_silence() -> None:
    report = Nvidia().read_tool(asking({"dmesg -T": DMESG}), None)
    states = {card.pci: card.state for card in report.readings}
    assert states == {"0000:9b:00.0": "no_answer", "0000:5f:00.0": "lost"}
    silent = next(card for card in report.readings if card.pci == "0000:9b:00.0")
    assert silent.uuid == "GPU-ffffffff-0000-4000-8000-00000000009b"
    assert silent.notes == ["Xid 119: pid=1, Timeout waiting for RPC"]


def test_the_kernel_log_is_old_news_about_cards_that_answer() -> None:
    xml = XML.replace("00000000:53", "00000000:5F").replace("00000000:64", "00000000:9B")
    bus = [
        PciDevice(address=place, vendor_id="10de", device_id="2330", class_id="030200")
        for place in ("0000:5f:00.0", "0000:9b:00.0", "0000:aa:00.0")
    ]
    report = Nvidia().read_tool(asking({"nvidia-smi -q -x": xml, "dmesg -T": DMESG}), bus)
    assert [card.state for card in report.readings] == ["ok", "ok"]


def test_xids() -> None:
    assert [(xid.pci, xid.number) for xid in read_xids(DMESG)] == [
        ("0000:9b:00.0", 119),
        ("0000:5f:00.0", 79),
        ("0000:17:00.0", 31),
    ]


@pytest.mark.parametrize(
    "words",
    [
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure",
        "Failed to initialize NVML: Driver/library version mismatch",
    ],
)
def test_no_driver(words: str) -> None:
    report = Nvidia().read_tool(failing("nvidia-smi", stderr=words, exit_status=9), None)
    assert report.answer == "no_driver"
    assert report.message == words


def test_no_answer_and_no_tool() -> None:
    hung = failing("nvidia-smi", stderr="", exit_status=None)
    assert Nvidia().read_tool(hung, None).answer == "no_answer"
    assert Nvidia().read_tool(asking({}), None).answer == "absent"


@pytest.mark.parametrize(
    ("name", "arch"),
    [
        ("NVIDIA H200", "sm_90"), ("NVIDIA L4", "sm_89"), ("Tesla T4", "sm_75"),
        ("NVIDIA A100-SXM4-80GB", "sm_80"), ("NVIDIA A10G", "sm_86"), ("NVIDIA B200", "sm_100"),
        ("NVIDIA GeForce RTX 4090", "sm_89"), ("Tesla V100-SXM2-32GB", "sm_70"),
        ("NVIDIA RTX A4000", "sm_86"), ("NVIDIA GB10", "sm_121"), ("Tesla P40", "sm_61"),
        ("NVIDIA RTX 6000 Ada Generation", "sm_89"), ("NVIDIA GeForce RTX 5090", "sm_120"),
        ("Something new", None), (None, None),
    ],
)  # fmt: skip
def test_architectures(name: str | None, arch: str | None) -> None:
    assert forms.arch_of(name) == arch
