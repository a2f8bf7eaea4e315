import json
from pathlib import Path

import pytest
from boxes import box

from appliance.catalog.models import load_catalogue
from appliance.core.documents import to_json
from appliance.core.errors import UsageError
from appliance.core.plan import CardMemory, Choice
from appliance.engines.recipes import load_recipes
from appliance.planner.exact import Exactly, plan_exact

CATALOGUE = load_catalogue()
RECIPES = load_recipes()
HOST = box(memory_gib=4096)


def exactly(asked: Exactly, server=HOST, cache: Path | None = None) -> Choice:  # type: ignore[no-untyped-def]
    inventory, facts = server
    result = plan_exact(asked, inventory, CATALOGUE, RECIPES, facts, cache=cache)
    (choice,) = result.choices
    return choice


def only_card(choice: Choice) -> CardMemory:
    (card,) = choice.memory.per_card
    return card


def test_memory_of_a_dense_model_is_what_the_engine_printed() -> None:
    choice = exactly(
        Exactly(variant="deepseek-r1-distill-qwen-32b", quant="f16", total_context=32768)
    )
    card = only_card(choice)
    assert (card.weights_mib, card.kv_mib, card.compute_mib) == (62494.27, 8192.0, 317.0)
    assert card.total_mib == pytest.approx(62494.27 + 8192 + 317 + card.overhead_mib)
    assert choice.fits


def test_the_embedding_stays_in_the_host() -> None:
    asked = Exactly(variant="deepseek-r1-distill-qwen-7b", quant="q4_k_m", total_context=32768)
    choice = exactly(asked, box(("RTX 3090", 1)))
    card = only_card(choice)
    assert card.weights_mib == pytest.approx(4168.09, abs=0.01)
    assert card.total_mib == pytest.approx(6526, rel=0.01)
    assert choice.memory.host_mib >= 292.36


def test_what_does_not_fit_is_planned_and_says_so() -> None:
    asked = Exactly(variant="deepseek-v3", quant="f16", total_context=4096)
    choice = exactly(asked, box(("RTX 4090", 2)))
    assert not choice.fits
    assert sum(card.weights_mib for card in choice.memory.per_card) > 1_200_000


def test_layers_and_cache_are_dealt_out_completely() -> None:
    asked = Exactly(variant="deepseek-r1", quant="q4_k_m", total_context=65536)
    choice = exactly(asked, box(("A100 SXM 80GB", 8)))
    cards = choice.memory.per_card
    assert len(cards) > 4
    embedding = 129280 * 7168 * 4.5 / 8 / 2**20
    assert sum(card.weights_mib for card in cards) + embedding == pytest.approx(385750.62, rel=1e-3)
    assert choice.memory.host_mib > embedding
    assert sum(card.kv_mib for card in cards) == pytest.approx(4392, abs=0.1)


def test_v4_is_sized_by_the_engine_itself(tmp_path: Path) -> None:
    asked = Exactly(variant="deepseek-v4-flash", quant="q4_k_m", total_context=65536)
    choice = exactly(asked, cache=tmp_path)
    assert choice.memory.method == "engine"
    assert only_card(choice).kv_mib == 473.89
    assert only_card(choice).compute_mib == pytest.approx(347.84, rel=0.05)


def test_v4_keeps_room_for_what_no_buffer_shows() -> None:
    asked = Exactly(variant="deepseek-v4-flash", quant="iq2_xxs", total_context=16384)
    choice = exactly(asked, box(("RTX PRO 6000 Blackwell", 1)))
    assert only_card(choice).overhead_mib >= 1024
    assert only_card(choice).overhead_mib >= 0.05 * 96 * 1024


@pytest.mark.parametrize(
    "asked",
    [
        Exactly(variant="deepseek-r1", quant="q4_k_m", total_context=0),
        Exactly(variant="deepseek-r1", quant="q4_k_m", total_context=4096, slots=0),
        Exactly(variant="deepseek-r1", quant="q4_k_m", total_context=4096, kv_type="q9_9"),
        Exactly(variant="deepseek-r1", quant="q9_k", total_context=4096),
        Exactly(variant="deepseek-r9", quant="q4_k_m", total_context=4096),
        Exactly(variant="file:/x", quant="q4_k_m", total_context=4096),
    ],
)
def test_nonsense_is_a_usage_error(asked: Exactly) -> None:
    with pytest.raises(UsageError):
        exactly(asked)


def test_the_quantization_may_follow_the_id_or_be_the_recommended_one() -> None:
    named = exactly(Exactly(variant="deepseek-r1:q8_0", total_context=4096))
    assert named.variant == "deepseek-r1:q8_0"
    recommended = exactly(Exactly(variant="deepseek-v2-lite", total_context=4096))
    assert recommended.variant.startswith("deepseek-v2-lite:")


def test_the_document_is_plan_1() -> None:
    inventory, facts = HOST
    asked = Exactly(variant="deepseek-r1", quant="q4_k_m", total_context=8192, slots=2)
    document = json.loads(to_json(plan_exact(asked, inventory, CATALOGUE, RECIPES, facts)))
    assert document["schema"] == "appliance.plan/1"
    (choice,) = document["choices"]
    assert (choice["context"], choice["slots"]) == (4096, 2)
    assert choice["memory"]["method"] == "engine"
