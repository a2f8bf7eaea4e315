"""Huawei Ascend: npu-smi's table over the years, its mapping, its questions about one card."""

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

from appliance.core.inventory import Link
from appliance.core.sample import CardProcess
from appliance.hardware.vendors.ascend import Ascend
from appliance.hardware.vendors.base import PciDevice, ToolAnswer

VENDOR = Ascend()
INFO = "npu-smi info"

BANNER = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 25.3.0                   Version: 25.3.0.1                                             |
+---------------------------+---------------+----------------------------------------------------+
"""

A2 = (
    BANNER
    + """\
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 2     910B3               | OK            | 131.4       48                0    / 0             |
| 0                         | 0000:C1:00.0  | 67          0    / 0          35738/ 65536         |
+===========================+===============+====================================================+
| 5     910B3               | Alarm         | NA          91                0    / 0             |
| 0                         | 0000:01:00.0  | 0           0    / 0          3411 / 65536         |
+===========================+===============+====================================================+
+---------------------------+---------------+----------------------------------------------------+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
| 2       0                 | 71234         | VLLM::Worker TP          | 31747                   |
| 2       0                 | 71235         |                          | 617                     |
+===========================+===============+====================================================+
| No running processes found in NPU 5                                                            |
+===========================+===============+====================================================+
"""
)

A3 = (
    BANNER
    + """\
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 3     Ascend910           | OK            | 180.5       37                0    / 0             |
| 0     6                   | 0000:0A:00.0  | 12          0    / 0          3390 / 65536         |
+------------------------------------------------------------------------------------------------+
| 3     Ascend910           | OK            | -           36                0    / 0             |
| 1     7                   | 0000:0C:00.0  | 0           0    / 0          3180 / 65536         |
+===========================+===============+====================================================+
"""
)

DUO = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 23.0.0                                   Version: 23.0.0                               |
+-------------------------------+-----------------+----------------------------------------------+
| NPU     Name                  | Health          | Power(W)     Temp(C)   Hugepages-Usage(page) |
| Chip    Device                | Bus-Id          | AICore(%)    Memory-Usage(MB)                |
+===============================+=================+==============================================+
| 24      310P3                 | OK              | NA           41                0     / 0     |
| 0       0                     | 0000:04:00.0    | 8            1832 / 44280                    |
+-------------------------------+-----------------+----------------------------------------------+
| 24      310P3                 | Warning         | NA           43                0     / 0     |
| 1       1                     | 0000:04:00.0    | 0            1311 / 43693                    |
+===============================+=================+==============================================+
"""

DUO_MAPPING = """\
NPU ID                   Chip ID                  Chip Logic ID            Chip Name
24                       0                        0                        Ascend 310P3
24                       1                        1                        Ascend 310P3
24                       2                        -                        Mcu
"""

DUO_COMMON = """\
NPU ID                         : 24
Chip Count                     : 2

Chip ID                        : 0
Aicore Usage Rate(%)           : 8
Aicore curFreq(MHZ)            : 960
Temperature(C)                 : 41

Chip ID                        : 1
Aicore Usage Rate(%)           : 0
Aicore curFreq(MHZ)            : 720
Temperature(C)                 : 43

Chip Name                      : mcu
Temperature(C)                 : 39
NPU Real-time Power(W)         : 47.5
"""

A5 = """\
+-------------------------------------------------------------------------------------------------+
| npu-smi 25.7.rc1                                 Version: 25.7.rc1                              |
+--------+------------------+---------------+-----------------------------------------------------+
| NPU ID | Name             | Health        | Power(W)    Temp(C)           Hugepages-Usage(page) |
|        |                  | Bus-Id        | NPU Util(%) Memory-Usage(MB)  HBM-Usage(MB)         |
+========+==================+===============+=====================================================+
| 0      | Ascend950DT      | OK            | 276.5       69                0     / 0             |
|        |                  | NA            | 99          0    / 0          8824  / 114688        |
+========+==================+===============+=====================================================+
| 3      | Ascend950PR      | UNKNOWN       | 187.1       46                0     / 0             |
|        |                  | 0000:71:00.0  | 0           0    / 0          6620  / 131072        |
+========+==================+===============+=====================================================+
| NPU ID | Process id | Process name | Process memory(MB) | Process id in container               |
+========+==================+===============+=====================================================+
| 3      | 1002       | python       | 512                | 101                                   |
+========+==================+===============+=====================================================+
"""


