from pathlib import Path
from typing import Any

import msgspec
import pytest
import tiny_models
from boxes import FACTS, box

from appliance.catalog.gguf import Split, read_header_of
from appliance.catalog.models import load_catalogue
from appliance.core.cards import CardFacts
from appliance.core.errors import UsageError
from appliance.core.inventory import Card, Cpu, Host, Inventory
from appliance.core.plan import Plan, Rejection, Wish
from appliance.engines.recipes import load_recipes, recipe
from appliance.planner.plan import plan, plan_files
from appliance.planner.rules import rules

CATALOGUE = load_catalogue()
RECIPES = load_recipes()
CPU_ONLY = box(memory_gib=24, cores=2, sockets=1)


def planned(
    server: tuple[Inventory, dict[str, CardFacts]], wish: Wish | None = None, **more: Any
) -> Plan:
    inventory, facts = server
    return plan(wish or Wish(), inventory, CATALOGUE, RECIPES, facts, **more)


def rejected(result: Plan, variant: str) -> Rejection:
    return next(one for one in result.rejected if one.variant == variant)


def test_a_box_without_cards_starts_a_distill_at_reading_speed() -> None:
    best = planned(CPU_ONLY).choices[0]
    assert recipe(best.recipe).start == "process"
    assert best.cards == ["cpu"]
    assert best.model.startswith("deepseek-r1-distill")
    assert best.speed.decode_tps_one is not None
    assert best.speed.decode_tps_one >= 5


def test_the_self_test_model_is_served_only_when_named() -> None:
    free = planned(CPU_ONLY)
    assert all("smollm2" not in choice.model for choice in free.choices)
    named = planned(CPU_ONLY, Wish(model="smollm2-135m-instruct:q4_1"))
    assert named.choices[0].variant == "smollm2-135m-instruct:q4_1"
    assert named.choices[0].fits


def test_a_named_variant_is_the_only_one_planned() -> None:
    result = planned(CPU_ONLY, Wish(model="deepseek-r1-distill-qwen-7b:q4_k_m"))
    assert {choice.variant for choice in result.choices} == {"deepseek-r1-distill-qwen-7b:q4_k_m"}


def test_an_unknown_model_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        planned(CPU_ONLY, Wish(model="deepseek-r9"))


def test_what_is_stored_needs_no_download_and_no_disk() -> None:
    wish = Wish(model="deepseek-r1-distill-qwen-7b:q4_k_m")
    assert planned(CPU_ONLY, wish, disk_free_mib=100.0).choices == []
    here = planned(CPU_ONLY, wish, disk_free_mib=100.0, stored=[wish.model])
    assert here.choices[0].download_mib == 0
    assert here.choices[0].disk_mib == pytest.approx(4466, abs=1)


@pytest.mark.parametrize("built", ["llama.cpp-native-cuda", "llama.cpp-native-vulkan"])
def test_an_engine_that_is_here_is_among_the_choices(built: str) -> None:
    choices = planned(box(("H100 SXM 80GB", 8)), startable=[built]).choices

    assert built in {choice.recipe for choice in choices}


def test_too_little_disk_is_told_with_numbers() -> None:
    wish = Wish(model="deepseek-r1-distill-qwen-7b:q4_k_m")
    reason = rejected(planned(CPU_ONLY, wish, disk_free_mib=100.0), wish.model or "")
    assert reason.code == "DISK-SPACE"
    assert "4.4 GiB" in reason.reason


def test_free_memory_of_the_host_counts_and_not_what_is_built_in() -> None:
    wish = Wish(model="deepseek-r1-distill-qwen-7b:q4_k_m")
    assert planned(CPU_ONLY, wish).choices
    crowded = planned(CPU_ONLY, wish, host_memory_free_mib=3000.0)
    assert not crowded.choices
    assert rejected(crowded, wish.model or "").code == "TOO-BIG"


def test_one_conversation_gets_the_context_that_was_asked_for() -> None:
    for context in (4096, 20_000, 131_072):
        choice = planned(box(("L40S", 1)), Wish(context=context)).choices[0]
        assert 0 <= choice.context - context < 256


def test_more_people_get_more_slots() -> None:
    few = planned(box(("L40S", 1)), Wish(model="deepseek-r1-distill-qwen-7b", users=1)).choices[0]
    many = planned(box(("L40S", 1)), Wish(model="deepseek-r1-distill-qwen-7b", users=60)).choices[0]
    assert few.slots == 1
    assert many.slots > 4
    assert (many.speed.decode_tps_all or 0) > (few.speed.decode_tps_all or 0)


