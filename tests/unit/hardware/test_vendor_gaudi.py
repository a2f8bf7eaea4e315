"""Intel Gaudi: hl-smi's CSV query and its table."""

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

from appliance.core.sample import CardProcess
from appliance.hardware.vendors.base import PciDevice
from appliance.hardware.vendors.gaudi import Gaudi

VENDOR = Gaudi()

CSV = (
    "hl-smi -Q index,uuid,name,driver_version,memory.total,memory.used,memory.free,power.draw,"
    "power.max,temperature.aip,utilization.aip -f csv,noheader"
)
ROWS = """\
0, 01P0-HL3090A0-18-000000-22-07-00, HL-325L, 1.21.0-aaaaaaa, 131072 MiB, 90112 MiB, \
40960 MiB, 611 W, 850 W, 61 C, 97 %
3, 01P0-HL3090A0-18-000003-22-07-00, HL-325L, 1.21.0-aaaaaaa, 131072 MiB, 672 MiB, \
130400 MiB, N/A, 850 W, N/A, 0 %
"""

TABLE = """\
+-----------------------------------------------------------------------------+
| HL-SMI Version:                              hl-1.22.1-fw-61.3.0.0          |
| Driver Version:                                     1.22.1-abcdef0          |
| Nic Driver Version:                                 1.22.1-0fedcba          |
|-------------------------------+----------------------+----------------------+
| AIP  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncor-Events|
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | AIP-Util  Compute M. |
|===============================+======================+======================|
|   0  HL-325L             N/A  | 0000:9a:00.0     N/A |                   2  |
| N/A   61C   N/A  611W /  850W | 90112MiB / 131072MiB |    97%            0% |
|-------------------------------+----------------------+----------------------+
|   3  HL-325L             N/A  | 0000:b4:00.0     N/A |                   0  |
| N/A   24C   N/A  226W /  850W |   672MiB / 131072MiB |     0%            0% |
|-------------------------------+----------------------+----------------------+
| Compute Processes:                                               AIP Memory |
|  AIP       PID   Type   Process name                             Usage      |
|=============================================================================|
|   0       4711     C    python3 -m vllm                          89440MiB   |
|   3        N/A   N/A    N/A                                      N/A        |
+=============================================================================+
"""


def test_the_table() -> None:
    busy, idle = read(VENDOR, {"hl-smi": TABLE})
    assert (busy.index, busy.name, busy.pci) == (0, "HL-325L", "0000:9a:00.0")
    assert (busy.driver, busy.arch, busy.ecc_uncorrected) == ("1.22.1-abcdef0", "gaudi3", 2)
    assert (busy.temp_c, busy.power_w, busy.power_limit_w) == (61, 611, 850)
    assert (busy.memory_used_mib, busy.memory_mib, busy.util_pct) == (90112, 131072, 97)
    assert busy.processes == [CardProcess(pid=4711, memory_mib=89440, command="python3 -m vllm")]
    assert (idle.index, idle.pci, idle.util_pct, idle.processes) == (3, "0000:b4:00.0", 0, [])


def test_the_table_of_the_first_releases() -> None:
    text = """\
| HL-SMI Version:                            hl-1.4.1-rc-fw-35.0.2.0          |
| Driver Version:                                      1.4.0-d8f95f4          |
|-------------------------------+----------------------+----------------------+
| AIP  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | AIP-Util  Compute M. |
|===============================+======================+======================|
|   0  HL-205              N/A  | 0000:20:1d.0     N/A |                 N/A  |
| N/A   35C   N/A   102W / 350W |    512Mib / 32768Mib |     2%           N/A |
"""
    (card,) = read(VENDOR, {"hl-smi": text})
    assert (card.memory_used_mib, card.memory_mib, card.util_pct) == (512, 32768, 2)
    assert (card.pci, card.ecc_uncorrected, card.arch) == ("0000:20:1d.0", None, "gaudi")
    assert (card.fan_pct, card.processes, card.driver) == (None, None, "1.4.0-d8f95f4")