def test_the_table_of_an_a2() -> None:
    busy, hot = read(VENDOR, {INFO: A2})
    assert (busy.index, busy.name, busy.pci) == (2, "910B3", "0000:c1:00.0")
    assert (busy.driver, busy.arch, busy.health) == ("25.3.0.1", "ascend910b", "ok")
    assert (busy.power_w, busy.temp_c, busy.util_pct) == (131.4, 48, 67)
    assert (busy.memory_used_mib, busy.memory_mib) == (35738, 65536)
    assert busy.processes == [
        CardProcess(pid=71234, memory_mib=31747, command="VLLM::Worker TP"),
        CardProcess(pid=71235, memory_mib=617, command=None),
    ]
    assert (hot.index, hot.health, hot.power_w, hot.processes) == (5, "critical", None, [])


def test_two_dies_of_an_a3_keep_their_own_readings() -> None:
    first, second = read(VENDOR, {INFO: A3})
    assert (first.index, first.pci, first.power_w) == (6, "0000:0a:00.0", 180.5)
    assert (second.index, second.pci, second.power_w) == (7, "0000:0c:00.0", None)
    assert (first.memory_mib, second.memory_used_mib) == (65536, 3180)


PROCESSES = """\
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
| 3       1                 | 71234         | VLLM::Worker TP          | 31747                   |
+===========================+===============+====================================================+
"""


@pytest.mark.parametrize(
    ("table", "idle"),
    [
        (PROCESSES, []),
        (PROCESSES.rpartition("\n+===")[0], None),
        (PROCESSES.replace("71234", "71?34"), None),
    ],
)
def test_a_chip_beside_a_busy_one_has_no_process(table: str, idle: list[object] | None) -> None:
    """Of an NPU that has some the table shows all, unless it is cut off or unreadable."""
    first, second = read(VENDOR, {INFO: A3 + table})
    assert first.processes == idle
    assert (second.processes is None) == ("71234" not in table)


def test_the_card_memory_is_hbm_where_there_is_some() -> None:
    text = A2.replace("0    / 0          35738/ 65536", "1867 / 15077      0    / 32768")
    first = read(VENDOR, {INFO: text})[0]
    assert (first.memory_used_mib, first.memory_mib) == (0, 32768)


def test_an_unreadable_hbm_cell_is_not_made_good_with_ddr() -> None:
    table = A2.replace("0    / 0          3411 / 65536 ", "2931 / 15077      3411 / N/A   ")
    assert table != A2
    assert [card.memory_mib for card in read(VENDOR, {INFO: table})] == [65536, None]
    usages = {
        f"{INFO} -l": "NPU ID : 0\n",
        f"{INFO} -t usages -i 0": "DDR Capacity(MB) : 15077\nHBM Capacity(MB) : NA\n",
    }
    assert [card.memory_mib for card in read(VENDOR, usages)] == [None]


def test_an_a5_without_bus_address_or_chip_column() -> None:
    first, second = read(VENDOR, {INFO: A5})
    assert (first.index, first.name, first.pci) == (0, "Ascend950DT", None)
    assert (first.util_pct, first.memory_used_mib, first.arch) == (99, 8824, "ascend950")
    assert (second.index, second.pci, second.health) == (3, "0000:71:00.0", None)
    assert second.processes == [CardProcess(pid=1002, memory_mib=512, command="python")]


def test_the_power_of_a_board_is_shown_once() -> None:
    first, second = read(
        VENDOR,
        {INFO: DUO, f"{INFO} -m": DUO_MAPPING, f"{INFO} -t common -i 24": DUO_COMMON},
    )
    assert (first.index, first.arch, first.memory_mib) == (0, "ascend310p", 44280)
    assert (first.power_w, second.power_w) == (47.5, None)
    assert first.notes == ["power is of the board, 2 chips"]
    assert (first.clock_mhz, second.clock_mhz, second.temp_c) == (960, 720, 43)
    assert second.health == "warning"