def test_more_people_may_mean_more_replicas() -> None:
    wish = Wish(model="deepseek-r1-distill-qwen-7b:q4_k_m", users=200)
    choice = planned(box(("RTX 4090", 4)), wish).choices[0]
    assert choice.replicas > 1
    assert len(choice.cards) == choice.replicas * len(choice.memory.per_card)


@pytest.mark.parametrize("state", ["no_driver", "no_answer", "lost"])
def test_a_card_that_does_not_answer_is_left_out(state: str) -> None:
    inventory, facts = box(("RTX 4090", 2))
    sick = msgspec.structs.replace(inventory.cards[0], state=state)
    inventory = msgspec.structs.replace(inventory, cards=[sick, inventory.cards[1]])
    for choice in planned((inventory, facts)).choices:
        assert sick.id not in choice.cards


def test_cards_with_links_are_taken_first() -> None:
    plain, facts = box(("RTX 3090", 2))
    linked, more = box(("RTX 3090", 2), linked=True)
    renamed = [
        msgspec.structs.replace(card, id=f"linked-{card.index}", index=9) for card in linked.cards
    ]
    cards = [*plain.cards, *renamed]
    known = facts | {card.id: FACTS["RTX 3090"] for card in renamed}
    server = (msgspec.structs.replace(plain, cards=cards), known | more)
    wish = Wish(model="deepseek-r1-distill-llama-70b:q4_k_m", users=1)
    first = planned(server, wish).choices[0]
    assert set(first.cards) == {card.id for card in renamed}


def test_memory_that_nobody_knows_never_fits() -> None:
    card = Card(id="x", vendor="nvidia", name="Unknown", memory_mib=None)
    inventory = Inventory(host=Host(cpu=Cpu(cores=1), memory_mib=1024), cards=[card])
    result = planned((inventory, {}), Wish(model="deepseek-r1-distill-qwen-7b:q4_k_m"))
    assert not result.choices
    assert {one.code for one in result.rejected} <= {"MEMORY-UNKNOWN", "TOO-BIG"}


def test_fp8_is_refused_where_the_card_has_none() -> None:
    wish = Wish(model="deepseek-r1-distill-qwen-7b:fp8")
    result = planned(box(("A100 SXM 80GB", 1)), wish)
    assert rejected(result, wish.model or "").code == "FORMAT-UNSUPPORTED"
    assert "A100" in rejected(result, wish.model or "").reason
    assert planned(box(("H100 SXM 80GB", 1)), wish).choices


def test_bf16_is_refused_on_a_t4() -> None:
    wish = Wish(model="deepseek-r1-distill-qwen-1.5b:bf16")
    assert rejected(planned(box(("T4", 1)), wish), wish.model or "").code == "FORMAT-UNSUPPORTED"


def test_weights_of_one_vendor_are_refused_elsewhere() -> None:
    wish = Wish(model="deepseek-r1:w8a8-ascend")
    result = planned(box(("H200 SXM 141GB", 8)), wish)
    assert not result.choices
    assert "ascend" in rejected(result, wish.model or "").reason


def test_a_form_that_only_a_fork_loads_is_refused() -> None:
    wish = Wish(model="deepseek-v4.1-flash:q2_k")
    result = planned(box(("H200 SXM 141GB", 8)), wish)
    assert {one.code for one in result.rejected} == {"NEEDS-FORK"}


def test_tensor_ranks_divide_the_heads() -> None:
    wish = Wish(model="deepseek-r1-distill-qwen-14b:bf16")
    counts = {choice.tensor_parallel for choice in planned(box(("A10", 7)), wish).choices}
    assert counts <= {1, 2, 4, 8}


def test_the_roles_are_told_first() -> None:
    result = planned(box(("L40S", 1)))
    assert result.choices[0].why[0].startswith("best quality")
    assert any("fastest" in choice.why[0] for choice in result.choices)


def test_a_header_of_a_stranger_is_planned_like_the_catalogue(tmp_path: Path) -> None:
    path = tiny_models.build("deepseek2", tmp_path / "m.gguf")
    inventory, facts = CPU_ONLY
    reference = f"file:{path}"
    result = plan_files(
        Wish(), read_header_of(path), reference, inventory, RECIPES, facts, stored=[reference]
    )
    best = result.choices[0]
    assert best.variant == reference
    assert best.fits
    assert best.download_mib == 0
    assert best.context == tiny_models.CONTEXT


