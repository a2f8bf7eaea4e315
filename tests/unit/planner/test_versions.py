"""Rules with versions: what is too old is refused with the way out, what is unknown is said."""

import msgspec
import pytest
from boxes import box
from hypothesis import given
from hypothesis import strategies as st

from appliance.catalog.models import load_catalogue
from appliance.core.plan import Plan, Rejection, Wish
from appliance.core.reference import CatalogReference
from appliance.engines.recipes import load_recipes, recipe
from appliance.planner.model import Model, of_catalogue
from appliance.planner.placement import Place, places
from appliance.planner.plan import plan
from appliance.planner.rules import rules
from appliance.planner.starts import refusal, unknowns
from appliance.planner.versions import engine_version, numbers, older

CATALOGUE = load_catalogue()
ASCEND = "Ascend 910B (Atlas 800T A2)"


def model(family: str, quant: str) -> Model:
    found = of_catalogue(*CATALOGUE.variant(CatalogReference(family, quant)))
    assert found
    return found


SEVEN = model("deepseek-r1-distill-qwen-7b", "bf16")


def place(card: str, driver: str | None, runtime: str | None = None) -> Place:
    inventory, facts = box((card, 2))
    found = places(inventory, facts, None)[0]
    cards = tuple(
        msgspec.structs.replace(one, driver=driver, runtime=runtime) for one in found.cards
    )
    return msgspec.structs.replace(found, cards=cards)


@pytest.mark.parametrize(
    ("one", "other", "is_older"),
    [
        ("570.124.06", "580.65", True),
        ("580.65.06", "580.65", False),
        ("580.95.05", "580.65", False),
        ("24.1.rc2", "25.5", True),
        ("25.5.0", "25.5", False),
        ("v0.9.2", "0.12.0", True),
        ("2026.10.11549", "2026-06-29", False),
        ("unknown", "1", False),
        ("6.12.12", "6.3", False),
    ],
)
def test_versions_compare_by_their_numbers(one: str, other: str, is_older: bool) -> None:
    assert older(one, other) is is_older


@given(st.lists(st.integers(0, 9999), min_size=1, max_size=4), st.text(max_size=20))
def test_any_text_has_numbers_and_none_is_older_than_itself(parts: list[int], noise: str) -> None:
    text = ".".join(map(str, parts))
    assert numbers(text) == tuple(parts)
    assert not older(text, text)
    assert not older(noise, noise)


@pytest.mark.parametrize(
    ("card", "by", "driver", "runtime", "code"),
    [
        ("RTX 4090", "vllm-nvidia", "550.54.14", None, "DRIVER-OLD"),
        ("RTX 5090", "llama.cpp-native-cuda", "550.54.14", None, "DRIVER-OLD"),
        ("MI300X", "vllm-amd", "5.18.13", None, "DRIVER-OLD"),
        (ASCEND, "vllm-ascend", "24.1.rc2", None, "VERSION-PAIR"),
        ("MTT S4000", "vllm-mthreads", "2.7.0", None, "VERSION-PAIR"),
        ("MetaX C500 (OAM)", "vllm-metax", None, "2.31.0", "VERSION-PAIR"),
    ],
)
def test_what_is_too_old_is_refused_with_the_version_to_update_to(
    card: str, by: str, driver: str | None, runtime: str | None, code: str
) -> None:
    one = SEVEN if not by.startswith("llama") else model("deepseek-r1-distill-qwen-7b", "q4_k_m")
    refused = refusal(one, recipe(by), place(card, driver, runtime))
    assert isinstance(refused, Rejection)
    assert refused.code == code
    assert (driver or runtime or "") in refused.reason
    assert "≥" in refused.advice


@pytest.mark.parametrize("driver", ["580.95.05", "590.10"])
def test_a_new_driver_is_welcome(driver: str) -> None:
    where = place("RTX 4090", driver)
    assert refusal(SEVEN, recipe("vllm-nvidia"), where) is None
    assert not list(unknowns(SEVEN, recipe("vllm-nvidia"), where))


def test_one_old_card_among_new_ones_counts() -> None:
    where = place("RTX 4090", "580.95.05")
    old = msgspec.structs.replace(where.cards[1], driver="535.1")
    mixed = msgspec.structs.replace(where, cards=(where.cards[0], old))
    refused = refusal(SEVEN, recipe("vllm-nvidia"), mixed)
    assert refused
    assert "535.1" in refused.reason


def test_an_unknown_driver_is_not_refused_but_said() -> None:
    where = place("RTX 4090", None)
    assert refusal(SEVEN, recipe("vllm-nvidia"), where) is None
    (text,) = unknowns(SEVEN, recipe("vllm-nvidia"), where)
    assert "580.65" in str(text)
    assert not list(unknowns(SEVEN, recipe("llama.cpp-native-cuda"), where))


def test_an_engine_from_before_the_model_is_refused() -> None:
    old = msgspec.structs.replace(
        recipe("vllm-nvidia"), image={"*": "gpustack/runner:cuda12.4-vllm0.9.2"}
    )
    assert engine_version(old, "sm_90") == "0.9.2"
    refused = refusal(model("deepseek-r1", "fp8"), old, place("H100 SXM 80GB", "580.95"))
    assert refused
    assert refused.code == "ENGINE-OLD"
    assert "0.9.2" in refused.reason
    assert refusal(SEVEN, old, place("H100 SXM 80GB", "580.95")) is None