def test_the_mapping_numbers_the_chips_and_finds_those_that_the_table_lost() -> None:
    mapping = (
        "NPU ID   Chip ID   Chip Logic ID   Chip Name\n"
        "2        0         0               Ascend 910B3\n"
        "2        1         -               Mcu\n"
        "5        0         1               Ascend 910B3\n"
        "7        0         2               Ascend 910B3\n"
    )
    cards = read(VENDOR, {INFO: A2, f"{INFO} -m": mapping})
    assert [card.index for card in cards] == [0, 1, 2]
    assert (cards[2].name, cards[2].memory_mib, cards[2].temp_c) == ("Ascend 910B3", None, None)


def test_single_questions_make_a_card_where_there_is_no_table() -> None:
    (card,) = read(
        VENDOR,
        {
            f"{INFO} -l": "Total Count : 1\n\nNPU ID : 4\nProduct Name : Atlas\n",
            f"{INFO} -t common -i 4": (
                "        NPU ID                         : 4\n"
                "        Chip Count                     : 1\n"
                "        Chip ID                        : 0\n"
                "        Aicore Usage Rate(%)           : 6\n"
                "        Aicore Freq(MHZ)               : 1800\n"
                "        Aicore curFreq(MHZ)            : 900\n"
                "        Temperature(C)                 : 46\n"
                "        NPU Real-time Power(W)         : 130.4\n\n"
                "        Chip Name                      : mcu\n"
                "        Temperature(C)                 : 40\n"
                "        NPU Real-time Power(W)         : 12.0\n"
            ),
            f"{INFO} -t usages -i 4": (
                "NPU ID : 4\nChip Count : 1\n\nDDR Capacity(MB) : 0\nDDR Usage Rate(%) : 0\n"
                "HBM Capacity(MB) : 65536\nHBM Usage Rate(%) : 50\nAicore Usage Rate(%) : 6\n"
                "Chip ID : 0\n"
            ),
            f"{INFO} -t memory -i 4": "HBM Capacity(MB) : 65536\nHBM Temperature(C) : 44\n",
            f"{INFO} -t board -i 4 -c 0": (
                "Chip ID : 0\nChip Name : 910B3\nPCIe Bus Info : 0000:41:00.0\n"
                "VDie ID : 0A0B0C0D 11111111 22222222 33333333 44444444\n"
            ),
            f"{INFO} -t health -i 4": "Health : Critical\nError Code : 80E01801\n",
            f"{INFO} -t ecc -i 4": (
                "DDR Double Bit Error Count : 1\nHBM Single Bit Error Count : 9\n"
                "HBM Double Bit Error Count : 2\nHBM Double Bit Aggregate Total Err Cnt : 7\n"
            ),
            f"{INFO} -t sensors -i 4": "Soc Max Temperature (C) : 52\nSFP Temperature (C) : NA\n",
            f"{INFO} -t proc-mem -i 4": (
                "Process id:7  Process name:a b      Process memory(MB):55436\n"
            ),
        },
    )
    assert (card.index, card.name, card.pci) == (4, "910B3", "0000:41:00.0")
    assert card.uuid == "0A0B0C0D 11111111 22222222 33333333 44444444"
    assert (card.power_w, card.temp_c, card.util_pct, card.clock_mhz) == (130.4, 46, 6, 900)
    assert (card.memory_mib, card.memory_used_mib, card.temp_memory_c) == (65536, 32768, 44)
    assert (card.temp_hotspot_c, card.ecc_uncorrected) == (52, 3)
    assert (card.health, card.notes) == ("critical", ["80E01801"])
    assert card.processes == [CardProcess(pid=7, memory_mib=55436, command="a b")]


