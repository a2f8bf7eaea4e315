"""Cards that compute in the host's memory: nothing of it is there twice."""

import msgspec
import pytest
from boxes import FACTS, box

from appliance.catalog.models import load_catalogue
from appliance.core.inventory import Card, Cpu, Host, Inventory
from appliance.core.plan import Choice, Plan, Wish
from appliance.engines.recipes import load_recipes
from appliance.planner.placement import Place, places
from appliance.planner.plan import plan
from appliance.planner.rules import rules

CATALOGUE, RECIPES = load_catalogue(), load_recipes()
SPARK, STRIX, MAC = "GB10 (DGX Spark)", "Ryzen AI Max+ 395 (Radeon 8060S)", "Apple M3 Ultra"
GIB = 1024


def server(name: str, host_gib: int, card_gib: int | None = None) -> Inventory:
    fact = FACTS[name]
    memory = card_gib and card_gib * GIB
    card = Card(id="c", vendor=fact.vendor, index=0, name=name, arch=fact.arch, memory_mib=memory)
    host = Host(arch="aarch64", memory_mib=host_gib * GIB, cpu=Cpu(cores=20, sockets=1))
    return Inventory(host=host, cards=[card])


def place(inventory: Inventory, free_gib: float | None = None) -> Place:
    facts = {card.id: FACTS[card.name or ""] for card in inventory.cards}
    return places(inventory, facts, free_gib and free_gib * GIB)[0]


def planned(inventory: Inventory, model: str | None = None) -> Plan:
    facts = {card.id: FACTS[card.name or ""] for card in inventory.cards}
    return plan(Wish(model=model, users=1), inventory, CATALOGUE, RECIPES, facts)


def on_card(found: Plan) -> list[Choice]:
    return [choice for choice in found.choices if choice.cards == ["c"]]


@pytest.mark.parametrize(
    ("name", "card_gib", "share"), [(SPARK, None, 0.9), (SPARK, 128, 0.9), (MAC, 128, 0.75)]
)
def test_the_card_has_a_share_of_the_host(name: str, card_gib: int | None, share: float) -> None:
    found = place(server(name, 128, card_gib))
    assert found.shares_host
    assert found.available_mib == pytest.approx(share * 128 * GIB)


def test_what_is_used_of_the_host_is_not_free_on_the_card_and_the_system_keeps_some() -> None:
    memory = rules().memory
    kept = memory.cpu_reserve_mib + memory.shared_reserve_mib
    assert place(server(SPARK, 128), free_gib=40).available_mib == 40 * GIB - kept
    assert place(server(SPARK, 128), free_gib=2).available_mib == 0


def test_two_of_them_share_it_between_them() -> None:
    one = server(SPARK, 128)
    second = msgspec.structs.replace(one.cards[0], id="d", index=1)
    both = msgspec.structs.replace(one, cards=[*one.cards, second])
    assert place(both).available_mib == pytest.approx((place(one).available_mib or 0) / 2)


def test_memory_that_firmware_set_aside_is_the_card_s_own() -> None:
    aside = place(server(STRIX, 32, 96))
    assert (aside.shares_host, aside.available_mib) == (False, 96 * GIB)
    small = place(server(STRIX, 127, 1))
    assert (small.shares_host, small.available_mib) == (True, 127 * GIB / 2)


def test_a_card_with_memory_of_its_own_is_as_it_was() -> None:
    inventory, facts = box(("RTX 4090", 1), memory_gib=64)
    found = places(inventory, facts, 1000.0)[0]
    assert (found.shares_host, found.available_mib) == (False, 24 * GIB)


@pytest.mark.parametrize("name", [SPARK, MAC])
def test_card_and_host_together_take_no_more_than_there_is(name: str) -> None:
    choices = on_card(planned(server(name, 128)))
    assert choices
    for choice in choices:
        (card,) = choice.memory.per_card
        assert card.total_mib + choice.memory.host_mib <= 127 * GIB
        assert choice.host_layers == 0


def test_experts_in_the_host_s_memory_make_no_room_there() -> None:
    """That would be the same memory again."""
    model = "deepseek-v4-flash:ud-q4_k_xl"
    apart, facts = box(("RTX 4090", 1), memory_gib=192)
    beside = plan(Wish(model=model, users=1), apart, CATALOGUE, RECIPES, facts)
    assert any(choice.host_layers for choice in beside.choices)
    assert on_card(planned(server(SPARK, 128), model)) == []


def test_nobody_is_told_to_plug_in_one_more_and_where_the_memory_comes_from_is() -> None:
    found = planned(server(SPARK, 128))
    assert found.improvements == []
    assert any("no memory of its own" in text for text in on_card(found)[0].why)
