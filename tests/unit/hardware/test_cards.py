"""cards.toml and how a card finds its row."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.cards import CardFacts
from appliance.core.inventory import Card, VendorName
from appliance.hardware.cards import all_facts, facts

TRUTH = Path(__file__).parents[4] / "shared" / "truth" / "cards.csv"
SPELLINGS = [(row, spelling) for row in all_facts() for spelling in (row.name, *row.reported_as)]
SHARED = {s for s, count in Counter(s for _, s in SPELLINGS).items() if count > 1}
VENDORS: tuple[VendorName, ...] = get_args(VendorName)


def card(vendor: VendorName, name: str | None, memory_mib: int | None = None) -> Card:
    return Card(id="x", vendor=vendor, name=name, memory_mib=memory_mib)


def found(vendor: VendorName, name: str, memory_mib: int | None = None) -> str | None:
    row = facts(card(vendor, name, memory_mib))
    return row.name if row else None


@pytest.mark.parametrize(("row", "spelling"), SPELLINGS, ids=lambda v: v if str(v) == v else "")
def test_every_spelling_finds_its_own_row(row: CardFacts, spelling: str) -> None:
    memory_mib = round(row.memory_gib * 1024) if row.memory_gib else None
    assert found(row.vendor, spelling, memory_mib) == row.name
    assert found(row.vendor, spelling.upper(), memory_mib) == row.name
    if "/" not in spelling and spelling not in SHARED:
        assert found(row.vendor, spelling) == row.name


@pytest.mark.parametrize(("row", "spelling"), SPELLINGS, ids=lambda v: v if str(v) == v else "")
def test_no_spelling_finds_another_vendor(row: CardFacts, spelling: str) -> None:
    assert not [v for v in VENDORS if v != row.vendor and found(v, spelling)]


def test_rows_are_told_apart_and_have_a_source_or_say_so() -> None:
    names = [row.name for row in all_facts()]
    assert len(names) == len(set(names))
    for row in all_facts():
        assert row.reported_as, row.name
        assert row.source or row.mark == "general knowledge", row.name
        assert all(hasattr(row, field) for field in row.general_knowledge), row.name
        if row.temp_warn_c and row.temp_critical_c:
            assert row.temp_warn_c < row.temp_critical_c


@pytest.mark.parametrize(
    ("name", "memory_mib", "row"),
    [
        ("NVIDIA H100 80GB HBM3", 81559, "H100 SXM 80GB"),
        ("NVIDIA H100 PCIe", 81559, "H100 PCIe 80GB"),
        ("NVIDIA H100 NVL", 95830, "H100 NVL 94GB"),
        ("NVIDIA H100", 81559, None),
        ("NVIDIA A100-SXM4-80GB", 81920, "A100 SXM 80GB"),
        ("NVIDIA A100-SXM4-40GB", 40960, "A100 SXM 40GB"),
        ("NVIDIA A100-SXM4-80GB", 9856, None),
        ("NVIDIA GeForce RTX 4080", 16376, "RTX 4080"),
        ("NVIDIA GeForce RTX 4080 SUPER", 16376, "RTX 4080 SUPER"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16376, None),
        ("NVIDIA GeForce RTX 3060", 8192, None),
        ("Tesla T4", 15360, "T4"),
        ("NVIDIA GB10", 122570, "GB10 (DGX Spark)"),
        ("NVIDIA Thor", None, "Jetson AGX Thor"),
        ("Orin (nvgpu)", None, "Jetson Orin"),
    ],
)
def test_close_relatives_are_told_apart(name: str, memory_mib: int, row: str | None) -> None:
    assert found("nvidia", name, memory_mib) == row


@pytest.mark.parametrize(
    ("vendor", "name", "memory_mib", "memory_gib", "bandwidth_gbs"),
    [
        ("ascend", "Ascend910", 65536, 64, 1600),
        ("iluvatar", "Iluvatar BI-V150", 32768, 32, 295),
        ("iluvatar", "Iluvatar BI-V150", 65536, 64, 590),
        ("cambricon", "MLU370-X8", 23374, 24, 307),
        ("amd", "AMD Instinct MI250X", 65536, 64, 1638.5),
        ("ascend", "310P3", 44280, 48, 204),
    ],
)
def test_a_die_gets_its_share_of_the_board(
    vendor: VendorName, name: str, memory_mib: int, memory_gib: float, bandwidth_gbs: float
) -> None:
    row = facts(card(vendor, name, memory_mib))
    assert row is not None
    assert (row.memory_gib, row.bandwidth_gbs) == (memory_gib, bandwidth_gbs)


def test_an_ambiguous_bus_name_needs_the_memory() -> None:
    name = "Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M]"
    assert found("amd", name, 24560) == "RX 7900 XTX"
    assert found("amd", name, 20464) == "RX 7900 XT"
    assert found("amd", name, 16368) is None
    assert found("amd", name) is None


def test_a_name_that_two_kinds_of_cards_share_needs_the_memory() -> None:
    assert found("ascend", "Ascend 910B", 65536) == "Ascend 910B (Atlas 800T A2)"
    assert found("ascend", "Ascend 910B", 32768) == "Ascend 910B4 (Atlas 800I A2 32GB)"
    assert found("ascend", "Ascend 910B") is None


def test_a_driver_that_keeps_memory_back() -> None:
    assert found("intel", "Intel(R) Data Center GPU Flex 170", 13536) == "Data Center GPU Flex 170"
    assert found("enflame", "Enflame S60", 42976) == "Enflame S60"


def test_a_processor_is_found_by_its_model() -> None:
    model = "Intel(R) Xeon(R) Platinum 8175M CPU @ 3.10GHz"
    assert found("cpu", model) == "Xeon Platinum 8175M, one socket"
    assert found("cpu", "AMD EPYC 7713 64-Core Processor") == "EPYC 7713, one socket"
    assert found("cpu", "Intel(R) Xeon(R) Gold 6342 CPU @ 2.80GHz") is None


def test_a_card_without_a_name_has_no_facts() -> None:
    assert facts(card("nvidia", None, 81559)) is None


@given(vendor=st.sampled_from(VENDORS), name=st.text(max_size=40), memory=st.integers(0, 10**6))
def test_any_name_is_looked_up_without_harm(vendor: VendorName, name: str, memory: int) -> None:
    row = facts(card(vendor, name, memory))
    assert row is None or row.vendor == vendor


def test_what_shares_the_host_s_memory_says_how_much_of_it() -> None:
    for row in all_facts():
        unified = (row.interconnect or "").startswith("unified memory")
        assert (row.host_share is not None) == unified, row.name
        assert row.host_share is None or 0.4 < row.host_share < 1
        assert unified or not row.carve_out


@given(pair=st.sampled_from(SPELLINGS), factor=st.sampled_from([0.1, 0.24, 0.7, 1.3, 4.0]))
def test_memory_that_disagrees_is_another_card(pair: tuple[CardFacts, str], factor: float) -> None:
    row, spelling = pair
    if row.memory_gib and row.host_share is None:
        assert found(row.vendor, spelling, round(row.memory_gib * 1024 * factor)) != row.name


@pytest.mark.skipif(not TRUTH.exists(), reason="needs ../shared")
def test_every_collected_row_is_here_unchanged() -> None:
    rows = {row.name: row for row in all_facts()}
    for truth in csv.DictReader(TRUTH.read_text().splitlines()):
        row = rows[truth["card"]]
        assert (row.vendor, row.mark) == (truth["vendor"], truth["mark"])
        assert truth["reported_as"] in row.reported_as
        assert row.source.startswith(truth["source"])
        assert set(truth["general_knowledge"].split()) <= set(row.general_knowledge)
        assert (row.interconnect or "") == truth["interconnect"]
        for field in ("memory_gib", "bandwidth_gbs", "fp16_tflops", "fp8_int8_tops", "tdp_w"):
            assert getattr(row, field) == (float(truth[field]) if truth[field] else None)