def test_what_sits_beside_the_chips_of_an_old_board_is_no_card() -> None:
    (card,) = read(
        VENDOR,
        {
            f"{INFO} -m": (
                "NPU ID   Chip ID   Chip Logic ID   Chip Name\n"
                "3   0   0   MiniD\n3   1   -   Mcu\n3   2   -   3559\n"
            ),
            f"{INFO} -t common -i 3": (
                "NPU ID : 3\nChip Count : 1\n\nChip ID : 0\nAicore Usage Rate(%) : 4\n"
                "Rated Power Dissipation(W) : 12.8\n\nChip Name : MCU\nTemperature(C) : 40\n"
                "Power Dissipation(W) : 15.5\n\nChip Name : 3559\nTemperature(C) : 61\n"
                "Power Dissipation(W) : 9.9\n"
            ),
            f"{INFO} -t memory -i 3": "Capacity(MB) : 8192\nClock Speed(MHz) : 1600\n",
            f"{INFO} -t temp -i 3": "NPU Temperature (C) : 52\nChip ID : 0\n\nLM75A_TE (C) : 36\n",
            f"{INFO} -t ecc -i 3": "Single-bit Error Count : 7\nDouble-bit Error Count : 2\n",
            f"{INFO} -t proc-mem -i 3": "        No process in device.\n",
        },
    )
    assert (card.index, card.name, card.arch) == (0, "310", "ascend310")
    assert (card.util_pct, card.temp_c, card.power_w) == (4, 52, 15.5)
    assert (card.memory_mib, card.ecc_uncorrected, card.processes) == (8192, 2, [])


def test_the_watch_is_read_where_nothing_else_is() -> None:
    cards = read(
        VENDOR,
        {
            f"{INFO} watch": (
                "\nNpuID(Idx)  ChipId(Idx) Pwr(W)      Temp(C)     AI Core(%)  Ctrl Cpu(%) "
                "Memory(%)   Memory BW(%)\n"
                "1           0           NA          51          40          16          3"
                "           0\n"
                "1           1           90.4        NA          0           16          3"
                "           0\n"
            )
        },
    )
    assert [(c.power_w, c.temp_c, c.util_pct, c.memory_mib) for c in cards] == [
        (None, 51, 40, None),
        (90.4, None, 0, None),
    ]


def test_links_between_cards() -> None:
    matrix = (
        "           NPU0       NPU1       NPU2       CPU Affinity\n"
        "NPU0       X          HCCS       SYS        0-23\n"
        "NPU1       HCCS       X          NA         0-23\n"
        "NPU2       SYS        NA         X          24-47\n"
        "Legend:\n  X    = Self\n  HCCS = Connection traversing HCCS.\n"
    )
    mapping = (
        "NPU ID   Chip ID   Chip Logic ID   Chip Name\n"
        "2   0   0   Ascend 910B3\n5   0   1   Ascend 910B3\n"
    )
    first, second = read(VENDOR, {INFO: A2, f"{INFO} -m": mapping, f"{INFO} -t topo": matrix})
    assert first.links == [Link(kind="HCCS", peer="#1", state="up")]
    assert second.links == [Link(kind="HCCS", peer="#0", state="up")]


def test_links_of_dies_beside_network_cards() -> None:
    matrix = (
        "           Phy-ID0    Phy-ID1    NIC0         NIC1         \n"
        "Phy-ID0    X          XLink_SW   PIX        NA         \n"
        "Phy-ID1    XLink_SW   X          NA         PIX        \n"
        "NIC0       PIX        NA         X          NA         \n\nNIC0: roce0\n"
    )
    mapping = "NPU ID   Chip ID   Chip Logic ID   Chip Name\n2   0   0   N\n5   0   1   N\n"
    first, second = read(VENDOR, {f"{INFO} -m": mapping, f"{INFO} -t topo": matrix})
    assert first.links == [Link(kind="XLink", peer="#1", state="up")]
    assert second.links == [Link(kind="XLink", peer="#0", state="up")]


def test_a_card_that_is_well_is_not_asked_for_its_faults() -> None:
    asked: list[str] = []

    def ask(*argv: str) -> ToolAnswer | None:
        asked.append(" ".join(argv))
        answer: ToolAnswer | None = asking({INFO: A2})(*argv)
        return answer

    VENDOR.read_tool(ask, None)
    assert f"{INFO} -t health -i 5" in asked
    assert f"{INFO} -t health -i 2" not in asked
    assert f"{INFO} watch" not in asked


def test_the_family_by_device_id_where_the_name_does_not_tell() -> None:
    text = A2.replace("910B3", "910B ")
    assert read(VENDOR, {INFO: text})[0].arch is None
    bus = [npu("0000:c1:00.0", "d801"), npu("0000:01:00.0", "d802")]
    readings = VENDOR.read_tool(asking({INFO: text}), bus).readings
    assert [reading.arch for reading in readings] == ["ascend910", "ascend910b"]