@pytest.mark.parametrize(
    ("card", "quant"),
    [("A100 SXM 80GB", "fp8"), (ASCEND, "fp8"), ("T4", "bf16"), ("V100 SXM2 32GB", "bf16"),
     ("Ascend 310P3 (Atlas 300I Duo, per chip)", "bf16"), ("RTX 5090", "w8a8"), ("B200", "w8a8")],
)  # fmt: skip
def test_number_formats_that_a_card_lacks_are_refused(card: str, quant: str) -> None:
    where = place(card, None)
    one = model("deepseek-r1-distill-qwen-7b", quant)
    for by in load_recipes():
        if by.takes(where.typical) and "safetensors" in by.formats:
            refused = refusal(one, by, where)
            assert refused, by.id
            assert refused.code.endswith("UNSUPPORTED")


@pytest.mark.parametrize(
    ("family", "card", "served"),
    [
        ("deepseek-v4-flash", "MI300X", False),
        ("deepseek-v4-flash", "MI325X", True),
        ("deepseek-v4-flash", "MI355X", True),
        ("deepseek-v4.1-flash", "MI325X", False),
        ("deepseek-v4.1-flash", "MI355X", True),
    ],
)
def test_v4_is_for_the_amd_cards_it_was_published_on(family: str, card: str, served: bool) -> None:
    refused = refusal(model(family, "fp4-fp8"), recipe("vllm-amd-v4"), place(card, None))
    assert (refused is None) == served


@pytest.mark.parametrize(
    ("family", "quant", "by", "served"),
    [
        ("deepseek-r1-0528", "w4a8-hygon", "vllm-hygon", True),
        ("deepseek-r1-0528", "fp8", "vllm-hygon", False),
        ("deepseek-v3-0324", "w8a8", "vllm-hygon", True),
        ("deepseek-v3.2", "w8a8", "vllm-hygon-v3.2", True),
        ("deepseek-v3.2", "fp8", "vllm-hygon-v3.2", False),
        ("deepseek-v4-flash-0731", "w8a8", "vllm-hygon-v4", True),
    ],
)
def test_hygons_engines_take_hygons_weights(family: str, quant: str, by: str, served: bool) -> None:
    refused = refusal(model(family, quant), recipe(by), place("Hygon BW1100", None))
    assert (refused is None) == served


@pytest.mark.parametrize(("card", "served"), [("Ascend 950PR", True), (ASCEND, False)])
def test_the_makers_own_v4_is_for_ascend_950(card: str, served: bool) -> None:
    one, where = model("deepseek-v4-flash", "fp4-fp8"), place(card, "26.0")
    able = [r for r in load_recipes() if r.engine == "vLLM" and r.takes(where.typical)]
    assert any(refusal(one, by, where) is None for by in able) == served


@pytest.mark.parametrize(("version", "refused"), [("0.29.0", True), ("0.30.0", False)])
def test_v41_wants_the_engine_that_knows_it(version: str, refused: bool) -> None:
    image = {"*": f"gpustack/runner:cuda13.0-vllm{version}"}
    older = msgspec.structs.replace(recipe("vllm-nvidia"), image=image)
    found = refusal(model("deepseek-v4.1-flash", "fp4-fp8"), older, place("B200", "580.65.06"))
    assert (found is not None and found.code == "ENGINE-OLD") == refused


def planned(count: int, family: str) -> Plan:
    inventory, facts = box(("H200 SXM 141GB", count))
    return plan(Wish(model=family, users=4), inventory, CATALOGUE, load_recipes(), facts)


def test_cards_that_heads_cannot_be_dealt_out_to_are_told() -> None:
    """671 GB in FP8 fit on seven such cards, but 128 heads do not go into seven."""
    codes = {one.variant: one.code for one in planned(7, "deepseek-r1:fp8").rejected}
    assert codes["deepseek-r1:fp8"] == "CARDS-INDIVISIBLE"


def test_every_rule_has_a_stable_code_a_way_out_and_a_source() -> None:
    for rule in rules().rule:
        assert rule.code.replace("-", "").isupper()
        assert rule.reason
        assert rule.advice
        assert rule.source
        if rule.driver_below or rule.runtime_below:
            assert "{version}" in rule.reason
            assert (rule.driver_below or rule.runtime_below or "").split(".")[0] in rule.advice


@pytest.mark.parametrize(
    ("driver", "code"), [("550.54.14", "DRIVER-OLD"), ("580.65.06", None), (None, None)]
)
def test_an_environment_is_held_against_the_driver(driver: str | None, code: str | None) -> None:
    pip, where = recipe("vllm-nvidia-pip"), place("H100 SXM 80GB", driver)
    refused = refusal(SEVEN, pip, where)

    assert (refused.code if refused else None) == code
    assert any("580.65" in str(text) for text in unknowns(SEVEN, pip, where)) == (driver is None)
    assert engine_version(pip, where.arch) == "0.32.0"
