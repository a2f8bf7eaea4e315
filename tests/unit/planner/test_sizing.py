"""Memory per card: layers dealt out, ranks, experts in the host."""

import msgspec
import pytest
from boxes import box

from appliance.catalog.models import load_catalogue
from appliance.core.plan import Memory, Wish
from appliance.core.reference import CatalogReference
from appliance.engines.recipes import Recipe, recipe
from appliance.planner import safetensors
from appliance.planner.matching import Match
from appliance.planner.memory import Setup
from appliance.planner.model import Model, of_catalogue
from appliance.planner.placement import Place, places
from appliance.planner.sizing import experts_mib, fits, size

CATALOGUE = load_catalogue()
LLAMA = recipe("llama.cpp-native-cuda")
VLLM = recipe("vllm-nvidia")


def model(family: str, quant: str) -> Model:
    found = of_catalogue(*CATALOGUE.variant(CatalogReference(family, quant)))
    assert found
    return found


def place(card: str, count: int = 1, memory_gib: int = 512) -> Place:
    inventory, facts = box((card, count), memory_gib=memory_gib)
    return places(inventory, facts, None)[0]


def sized(one: Model, where: Place, cards: int, host_layers: int = 0, by: Recipe = LLAMA) -> Memory:
    return size(one, by, where, Setup(context=8192), cards, host_layers)


def test_a_card_in_the_middle_holds_neither_light_layers_nor_the_output() -> None:
    cards = sized(model("deepseek-r1", "q4_k_m"), place("A100 SXM 80GB", 8), 8).per_card
    weights = [card.weights_mib for card in cards]
    assert weights[0] < min(weights[1:-1])
    assert max(weights) > 1.05 * sum(weights) / 8


def test_layers_are_dealt_out_as_llama_cpp_does_the_output_counting_as_one() -> None:
    one = model("deepseek-r1-distill-qwen-32b", "f16")
    cards = sized(one, place("A100 SXM 80GB", 2), 2).per_card
    assert cards[0].kv_mib / cards[1].kv_mib == pytest.approx(33 / 31, rel=1e-3)


@pytest.mark.parametrize("cards", [1, 2, 3, 4, 7, 8])
def test_nothing_is_lost_between_cards_and_host(cards: int) -> None:
    one = model("deepseek-v4-flash", "q4_k_m")
    where = place("H200 SXM 141GB", 8)
    memory = sized(one, where, cards)
    on_cards = sum(card.weights_mib for card in memory.per_card)
    assert on_cards + one.embedding_mib == pytest.approx(one.tensor_mib, abs=1)


@pytest.mark.parametrize("host_layers", [1, 10, 43])
def test_experts_move_to_the_host_and_nothing_else(host_layers: int) -> None:
    one = model("deepseek-v4-flash", "q4_k_m")
    where = place("RTX 4090")
    all_here, some_there = sized(one, where, 1), sized(one, where, 1, host_layers)
    moved = all_here.per_card[0].weights_mib - some_there.per_card[0].weights_mib
    assert moved == pytest.approx(experts_mib(one, host_layers), abs=0.1)
    assert some_there.host_mib - all_here.host_mib == pytest.approx(moved, abs=0.1)
    assert some_there.per_card[0].kv_mib == all_here.per_card[0].kv_mib
    assert some_there.per_card[0].compute_mib > all_here.per_card[0].compute_mib


def test_newer_data_centre_cards_keep_more_for_their_context() -> None:
    one = model("deepseek-r1-distill-qwen-7b", "q4_k_m")
    overhead = {
        name: sized(one, place(name), 1).per_card[0].overhead_mib
        for name in ("RTX 3090", "A100 SXM 80GB", "H100 SXM 80GB")
    }
    assert overhead["RTX 3090"] < overhead["A100 SXM 80GB"] < overhead["H100 SXM 80GB"]


def test_ranks_share_weights_but_for_what_every_one_needs() -> None:
    r1 = model("deepseek-r1", "fp8")
    whole = safetensors.rank_weights_mib(r1, 1)
    eighth = safetensors.rank_weights_mib(r1, 8)
    assert whole == pytest.approx(r1.tensor_mib)
    assert whole / 8 < eighth < 1.02 * whole / 8
    dense = model("deepseek-r1-distill-llama-70b", "fp8")
    assert safetensors.rank_weights_mib(dense, 4) == pytest.approx(dense.tensor_mib / 4)


def test_the_cache_of_mla_is_on_every_rank_whole() -> None:
    a = model("deepseek-r1", "fp8").architecture
    setup = Setup(context=65536)
    one = safetensors.rank_kv_mib(a, setup, 1)
    assert one == a.layers * 65536 * 1152 / 2**20
    assert safetensors.rank_kv_mib(a, setup, 8) == one
    grouped = model("deepseek-r1-distill-llama-70b", "fp8").architecture
    four, eight, sixteen = (safetensors.rank_kv_mib(grouped, setup, n) for n in (4, 8, 16))
    assert four == 2 * eight
    assert sixteen == eight


def test_v4_takes_gigabytes_of_cache_before_the_first_token() -> None:
    a = model("deepseek-v4-flash", "fp4-fp8").architecture
    little = safetensors.rank_kv_mib(a, Setup(context=4096), 2)
    million = safetensors.rank_kv_mib(a, Setup(context=1 << 20), 2)
    assert 3.4 * 1024 < little < 7.7 * 1024
    assert million - little == pytest.approx(3.8 * 1024, rel=0.1)