def npu(address: str, device_id: str, class_id: str = "120000") -> PciDevice:
    return PciDevice(address=address, vendor_id="19e5", device_id=device_id, class_id=class_id)


@pytest.mark.parametrize(
    ("device", "ours"),
    [
        (npu("0000:81:00.0", "d802"), True),
        (npu("0000:81:00.0", "d806"), True),
        (npu("0000:07:00.0", "1711", "030000"), False),  # the BMC's graphics
        (npu("0000:3d:00.0", "1822", "020000"), False),  # a network card
        (npu("0000:75:00.0", "a250"), False),  # the compressor of a Kunpeng processor
    ],
)
def test_cards_on_the_bus(device: PciDevice, ours: bool) -> None:
    assert VENDOR.owns(device) is ours


def test_the_driver_does_not_answer() -> None:
    ask = failing("npu-smi", stderr="dcmi module initialize failed. ret is -8005")
    report = VENDOR.read_tool(ask, None)
    assert (report.answer, report.message) == (
        "no_driver",
        "dcmi module initialize failed. ret is -8005",
    )


def test_a_device_that_another_container_holds_has_a_driver() -> None:
    words = "dcmi model initialized failed, because the device is used. ret is -8020"
    report = VENDOR.read_tool(failing("npu-smi", stderr=words), None)
    assert (report.answer, report.message) == ("no_answer", words)


def test_the_tool_hangs() -> None:
    ask = failing("npu-smi", stderr="", exit_status=None)
    assert VENDOR.read_tool(ask, None).answer == "no_answer"


def test_there_is_no_tool() -> None:
    assert VENDOR.read_tool(asking({}), None).answer == "absent"


