"""Servers with cards of several kinds: none stays idle unless it is told."""

from pathlib import Path

import msgspec
import tiny_models
from boxes import box

from appliance.catalog.gguf import read_header_of
from appliance.catalog.models import load_catalogue
from appliance.core.plan import Plan, Wish
from appliance.engines.recipes import load_recipes
from appliance.planner.plan import plan, plan_files
from appliance.planner.rules import rules

CATALOGUE, RECIPES = load_catalogue(), load_recipes()
B32, B70 = "deepseek-r1-distill-qwen-32b", "deepseek-r1-distill-llama-70b"
ASCEND = "Ascend 910B (Atlas 800T A2)"
BIG = ("A100 SXM 80GB", 1)


def planned(
    *groups: tuple[str, int], families: tuple[str, ...] = (), wish: Wish | None = None
) -> Plan:
    inventory, facts = box(*groups, memory_gib=64)
    known = tuple(one for one in CATALOGUE.families if not families or one.id in families)
    catalogue = msgspec.structs.replace(CATALOGUE, families=known)
    return plan(wish or Wish(users=4), inventory, catalogue, RECIPES, facts)


def idle(found: Plan) -> list[list[str]]:
    return [
        [text for text in choice.gives_up if text.startswith("idle")]
        for choice in found.choices
        if choice.pick
    ]


def test_of_two_about_as_capable_the_one_that_every_card_serves_is_taken() -> None:
    both = (B32, B70)
    assert planned(BIG, families=both).choices[0].model == B70
    beside = planned(BIG, ("RTX 4090", 1), families=both)
    assert beside.choices[0].model == B32
    assert idle(beside)[0] == []


def test_nobody_gets_a_much_less_capable_one_for_it() -> None:
    family = "deepseek-r1-0528-qwen3-8b"
    found = planned(BIG, ("RTX 2080", 1), families=(family, B70))
    assert found.choices[0].model == B70
    assert rules().people.worth_of_every_card < 5


def test_every_pick_says_which_cards_stay_idle_and_what_would_use_them() -> None:
    found = planned(("RTX 4090", 4), (ASCEND, 4))
    assert found.choices[0].pick == "quality"
    for choice, (text,) in zip(
        [one for one in found.choices if one.pick], idle(found), strict=True
    ):
        other = "RTX 4090" if ASCEND in choice.cards[0] else ASCEND
        assert f"4 x {other}" in text
        named = text.rpartition(" ")[2]
        again = planned(("RTX 4090", 4), (ASCEND, 4), wish=Wish(model=named, users=4))
        vendors = {card.partition("-")[0] for one in again.choices for card in one.cards}
        assert {"nvidia", "ascend"} <= vendors


def test_of_a_named_model_too_but_no_other_is_suggested() -> None:
    wish = Wish(model="deepseek-v4-flash-0731:ud-iq2_m", users=4)
    (texts, *_) = idle(planned(("RTX 4090", 4), (ASCEND, 4), wish=wish))
    assert texts == [f"idle beside it: 4 x {ASCEND}"]


def test_a_stranger_s_file_is_served_on_one_kind(tmp_path: Path) -> None:
    path = tiny_models.build("llama", tmp_path / "m.gguf")
    inventory, facts = box(("RTX 4090", 1), ("RTX 3090", 1), memory_gib=64)
    found = plan_files(
        Wish(users=1), read_header_of(path), f"file:{path}", inventory, RECIPES, facts
    )
    other = "RTX 3090" if "4090" in found.choices[0].cards[0] else "RTX 4090"
    assert idle(found)[0] == [f"idle beside it: 1 x {other}"]


def test_one_kind_of_card_is_never_called_idle() -> None:
    assert not any(idle(planned(("RTX 4090", 4))))
    assert not any(idle(planned()))