def test_the_first_part_of_a_split_model_speaks_for_all(tmp_path: Path) -> None:
    whole = read_header_of(tiny_models.build("llama", tmp_path / "m.gguf"))
    half = whole.tensors[: len(whole.tensors) // 2]
    first = msgspec.structs.replace(
        whole, tensors=half, split=Split(0, 2, tensors=len(whole.tensors))
    )
    inventory, facts = CPU_ONLY
    all_bytes = 5 << 30
    known = plan_files(
        Wish(), first, "file:x", inventory, RECIPES, facts, all_bytes=all_bytes
    ).choices[0]
    assert known.memory.per_card[0].weights_mib == pytest.approx(5120, abs=1)
    guessed = plan_files(Wish(), first, "file:x", inventory, RECIPES, facts).choices[0]
    assert guessed.memory.per_card[0].weights_mib > sum(t.bytes for t in half) / 2**20


@pytest.mark.parametrize(
    ("card", "quant", "served"),
    [
        ("Ascend 910B (Atlas 800T A2)", "q8_0", True),
        ("Ascend 910B (Atlas 800T A2)", "q4_0", True),
        ("Ascend 910B (Atlas 800T A2)", "q4_k_m", False),
        ("Ascend 310P3 (Atlas 300I Duo, per chip)", "q8_0", False),
        ("Ascend 310P3 (Atlas 300I Duo, per chip)", "f16", True),
    ],
)
def test_llama_cpp_multiplies_few_types_on_ascend(card: str, quant: str, served: bool) -> None:
    result = planned(box((card, 1)), Wish(model=f"deepseek-r1-distill-qwen-7b:{quant}"))
    on_cards = [choice for choice in result.choices if choice.cards != ["cpu"]]
    assert bool(on_cards) == served
    assert served or "FORMAT-UNSUPPORTED" in {one.code for one in result.rejected}


def test_a_conversation_longer_than_the_model_knows_is_shortened_and_told() -> None:
    wish = Wish(model="smollm2-135m-instruct:q4_1", context=16384)
    choice = planned(CPU_ONLY, wish).choices[0]
    assert choice.context == 8192
    assert any("8192" in reason for reason in choice.why)


def test_what_one_more_card_would_buy_is_told() -> None:
    bought = planned(box(("RTX 4090", 1), memory_gib=64), Wish(users=4)).improvements[0]
    assert bought.what == "1 x RTX 4090"
    assert "would" in bought.text
    assert planned(CPU_ONLY).improvements == []


def test_other_cards_of_the_server_could_carry_more_people() -> None:
    wish = Wish(model="deepseek-r1-distill-qwen-7b", users=4)
    mixed = planned(box(("RTX 4090", 4), ("Ascend 910B4 (Atlas 800I A2 32GB)", 2)), wish)
    (other,) = [one for one in mixed.improvements if "Ascend" in one.what]
    assert other.model == "deepseek-r1-distill-qwen-7b"
    assert "people more" in other.text


def test_other_cards_that_cannot_serve_the_same_model_could_serve_another() -> None:
    mixed = planned(box(("RTX 4090", 4), ("Ascend 910B4 (Atlas 800I A2 32GB)", 4)), Wish(users=4))
    (other,) = [one for one in mixed.improvements if "Ascend" in one.what]
    assert other.variant
    assert "beside it" in other.text


def test_every_quantization_of_the_catalogue_is_judged() -> None:
    quants = {variant.quant for family in CATALOGUE.families for variant in family.variants}
    assert quants <= set(rules().quality)


def test_of_two_equals_the_form_of_the_makers_wins() -> None:
    wish = Wish(model="deepseek-r1-distill-qwen-7b", users=1)
    assert planned(box(("H100 SXM 80GB", 1)), wish).choices[0].variant.endswith(":bf16")


def test_a_shorter_wait_is_kept_or_the_choice_says_so() -> None:
    wish = Wish(model="deepseek-r1-distill-qwen-32b:q4_k_m", users=4, first_word_s=0.001)
    (choice,) = [one for one in planned(box(("L40S", 1)), wish).choices if one.cards != ["cpu"]]
    assert any("first word" in text for text in choice.gives_up)


def test_no_silent_fall_to_the_processor() -> None:
    inventory, facts = box(("RTX 4090", 1), memory_gib=64)
    sick = msgspec.structs.replace(inventory.cards[0], state="no_driver")
    alone = msgspec.structs.replace(inventory, cards=[sick])
    best = planned((alone, facts)).choices[0]
    assert best.cards == ["cpu"]
    assert any("RTX 4090" in text and "no driver" in text for text in best.gives_up)