def test_a_large_card_profiles_with_larger_batches() -> None:
    a = model("deepseek-r1", "fp8").architecture
    small = safetensors.activation_mib(a, 48 * 1024, 8)
    large = safetensors.activation_mib(a, 80 * 1024, 8)
    assert 1500 < small < large < 6000


def test_r1_awq_on_eight_h100_takes_what_was_seen() -> None:
    """About 50 GB of weights a card were reported; our rank may not need more than the card has."""
    memory = sized(model("deepseek-r1", "awq"), place("H100 SXM 80GB", 8), 8, by=VLLM)
    assert 40_000 < memory.per_card[0].weights_mib < 50_000
    assert fits(memory, model("deepseek-r1", "awq"))


@pytest.mark.parametrize(
    ("family", "quant", "ranks", "possible"),
    [
        ("deepseek-r1", "fp8", 8, True),
        ("deepseek-r1", "fp8", 3, False),
        ("deepseek-r1-distill-qwen-7b", "bf16", 4, True),
        ("deepseek-r1-distill-qwen-7b", "bf16", 8, False),
        ("deepseek-r1-distill-qwen-7b", "w4a16", 4, True),
        ("deepseek-r1-distill-qwen-1.5b", "w4a16", 4, False),
        ("deepseek-r1-distill-llama-70b", "w4a16", 8, True),
    ],
)
def test_ranks_divide_heads_and_blocks(family: str, quant: str, ranks: int, possible: bool) -> None:
    assert safetensors.divides(model(family, quant), ranks) is possible


def test_a_host_without_room_is_no_place_for_experts() -> None:
    one = model("deepseek-v4-flash", "q4_k_m")
    found = {}
    for memory_gib in (64, 512):
        where = place("RTX 4090", memory_gib=memory_gib)
        match = Match(wish=Wish(), model=one, recipe=LLAMA, place=where)
        found[memory_gib] = match.best_fit()
    assert found[64] is None
    fit = found[512]
    assert fit
    assert 0 < fit.host_layers <= 43
    assert fits(fit.memory, one)
    one_less = size(one, LLAMA, where, fit.setup, 1, fit.host_layers - 1)
    assert not fits(one_less, one)


ASCEND = recipe("vllm-ascend")


def in_groups(slots: int, by: Recipe = ASCEND) -> Memory:
    """V3.2 on sixteen dies that share a layer among eight."""
    one, where = model("deepseek-v3.2", "w8a8-ascend"), place("Ascend 910B (Atlas 800T A2)", 16)
    return size(one, by, where, Setup(context=8192 * slots, slots=slots), 16)


def test_groups_of_cards_have_all_of_a_layer_but_its_experts() -> None:
    undivided = msgspec.structs.replace(ASCEND.limits, max_tensor_parallel=None)
    alone = in_groups(16, msgspec.structs.replace(ASCEND, limits=undivided)).per_card[0]
    grouped = in_groups(16).per_card[0]
    assert alone.weights_mib < grouped.weights_mib < 1.5 * alone.weights_mib


def test_each_group_of_cards_keeps_the_conversations_that_it_answers() -> None:
    sixteen, eight = in_groups(16).per_card[0].kv_mib, in_groups(8).per_card[0].kv_mib
    assert sixteen == pytest.approx(2 * eight, abs=0.1)
    assert in_groups(3).per_card[0].kv_mib == in_groups(4).per_card[0].kv_mib


@pytest.mark.parametrize(
    ("cards", "experts", "ranks"),
    [(1, True, 1), (8, True, 8), (16, True, 8), (12, True, None), (16, False, 16)],
)
def test_a_recipe_says_how_many_cards_share_a_layer(
    cards: int, experts: bool, ranks: int | None
) -> None:
    assert ASCEND.limits.ranks(cards, experts=experts) == ranks


def test_only_as_many_cards_as_the_recipe_can_deal_with_are_planned_for() -> None:
    one, where = model("deepseek-v3.2", "w8a8-ascend"), place("Ascend 910B (Atlas 800T A2)", 16)

    def counts(by: Recipe) -> list[int]:
        return list(Match(wish=Wish(), model=one, recipe=by, place=where).card_counts())

    assert counts(ASCEND) == [16]
    odd = msgspec.structs.replace(ASCEND.limits, max_tensor_parallel=6)
    assert counts(msgspec.structs.replace(ASCEND, limits=odd)) == []
    alone = msgspec.structs.replace(ASCEND.limits, tensor_parallel=False)
    assert counts(msgspec.structs.replace(ASCEND, limits=alone)) == []


@pytest.mark.parametrize(("host_gib", "served"), [(1024, True), (160, False)])
def test_lookup_tables_want_room_in_the_server_s_memory(host_gib: int, served: bool) -> None:
    one, where = model("deepseek-v4.1-flash", "fp4-fp8"), place("H200 SXM 141GB", 8, host_gib)
    memory = sized(one, where, 8, by=VLLM)
    assert memory.host_mib > 183 * 1024
    assert (
        Match(wish=Wish(), model=one, recipe=VLLM, place=where).best_fit() is not None
    ) == served