def test_the_query_keeps_its_units() -> None:
    busy, idle = read(VENDOR, {CSV: ROWS})
    assert (busy.index, busy.uuid) == (0, "01P0-HL3090A0-18-000000-22-07-00")
    assert (busy.memory_mib, busy.memory_used_mib) == (131072, 90112)
    assert (busy.power_w, busy.power_limit_w, busy.temp_c, busy.util_pct) == (611, 850, 61, 97)
    assert (idle.index, idle.power_w, idle.temp_c, idle.util_pct) == (3, None, None, 0)


def test_the_query_first_and_the_table_for_the_rest() -> None:
    busy, idle = read(VENDOR, {CSV: ROWS, "hl-smi": TABLE})
    assert (busy.driver, busy.pci, busy.ecc_uncorrected) == ("1.21.0-aaaaaaa", "0000:9a:00.0", 2)
    assert (idle.pci, idle.temp_c, idle.power_w) == ("0000:b4:00.0", 24, 226)


@pytest.mark.parametrize(
    ("vendor_id", "class_id", "ours"),
    [("1da3", "120000", True), ("1da3", "020000", False), ("8086", "120000", False)],
)
def test_cards_on_the_bus(vendor_id: str, class_id: str, ours: bool) -> None:
    device = PciDevice(
        address="0000:9a:00.0", vendor_id=vendor_id, device_id="1020", class_id=class_id
    )
    assert VENDOR.owns(device) is ours


def test_no_driver_no_card_no_tool() -> None:
    ask = failing("hl-smi", stderr="habanalabs driver is not loaded")
    assert VENDOR.read_tool(ask, None).answer == "no_driver"
    assert VENDOR.read_tool(asking({CSV: ROWS}), []).answer == "absent"
    assert VENDOR.read_tool(asking({}), None).answer == "absent"


@pytest.mark.parametrize("nothing", UNREADABLE)
@pytest.mark.parametrize(
    ("shown", "field"),
    [("61C", "temp_c"), ("611W", "power_w"), ("97%", "util_pct"), ("90112MiB", "memory_used_mib")],
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    busy, idle = read(VENDOR, {"hl-smi": TABLE.replace(shown, nothing.rjust(len(shown)))})
    assert getattr(busy, field) is None
    assert (idle.temp_c, idle.power_w, idle.util_pct) == (24, 226, 0)


def test_blanks_do_not_matter() -> None:
    reflowed = "\n".join(" ".join(line.split()) for line in TABLE.splitlines())
    assert read(VENDOR, {"hl-smi": reflowed}) == read(VENDOR, {"hl-smi": TABLE})


@given(data=st.data(), question=st.sampled_from((CSV, "hl-smi")))
def test_spoiled_answers_do_no_harm(data: st.DataObject, question: str) -> None:
    text = data.draw(spoiled({CSV: ROWS, "hl-smi": TABLE}[question]))
    assert_printed(read_spoiled(VENDOR, {question: text}), text)


@needs_captures
def test_captures() -> None:
    (card,) = replay(VENDOR, "gaudi2-hl-smi-1.15")
    assert (card.name, card.pci, card.arch) == ("HL-225", "0000:19:00.0", "gaudi2")
    assert (card.temp_c, card.power_w, card.power_limit_w) == (29, 93, 600)
    assert (card.memory_used_mib, card.memory_mib, card.processes) == (768, 98304, [])
    newer = replay(VENDOR, "gaudi2x2-hl-smi-1.20")
    assert [(c.pci, c.temp_c, c.power_w) for c in newer] == [
        ("0000:9a:00.0", 22, 96),
        ("0000:9b:00.0", 24, 78),
    ]
    assert {c.driver for c in newer} == {"1.19.1-6f47ddd"}
    queried = replay(VENDOR, "gaudi3x2-hl-smi-csv")
    assert [(c.index, c.temp_c, c.power_w, c.util_pct) for c in queried] == [
        (0, 36, 226, 0),
        (1, 39, 230, 0),
    ]
