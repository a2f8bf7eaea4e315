"""Speeds: the mechanism's directions, and errors on cards that were left out."""

import importlib.util
import statistics
import sys
from pathlib import Path

import msgspec
import pytest
from boxes import box

from appliance.catalog.models import load_catalogue
from appliance.core.reference import CatalogReference
from appliance.planner.memory import Setup
from appliance.planner.model import Model, of_catalogue
from appliance.planner.placement import places
from appliance.planner.speed import (
    Machine,
    decode_step_s,
    machine_for,
    prompt_s,
    range_of,
    read_mib,
    speed_of,
)

ROOT = Path(__file__).parents[3]
CATALOGUE = load_catalogue()
SETUP = Setup(context=4096)


def model(family: str, quant: str) -> Model:
    found = of_catalogue(*CATALOGUE.variant(CatalogReference(family, quant)))
    assert found
    return found


def machine(one: Model, card: str, cards: int = 1, host_layers: int = 0, cpu: str = "") -> Machine:
    inventory, facts = box((card, cards), cpu=cpu or None)
    return machine_for(one, places(inventory, facts, None)[0], cards, host_layers)


def tps(one: Model, card: str, cards: int = 1, host_layers: int = 0, cpu: str = "") -> float:
    return 1 / decode_step_s(one, machine(one, card, cards, host_layers, cpu), SETUP)


def test_stacked_memory_is_not_reached_one_token_at_a_time() -> None:
    """Public tables: a 70B at Q4_K_M gave 22 tokens/s on an A100, 25 on an H100 PCIe."""
    llama = model("deepseek-r1-distill-llama-70b", "q4_k_m")
    assert tps(llama, "A100 SXM 80GB") == pytest.approx(22.1, rel=0.1)
    assert tps(llama, "H100 PCIe 80GB") == pytest.approx(25.0, rel=0.1)


def test_more_cards_that_share_layers_are_not_faster() -> None:
    one = model("deepseek-r1-distill-qwen-14b", "q4_k_m")
    assert 0.97 * tps(one, "RTX 4090") < tps(one, "RTX 4090", 2) < tps(one, "RTX 4090")


def test_ranks_are_faster_and_pay_for_their_sums() -> None:
    one = model("deepseek-r1-distill-llama-70b", "bf16")
    two, four = tps(one, "A100 SXM 80GB", 2), tps(one, "A100 SXM 80GB", 4)
    assert two < four < 2 * two
    over_pcie = tps(model("deepseek-r1-distill-qwen-7b", "bf16"), "A100 PCIe 80GB", 4)
    over_nvlink = tps(model("deepseek-r1-distill-qwen-7b", "bf16"), "A100 SXM 80GB", 4)
    assert over_nvlink > 1.1 * over_pcie


def test_a_crowd_wakes_more_experts() -> None:
    r1 = model("deepseek-r1", "fp8")
    routed = [read_mib(r1, streams)[1] for streams in (1, 8, 64, 512)]
    assert routed == sorted(routed)
    assert routed[1] > 6 * routed[0]
    assert routed[3] < r1.tensor_mib
    assert len({read_mib(r1, streams)[0] for streams in (1, 64)}) == 1


def test_the_shared_cache_of_mla_is_read_by_every_rank() -> None:
    r1 = model("deepseek-r1", "fp8")
    eight = machine(r1, "H200 SXM 141GB", 8)
    alone = msgspec.structs.replace(eight, cache_copies=1)
    long = Setup(context=65536)
    more = decode_step_s(r1, eight, long, tokens=65536) - decode_step_s(
        r1, alone, long, tokens=65536
    )
    assert more > 0.5e-3


def test_cards_in_groups_share_experts_and_nothing_else() -> None:
    v32 = model("deepseek-v3.2", "w8a8-ascend")
    inventory, facts = box(("Ascend 910B (Atlas 800T A2)", 16))
    where = places(inventory, facts, None)[0]
    eight, sixteen = machine_for(v32, where, 8), machine_for(v32, where, 16)
    grouped = machine_for(v32, where, 16, ranks=8)
    assert (grouped.gbs, grouped.expert_gbs) == (eight.gbs, sixteen.expert_gbs)
    steps = [decode_step_s(v32, one, SETUP) for one in (sixteen, grouped, eight)]
    assert steps == sorted(steps)
    crowd = [decode_step_s(v32, one, SETUP, 32) for one in (grouped, sixteen)]
    assert crowd == sorted(crowd), "each group reads the cache of its own conversations alone"
    assert machine_for(v32, where, 16, ranks=16) == sixteen


def test_experts_in_the_host_cost_time_by_its_bandwidth() -> None:
    flash = model("deepseek-v4-flash", "q4_k_m")
    few, many = (tps(flash, "RTX 4090", 1, n, "EPYC 9654, one socket") for n in (10, 43))
    slow = tps(flash, "RTX 4090", 1, 43, "Xeon Platinum 8175M, one socket")
    assert tps(flash, "RTX 4090") > few > many > slow
    helped = machine(flash, "RTX 4090", 1, 43, "EPYC 9654, one socket")
    assert prompt_s(flash, helped, 4096, 2048) < prompt_s(flash, helped, 4096, 512)


def test_a_range_says_how_sure_a_speed_is() -> None:
    dense = model("deepseek-r1-distill-qwen-7b", "q4_k_m")
    speed = speed_of(dense, machine(dense, "RTX 4090"), SETUP, 1, 1)
    assert speed.decode_tps_one
    assert speed.decode_tps_one_range
    low, high = speed.decode_tps_one_range
    assert low < speed.decode_tps_one < high
    r1 = model("deepseek-r1", "fp8")
    surer, less_sure = range_of(machine(dense, "RTX 4090")), range_of(machine(r1, "H20 96GB", 8))
    assert surer.high - surer.low < less_sure.high - less_sure.low


@pytest.mark.skipif(not (ROOT.parent / "shared/truth").exists(), reason="needs ../shared/truth")
def test_cards_that_were_left_out_are_foretold() -> None:
    path = ROOT / "benchmarks/planner.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_planner", path)
    assert spec
    assert spec.loader
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = benchmark
    spec.loader.exec_module(benchmark)
    runs = [run for run in benchmark.runs(CATALOGUE) if run.kind == "dense"]
    errors = sorted(abs(row.error) for row in benchmark.left_out(runs, lambda run: run.card))
    assert len(errors) >= 20
    assert statistics.median(errors) <= 0.10
    assert errors[int(0.9 * len(errors))] <= 0.30
