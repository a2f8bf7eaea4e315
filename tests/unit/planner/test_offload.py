"""Experts in host memory, from the plan to the engine's command line."""

from pathlib import Path

import pytest
from boxes import box

from appliance.catalog.models import load_catalogue
from appliance.core.plan import Choice, Wish
from appliance.engines.recipes import load_recipes, recipe
from appliance.engines.render import fill_command, words_for
from appliance.ops.deployment import deployment_of, request_of
from appliance.planner.plan import plan

CATALOGUE, RECIPES = load_catalogue(), load_recipes()


def chosen(memory_gib: int, variant: str = "deepseek-v4-flash:q4_k_m") -> Choice | None:
    inventory, facts = box(
        ("RTX 4090", 1), memory_gib=memory_gib, cpu="EPYC 9654, one socket", cores=96, sockets=1
    )
    found = plan(Wish(model=variant, users=1), inventory, CATALOGUE, RECIPES, facts)
    return next((one for one in found.choices if one.recipe == "llama.cpp-native-cuda"), None)


def test_what_a_card_cannot_hold_stays_in_the_server_s_memory() -> None:
    choice = chosen(512)
    assert choice
    (card,) = choice.memory.per_card
    assert 0 < choice.host_layers <= 43
    assert card.available_mib
    assert card.total_mib < card.available_mib
    assert card.weights_mib + choice.memory.host_mib > 163_000
    assert choice.speed.decode_tps_one_range
    assert choice.speed.decode_tps_one_range[0] < 0.7 * (choice.speed.decode_tps_one or 0)
    assert any("server's memory" in text for text in choice.why)


def test_a_server_without_the_memory_is_told_that_it_is_too_big() -> None:
    assert chosen(64) is None


def test_a_dense_model_is_never_split_that_way() -> None:
    assert chosen(512, "deepseek-r1-distill-llama-70b:q8_0") is None


@pytest.mark.parametrize("recipe_id", ["llama.cpp-native-cuda", "llama.cpp-native-hip"])
def test_the_engine_is_told_how_many_layers(recipe_id: str) -> None:
    choice = chosen(512)
    assert choice
    work = deployment_of(choice, "/models/flash.gguf", CATALOGUE)
    assert work.host_layers == choice.host_layers
    request = request_of(work, [], 8001)
    engine = recipe(recipe_id)
    command = fill_command(engine.command, words_for(request, engine, Path("/build")))
    place = command.index("--n-cpu-moe")
    assert command[place + 1] == str(choice.host_layers)
    assert command[command.index("--ubatch-size") + 1] == "2048"


def test_without_such_layers_the_command_does_not_mention_them() -> None:
    choice = chosen(512, "deepseek-r1-distill-qwen-7b:q4_k_m")
    assert choice
    request = request_of(deployment_of(choice, "/m.gguf", CATALOGUE), [], 8001)
    engine = recipe("llama.cpp-native-cuda")
    command = fill_command(engine.command, words_for(request, engine, Path("/build")))
    assert "--n-cpu-moe" not in command
