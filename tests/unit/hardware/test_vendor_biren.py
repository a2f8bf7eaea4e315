"""Biren: brsmi's CSV query, table and list."""

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

from appliance.core.sample import CardProcess
from appliance.hardware.vendors.base import PciDevice
from appliance.hardware.vendors.biren import Biren

VENDOR = Biren()

CSV = (
    "brsmi gpu --query-gpu=index,name,uuid,pci.bus_id,utilization.gpu,memory.used,memory.total,"
    "temperature.gpu --format=csv,noheader,nounits"
)

TABLE = """\
Mon Aug  3 21:43:45 2026
+------------------------------------------------------------------------------+
| BR-SMI 1.11.0          Driver Version: 1.11.0          SUPA Version: 1.11    |
+----------------------------+-----------------------+-------------------------+
|   GPU                 Name |                Bus-Id |    Volatile Uncorr. ECC |
|  Temp  Perf  Pwr:Usage/Cap |          Memory-Usage |    GPU-Util  Compute M. |
|              Persistence-M |                       |                  SVI M. |
+============================+=======================+=========================+
|     0            Biren166M |      00000000:10:00.0 |                       3 |
|    71    P0    268W / 300W |   60211MiB / 65024MiB |         99%     Default |
|                        Off |                       |                Disabled |
+----------------------------+-----------------------+-------------------------+
|     1            Biren166M |      00000000:20:00.0 |                     N/A |
|    33    P0     41W / 300W |       0MiB / 65024MiB |          0%     Default |
|                        Off |                       |                Disabled |
+----------------------------+-----------------------+-------------------------+
+------------------------------------------------------------------------------+
| Processes:                                                                   |
| GPU   SVI Dev        PID   Process Name                     GPU Memory Usage |
+==============================================================================+
|   0       N/A      91011   python3                                  60100MiB |
+------------------------------------------------------------------------------+
"""

ROWS = """\
0, Biren166M, GPU-0000000a, 00000000:10:00.0, 99, 60211, 65024, 71
1, Biren166M, GPU-0000000b, 00000000:20:00.0, [N/A], 0, 65024, [N/A]
"""


def test_the_table() -> None:
    busy, idle = read(VENDOR, {"brsmi": TABLE})
    assert (busy.index, busy.name, busy.pci) == (0, "Biren166M", "0000:10:00.0")
    assert (busy.driver, busy.runtime) == ("1.11.0", "1.11")
    assert (busy.temp_c, busy.power_w, busy.power_limit_w) == (71, 268, 300)
    assert (busy.memory_used_mib, busy.memory_mib, busy.util_pct) == (60211, 65024, 99)
    assert busy.ecc_uncorrected == 3
    assert busy.processes == [CardProcess(pid=91011, memory_mib=60100, command="python3")]
    assert (idle.index, idle.temp_c, idle.ecc_uncorrected, idle.processes) == (1, 33, None, [])


def test_the_query_with_the_table_behind_it() -> None:
    busy, idle = read(VENDOR, {CSV: ROWS, "brsmi": TABLE})
    assert (busy.uuid, busy.power_w, busy.driver) == ("GPU-0000000a", 268, "1.11.0")
    assert (idle.util_pct, idle.temp_c, idle.memory_used_mib) == (0, 33, 0)


def test_the_query_alone() -> None:
    busy, idle = read(VENDOR, {CSV: ROWS})
    assert (busy.util_pct, busy.temp_c, busy.memory_mib) == (99, 71, 65024)
    assert (idle.util_pct, idle.temp_c, idle.memory_used_mib) == (None, None, 0)


def test_the_list_alone() -> None:
    text = "GPU 0: Biren106M (UUID: GPU-0000000a)\nGPU 1: Biren106M (UUID: GPU-0000000b)\n"
    cards = read(VENDOR, {"brsmi gpu list": text})
    assert [(c.index, c.name, c.uuid) for c in cards] == [
        (0, "Biren106M", "GPU-0000000a"),
        (1, "Biren106M", "GPU-0000000b"),
    ]


def test_no_driver() -> None:
    ask = failing("brsmi", stderr="Failed to initialize BRML: Driver Not Loaded")
    assert VENDOR.read_tool(ask, None).answer == "no_driver"


@pytest.mark.parametrize(("vendor_id", "ours"), [("1ee0", True), ("1ee1", False)])
def test_cards_on_the_bus(vendor_id: str, ours: bool) -> None:
    function = PciDevice(
        address="0000:90:00.0", vendor_id=vendor_id, device_id="0100", class_id="120000"
    )
    assert VENDOR.owns(function) is ours


@pytest.mark.parametrize("nothing", UNREADABLE)
@pytest.mark.parametrize(
    ("shown", "field"),
    [("71 ", "temp_c"), ("268W", "power_w"), ("99%", "util_pct"), ("60211MiB", "memory_used_mib")],
)
def test_an_unreadable_value_is_none(shown: str, field: str, nothing: str) -> None:
    busy, idle = read(VENDOR, {"brsmi": TABLE.replace(shown, nothing.ljust(len(shown)))})
    assert getattr(busy, field) is None
    assert (idle.temp_c, idle.power_w, idle.util_pct, idle.memory_used_mib) == (33, 41, 0, 0)


@given(data=st.data(), question=st.sampled_from(("brsmi", CSV)))
def test_spoiled_answers_do_no_harm(data: st.DataObject, question: str) -> None:
    text = data.draw(spoiled({"brsmi": TABLE, CSV: ROWS}[question]))
    assert_printed(read_spoiled(VENDOR, {question: text}), text)


@needs_captures
def test_captures() -> None:
    (card,) = replay(VENDOR, "106b-1.11")
    assert (card.name, card.pci, card.memory_mib) == ("Biren106B", "0000:90:00.0", 32512)
    assert (card.temp_c, card.power_w, card.power_limit_w, card.util_pct) == (30, 35, 300, 0)
    assert (card.memory_used_mib, card.ecc_uncorrected, card.processes) == (0, 0, [])