@pytest.mark.parametrize("nothing", [text for text in UNREADABLE if " " not in text and text])
@pytest.mark.parametrize(
    ("shown", "field"),
    [("131.4", "power_w"), ("48 ", "temp_c"), ("67 ", "util_pct"), ("35738", "memory_used_mib")],
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    busy, other = read(VENDOR, {INFO: A2.replace(shown, nothing.ljust(len(shown)))})
    assert getattr(busy, field) is None
    assert (other.temp_c, other.util_pct, other.memory_used_mib) == (91, 0, 3411)


def test_a_missing_cell_costs_its_line_and_shifts_nothing() -> None:
    busy = read(VENDOR, {INFO: A2.replace("131.4 ", "      ")})[0]
    assert (busy.power_w, busy.temp_c) == (None, None)
    assert (busy.util_pct, busy.memory_used_mib) == (67, 35738)


@pytest.mark.parametrize("text", [A2, A3, DUO, A5])
def test_a_table_that_is_cut_off_has_no_half_numbers(text: str) -> None:
    whole = {card.index: card for card in read(VENDOR, {INFO: text})}
    for end in range(len(text)):
        for card in read_spoiled(VENDOR, {INFO: text[:end]}):
            known = whole[card.index]
            assert card.memory_mib in (None, known.memory_mib)
            assert card.memory_used_mib in (None, known.memory_used_mib)


@pytest.mark.parametrize("text", [A2, A3, DUO, A5])
def test_blanks_do_not_matter(text: str) -> None:
    reflowed = "\n".join(" ".join(line.split()) for line in text.splitlines())
    assert read(VENDOR, {INFO: reflowed}) == read(VENDOR, {INFO: text})


@given(data=st.data(), table=st.sampled_from((A2, A3, DUO, A5)))
def test_spoiled_tables_do_no_harm(data: st.DataObject, table: str) -> None:
    text = data.draw(spoiled(table))
    assert_printed(read_spoiled(VENDOR, {INFO: text}), text)


@given(data=st.data())
def test_spoiled_answers_about_one_card_do_no_harm(data: st.DataObject) -> None:
    mapping, common = data.draw(spoiled(DUO_MAPPING)), data.draw(spoiled(DUO_COMMON))
    answers = {f"{INFO} -m": mapping, f"{INFO} -t common -i 24": common}
    assert_printed(read_spoiled(VENDOR, answers), mapping + common)


# -- captures ----------------------------------------------------------------------------------


@needs_captures
def test_captured_tables() -> None:
    old = replay(VENDOR, "310x4-20.2")
    assert [(c.index, c.pci, c.temp_c, c.power_w) for c in old] == [
        (0, "0000:da:00.0", 56, 12.8),
        (1, "0000:dc:00.0", 57, 12.8),
        (2, "0000:dd:00.0", 57, 12.8),
        (3, "0000:db:00.0", 55, 12.8),
    ]
    assert {(c.name, c.memory_used_mib, c.memory_mib, c.driver) for c in old} == {
        ("310", 2703, 8192, "20.2.0")
    }
    eight = replay(VENDOR, "910ax8-22.0.3")
    assert [c.power_w for c in eight] == [67.2, 63.3, 64.8, 191.7, 66.4, 62.7, 64.5, 191.4]
    assert [c.temp_c for c in eight] == [43, 38, 34, 42, 44, 33, 35, 40]
    assert {(c.name, c.memory_mib, c.memory_used_mib) for c in eight} == {("910A", 32768, 0)}
    new = replay(VENDOR, "910b4-1x2-25.2")
    assert [(c.pci, c.power_w, c.temp_c, c.memory_used_mib) for c in new] == [
        ("0000:c1:00.0", 91.3, 33, 3197),
        ("0000:c2:00.0", 88.1, 32, 3197),
    ]
    assert [c.processes for c in new] == [[], []]
    dies = replay(VENDOR, "910c-24.1")
    assert [(c.index, c.pci, c.power_w, c.memory_used_mib) for c in dies] == [
        (0, "0000:9d:00.0", 178.8, 3397),
        (1, "0000:9f:00.0", None, 3186),
    ]


@needs_captures
def test_captured_tables_with_details() -> None:
    duo = replay(VENDOR, "310p-two-chips")
    assert [(c.index, c.power_w, c.temp_c, c.clock_mhz, c.memory_mib) for c in duo] == [
        (0, 45.2, 60, 960, 44280),
        (1, None, 59, 960, 43693),
    ]
    (card,) = replay(VENDOR, "910b4-t-memory")
    assert (card.index, card.temp_c, card.temp_memory_c, card.health) == (1, 35, 35, "ok")
    assert card.processes == [CardProcess(pid=207795, memory_mib=55436, command="VLLMEngineCor")]
    well, ill = replay(VENDOR, "910b4x2-one-warning")
    assert (well.index, well.health, well.notes, well.ecc_uncorrected) == (1, "ok", [], None)
    assert (ill.index, ill.health, ill.temp_c, ill.power_w) == (3, "warning", 78, 201.7)
    assert ill.ecc_uncorrected == 2
    assert ill.notes == ["80E01805: HBM multi-bit ECC isolated pages"]
    (card,) = replay(VENDOR, "950-manual")
    assert (card.name, card.pci, card.driver) == ("Ascend950PR", "0000:91:00.0", "26.0.1")
    assert (card.temp_c, card.temp_memory_c, card.temp_hotspot_c) == (56, 63, 67)
    assert (card.power_w, card.clock_mhz, card.ecc_uncorrected) == (204.4, 100, 0)
    assert (card.memory_used_mib, card.memory_mib, card.processes) == (4439, 86016, [])


@needs_captures
def test_captures_without_a_table() -> None:
    cards = replay(VENDOR, "910b-manual-details")
    assert [card.index for card in cards] == list(range(8))
    assert (cards[0].power_w, cards[0].temp_c, cards[0].memory_mib) == (69.0, 46, 32768)
    assert (cards[0].pci, cards[0].clock_mhz, cards[1].temp_c) == ("0000:81:00.0", 1000, None)
    (card,) = replay(VENDOR, "950pr-details")
    assert (card.power_w, card.temp_c, card.temp_memory_c) == (195.7, 56, 51)
    assert (card.memory_mib, card.memory_used_mib, card.clock_mhz) == (131072, None, None)
    watched = replay(VENDOR, "950x8-watch-topo")
    assert [c.power_w for c in watched] == [290.4, 292.1, 291.2, 292.1, 291.5, 289.5, 288.5, 289.3]
    assert [c.temp_c for c in watched] == [51, 49, 49, 49, 49, 50, 48, 51]
    assert all(c.links == [] and c.memory_mib is None for c in watched)
