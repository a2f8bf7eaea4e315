"""What was measured here replaces what is foretold."""

import msgspec
from boxes import box

from appliance.catalog.models import load_catalogue
from appliance.core.measurement import Measurement
from appliance.core.plan import Choice, Wish
from appliance.engines.recipes import load_recipes
from appliance.planner.plan import plan

CATALOGUE, RECIPES = load_catalogue(), load_recipes()
VARIANT = "deepseek-r1-distill-qwen-7b:q4_k_m"
SEEN = Measurement(
    variant=VARIANT,
    engine="llama.cpp",
    recipe="llama.cpp-native-cuda",
    cards=["RTX 4090"],
    context=8192,
    slots=1,
    users=1,
    at="2026-11-20T10:00:00+00:00",
    decode_tps_one=90.0,
    prefill_tps=5000.0,
)


def choice(*measurements: Measurement) -> Choice:
    inventory, facts = box(("RTX 4090", 1))
    wish = Wish(model=VARIANT, users=1)
    found = plan(wish, inventory, CATALOGUE, RECIPES, facts, measurements=measurements)
    return next(one for one in found.choices if one.recipe == "llama.cpp-native-cuda")


def test_a_measurement_takes_the_place_of_a_prediction_and_says_so() -> None:
    foretold, seen = choice(), choice(SEEN)
    assert foretold.speed.method == "roofline"
    assert seen.speed.method == "measured"
    assert seen.speed.decode_tps_one == 90.0
    assert seen.speed.prefill_tps == 5000.0
    assert seen.speed.predicted_tps_one
    assert abs(seen.speed.predicted_tps_one - (foretold.speed.decode_tps_one or 0)) < 15
    assert any("measured 90" in text for text in seen.why)


def test_people_are_counted_by_what_was_measured() -> None:
    slow, fast = choice(msgspec.structs.replace(SEEN, decode_tps_one=30.0)), choice(SEEN)
    assert slow.people
    assert fast.people
    assert slow.people.words_per_s
    assert fast.people.words_per_s
    assert slow.people.words_per_s < 0.5 * fast.people.words_per_s


def test_the_newest_measurement_counts() -> None:
    later = msgspec.structs.replace(SEEN, at="2026-11-21T10:00:00+00:00", decode_tps_one=80.0)
    assert choice(later, SEEN).speed.decode_tps_one == 80.0


def test_other_cards_recipes_and_variants_do_not_count() -> None:
    for other in (
        msgspec.structs.replace(SEEN, cards=["RTX 4090", "RTX 4090"]),
        msgspec.structs.replace(SEEN, cards=["RTX 3090"]),
        msgspec.structs.replace(SEEN, recipe="llama.cpp-native-vulkan"),
        msgspec.structs.replace(SEEN, variant="deepseek-r1-distill-qwen-7b:q8_0"),
        msgspec.structs.replace(SEEN, decode_tps_one=None),
    ):
        assert choice(other).speed.method == "roofline"
