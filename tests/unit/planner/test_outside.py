"""Safetensors outside the catalogue: planned as the catalogue's are, by what they say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from boxes import box

from appliance.catalog.from_config import SafetensorsSet
from appliance.catalog.models import load_catalogue
from appliance.core.cards import CardFacts
from appliance.core.inventory import Inventory
from appliance.core.plan import Plan, Wish
from appliance.engines.recipes import load_recipes
from appliance.planner.plan import plan, plan_files
from appliance.planner.rules import rules

RECIPES = load_recipes()
THINKING = "{% if '</think>' in content %}{% endif %}"
QWEN2_7B = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "max_position_embeddings": 131072,
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
}
V3 = {
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "vocab_size": 129280,
}


def a_set(architecture: str, config: dict[str, Any], gib: float, **more: Any) -> SafetensorsSet:
    values: dict[str, Any] = {
        "quantization": "bf16",
        "parameters": None,
        "layers": frozenset(range(config["num_hidden_layers"])),
        "template": THINKING,
        "has_tokenizer": True,
    }
    return SafetensorsSet(
        architecture=architecture,
        config=config,
        tensor_bytes=int(gib * 2**30),
        **{**values, **more},
    )


OURS = a_set("Qwen2ForCausalLM", QWEN2_7B, 14.19)


def planned(
    found: SafetensorsSet, server: tuple[Inventory, dict[str, CardFacts]], **wish: Any
) -> Plan:
    inventory, facts = server
    asked = Wish(model="file:/srv/ours", **wish)
    return plan_files(asked, found, "file:/srv/ours", inventory, RECIPES, facts)


def test_a_fine_tune_is_served_as_the_model_it_was_made_of() -> None:
    server = box(("H100 SXM 80GB", 1))
    inventory, facts = server
    of_catalogue = plan(
        Wish(model="deepseek-r1-distill-qwen-7b:bf16", users=8),
        inventory,
        load_catalogue(),
        RECIPES,
        facts,
    )

    ours = planned(OURS, server, users=8)

    mine = {c.recipe: c for c in ours.choices if c.engine in ("vLLM", "SGLang")}
    known = {c.recipe: c for c in of_catalogue.choices if c.recipe in mine}
    assert {"vLLM", "SGLang"} <= {choice.engine for choice in mine.values()}
    assert known
    for recipe, choice in known.items():
        (one,), (other,) = mine[recipe].memory.per_card, choice.memory.per_card
        assert one.total_mib == pytest.approx(other.total_mib, rel=0.01)
        assert (mine[recipe].context, mine[recipe].slots) == (choice.context, choice.slots)
        assert mine[recipe].speed.decode_tps_one == pytest.approx(
            choice.speed.decode_tps_one, rel=0.02
        )


@pytest.mark.parametrize(
    ("architecture", "config", "template", "kind"),
    [
        ("Qwen2ForCausalLM", QWEN2_7B, THINKING, "distill"),
        ("Qwen2ForCausalLM", QWEN2_7B, "", "dense"),
        ("LlamaForCausalLM", QWEN2_7B, "{{ messages }}", "dense"),
        ("Qwen3ForCausalLM", {**QWEN2_7B, "head_dim": 128}, "enable_thinking </think>", "qwen3"),
        ("DeepseekV3ForCausalLM", V3, THINKING, "r1"),
        ("DeepseekV3ForCausalLM", V3, "{% if not thinking is defined %}</think>", "v3.1"),
        ("DeepseekV3ForCausalLM", V3, "", "v3"),
        ("DeepseekV2ForCausalLM", V3, THINKING, "v2"),
    ],
)
def test_engines_are_told_its_class(
    architecture: str, config: dict[str, Any], template: str, kind: str
) -> None:
    found = a_set(architecture, config, 14, template=template)

    choice = planned(found, box(("H200 SXM 141GB", 8))).choices[0]

    assert choice.form is not None
    assert choice.form.model_class == kind


def test_a_fine_tune_of_v3_takes_what_v3_takes() -> None:
    server = box(("H200 SXM 141GB", 8))
    inventory, facts = server
    wish = Wish(model="deepseek-v3:fp8", users=8)
    known = plan(wish, inventory, load_catalogue(), RECIPES, facts).choices[0]
    gib = sum(card.weights_mib for card in known.memory.per_card) / 1024

    found = a_set("DeepseekV3ForCausalLM", V3, gib, quantization="fp8", template="")
    ours = next(c for c in planned(found, server, users=8).choices if c.recipe == known.recipe)

    one, other = ours.memory.per_card[0], known.memory.per_card[0]
    assert ours.tensor_parallel == known.tensor_parallel == 8
    assert one.total_mib == pytest.approx(other.total_mib, rel=0.03)


def test_a_quantization_that_the_card_lacks_is_rejected_as_the_catalogue_s_is() -> None:
    found = a_set("Qwen2ForCausalLM", QWEN2_7B, 8, quantization="fp8")

    result = planned(found, box(("A100 SXM 80GB", 1)))

    assert not [choice for choice in result.choices if choice.cards != ["cpu"]]
    assert {one.code for one in result.rejected} >= {"FORMAT-UNSUPPORTED"}


def test_weights_of_32_bits_are_kept_in_16() -> None:
    wide = a_set("Qwen2ForCausalLM", QWEN2_7B, 28.38, quantization="f32")

    choices = [planned(each, box(("H100 SXM 80GB", 1))).choices[0] for each in (OURS, wide)]

    assert choices[0].memory == choices[1].memory
    assert (choices[1].disk_mib or 0) > 1.9 * (choices[0].disk_mib or 0)


class TestOnTheProcessor:
    """vLLM is told how much its cache gets, and takes one memory node."""

    def on(
        self, found: SafetensorsSet = OURS, gib: int = 64, sockets: int = 1, **wish: Any
    ) -> Plan:
        return planned(OURS, box(memory_gib=gib, cores=32, sockets=sockets), **wish)

    def test_it_holds_the_weights_a_cache_for_all_and_its_own_processes(self) -> None:
        choice = self.on(users=1, context=8192).choices[0]
        (card,) = choice.memory.per_card

        assert (choice.recipe, choice.slots, choice.context) == ("vllm-cpu", 1, 8192)
        embedding_mib = 152064 * 3584 * 2 / 2**20
        assert card.weights_mib == pytest.approx(14.19 * 1024 + 2 * embedding_mib, rel=0.001)
        per_token = 28 * 2 * 4 * 128 * 2
        assert card.kv_mib == pytest.approx((8192 + 128) * per_token / 2**20, rel=0.001)
        assert 0 < card.overhead_mib - rules().memory.vllm_cpu_mib < 300

    def test_more_conversations_get_more_cache(self) -> None:
        few, many = (self.on(users=users, context=8192).choices[0] for users in (1, 8))

        assert many.slots > few.slots
        assert many.memory.per_card[0].kv_mib > few.memory.per_card[0].kv_mib * many.slots * 0.9

    def test_where_memory_is_short_the_cache_gets_what_is_left(self) -> None:
        (roomy,) = self.on(users=8).choices
        (tight,) = self.on(users=8, gib=20).choices

        assert tight.memory.per_card[0].kv_mib < roomy.memory.per_card[0].kv_mib
        assert tight.memory.host_mib <= 19 * 1024

    def test_what_does_not_fit_is_said(self) -> None:
        result = self.on(gib=16)

        assert not result.choices
        assert {one.code for one in result.rejected} == {"TOO-BIG"}

    def test_where_its_engine_is_not_installed_the_command_is_said(self) -> None:
        inventory, facts = box(memory_gib=64)
        without = [recipe for recipe in RECIPES if not recipe.environment]

        result = plan_files(Wish(), OURS, "file:/srv/ours", inventory, without, facts)

        (why,) = result.rejected
        assert (why.code, why.advice) == ("NO-ENGINE", "appliance engines install vllm-cpu")

    def test_two_sockets_have_half_the_memory_each(self) -> None:
        assert self.on(gib=30).choices
        assert not self.on(gib=30, sockets=2).choices

    def test_a_second_socket_makes_nothing_faster(self) -> None:
        one = planned(OURS, box(memory_gib=64, cores=32, sockets=1)).choices[0]
        two = planned(OURS, box(memory_gib=128, cores=64, sockets=2)).choices[0]

        assert one.speed == two.speed


def test_a_choice_of_the_catalogue_tells_no_form() -> None:
    inventory, facts = box(("H100 SXM 80GB", 1))
    wish = Wish(model="deepseek-r1-distill-qwen-7b")

    choices = plan(wish, inventory, load_catalogue(), RECIPES, facts).choices

    assert {choice.form for choice in choices} == {None}
    assert '"form":null' in msgspec.json.encode(choices[0]).decode()
