from __future__ import annotations

import os

import golden
import msgspec
import pytest

from appliance.core.inventory import Card
from appliance.engines.recipes import load_recipes

RECIPES = {recipe.id: recipe for recipe in load_recipes()}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home, before = tmp_path_factory.mktemp("home"), os.environ.get("APPLIANCE_HOME")
    golden.with_builds(home)
    try:
        return golden.all_texts(home)
    finally:
        os.environ.pop("APPLIANCE_HOME")
        if before is not None:
            os.environ["APPLIANCE_HOME"] = before


@pytest.mark.parametrize("name", RECIPES)
def test_it_would_run_just_what_was_written_down(name: str, texts: dict[str, str]) -> None:
    assert texts[name] == (golden.GOLDEN / f"{name}.sh").read_text()


def test_nothing_is_written_down_that_is_no_recipe() -> None:
    assert {path.stem for path in golden.GOLDEN.glob("*.sh")} == set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_everything_listens_on_loopback_alone(name: str, texts: dict[str, str]) -> None:
    text = texts[name]

    assert "0.0.0.0" not in text
    assert "127.0.0.1" in text or "appliance.engines.llamacpp.serve" in text


@pytest.mark.parametrize("vendor", sorted(set(golden.CARDS) - {"cpu", "apple", "gaudi"}))
def test_every_vendor_has_an_engine_for_distillations_in_safetensors(vendor: str) -> None:
    arch, name = golden.CARDS[vendor]
    card = msgspec.convert({"id": "c", "vendor": vendor, "arch": arch, "name": name}, Card)

    assert any("distill" in (r.classes or []) and r.takes(card) for r in RECIPES.values())


def test_a_recipe_is_for_its_own_cards() -> None:
    arc = Card(id="a", vendor="intel", arch="xe2")
    gaudi = Card(id="g", vendor="intel", arch="gaudi3")
    old = Card(id="p", vendor="nvidia", arch="sm_61")
    unknown = Card(id="u", vendor="nvidia")

    assert RECIPES["vllm-intel"].takes(arc)
    assert not RECIPES["vllm-intel"].takes(gaudi)
    assert RECIPES["vllm-gaudi"].takes(gaudi)
    assert not RECIPES["vllm-nvidia"].takes(old)
    assert RECIPES["llama.cpp-native-cuda"].takes(old)
    assert RECIPES["vllm-nvidia"].takes(unknown)
    assert not RECIPES["vllm-nvidia"].takes(arc)


def test_the_image_is_the_architectures_own() -> None:
    ascend = RECIPES["vllm-ascend"]

    assert ascend.image_for("ascend910b") != ascend.image_for("ascend910_93")
    assert "a3" in (ascend.image_for("ascend910_93") or "")
    assert RECIPES["vllm-enflame"].image_for(None) is None
