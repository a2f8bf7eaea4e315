"""What a sensible person would serve on well-known servers: family, engine, how many cards."""

from collections.abc import Iterator

import pytest
from boxes import box

from appliance.catalog.models import load_catalogue
from appliance.core.plan import Choice, Plan, Wish
from appliance.engines.recipes import load_recipes
from appliance.planner.plan import plan

CATALOGUE = load_catalogue()
RECIPES = load_recipes()

V4_FLASH = {"deepseek-v4-flash", "deepseek-v4-flash-0731"}
V4_PRO = {"deepseek-v4-pro", "deepseek-v4-pro-0813"}
V41 = {"deepseek-v4.1-flash", "deepseek-v4.1-flash-1017"}
BIG = {"deepseek-r1", "deepseek-r1-0528", "deepseek-v3.1", "deepseek-v3.1-terminus"}
SMALL = {"deepseek-r1-0528-qwen3-8b", "deepseek-r1-distill-qwen-7b", "deepseek-r1-distill-llama-8b"}
B1_5 = {"deepseek-r1-distill-qwen-1.5b"}
B14 = {"deepseek-r1-distill-qwen-14b"}
B32 = {"deepseek-r1-distill-qwen-32b"}
B70 = {"deepseek-r1-distill-llama-70b"}

ASCEND, ASCEND_32 = "Ascend 910B (Atlas 800T A2)", "Ascend 910B4 (Atlas 800I A2 32GB)"
PRO_6000 = "RTX PRO 6000 Blackwell"

BOXES = [
    # what is in it, whom it serves, which families are sensible, why
    ("one 8 GB card", box(("RTX 2080", 1), memory_gib=32), 4, SMALL),
    ("one 12 GB card", box(("RTX 3060 12GB", 1), memory_gib=32), 4, B14 | SMALL),
    ("one T4, no BF16", box(("T4", 1), memory_gib=64), 4, B14 | SMALL),
    ("one 20 GB card", box(("RX 7900 XT", 1), memory_gib=64), 4, B32 | B14),
    ("one 24 GB card", box(("RTX 4090", 1), memory_gib=64), 4, B32),
    ("one 24 GB card for 40 people", box(("RTX 4090", 1), memory_gib=64), 40, B14 | SMALL),
    ("two 24 GB cards", box(("RTX 4090", 2)), 4, B32 | B70),
    ("two Arc", box(("Arc Pro B60", 2)), 4, B32 | B14),
    ("one 48 GB card", box(("L40S", 1)), 4, B32 | B70),
    ("four 24 GB cards", box(("RTX 4090", 4)), 4, B70 | B32),
    ("eight 24 GB cards", box(("RTX 4090", 8)), 4, V4_FLASH),
    ("eight RTX 3090", box(("RTX 3090", 8)), 4, V4_FLASH),
    ("four V100, no BF16", box(("V100 SXM2 32GB", 4)), 4, V4_FLASH | B70),
    ("four A40", box(("A40", 4)), 4, V4_FLASH),
    ("two PRO 6000", box((PRO_6000, 2)), 4, V4_FLASH),
    ("one GB10", box(("GB10 (DGX Spark)", 1), memory_gib=128), 4, V4_FLASH | B32),
    ("eight A100, no FP8", box(("A100 SXM 80GB", 8)), 40, V4_FLASH | BIG),
    ("eight H100", box(("H100 SXM 80GB", 8)), 40, V41 | V4_FLASH),
    ("eight H20", box(("H20 96GB", 8)), 40, V41 | V4_FLASH),
    ("eight H200", box(("H200 SXM 141GB", 8)), 40, V4_PRO),
    ("eight B200", box(("B200", 8)), 40, V4_PRO),
    ("eight MI300X", box(("MI300X", 8)), 40, V4_PRO),
    ("eight Ascend 910B", box((ASCEND, 8)), 40, V4_FLASH | BIG),
    ("sixteen Ascend 910B", box((ASCEND, 16)), 40, V4_FLASH | BIG | {"deepseek-v3.2"}),
    ("eight S4000", box(("MTT S4000", 8)), 4, V4_FLASH),
    ("eight C500", box(("MetaX C500 (OAM)", 8)), 4, BIG),
    ("eight K100_AI", box(("Hygon K100_AI", 8)), 4, V4_FLASH | BIG),
    ("eight BW1000", box(("Hygon BW1000", 8)), 4, V4_FLASH | BIG),
    ("eight P800", box(("Kunlun P800 (OAM)", 8)), 4, BIG),
    ("sixteen BI-V150 dies", box(("Iluvatar BI-V150 (board of two dies)", 16)), 4, BIG | B70),
    ("4090 and Ascend", box(("RTX 4090", 4), (ASCEND_32, 4)), 4, B70 | B32),
    ("512 GB, two EPYC 9654", box(cpu="EPYC 9654, one socket", cores=192), 1, V4_FLASH),
    (
        "24 GB, two cores",
        box(cpu="EPYC 7713, one socket", memory_gib=24, cores=2, sockets=1),
        1,
        B1_5 | SMALL,
    ),
    ("a processor nobody knows", box(memory_gib=64, cores=32, sockets=1), 1, SMALL),
]


def planned(name: str) -> Plan:
    _, (inventory, facts), users, _ = next(entry for entry in BOXES if entry[0] == name)
    return plan(Wish(users=users), inventory, CATALOGUE, RECIPES, facts)


def memories(choices: list[Choice]) -> Iterator[tuple[float, float]]:
    for choice in choices:
        for card in choice.memory.per_card:
            assert card.available_mib is not None
            yield card.total_mib, card.available_mib


@pytest.mark.parametrize("name", [entry[0] for entry in BOXES])
def test_the_first_choice_is_a_sensible_one(name: str) -> None:
    sensible = next(entry[3] for entry in BOXES if entry[0] == name)
    best = planned(name).choices[0]
    assert best.model in sensible
    assert best.fits
    assert best.why
    assert best.speed.decode_tps_one is not None
    assert best.speed.decode_tps_one >= 5


@pytest.mark.parametrize("name", [entry[0] for entry in BOXES])
def test_every_choice_fits_with_a_margin_on_its_own_cards(name: str) -> None:
    inventory = next(entry[1][0] for entry in BOXES if entry[0] == name)
    result = planned(name)
    vendors = {card.id: card.vendor for card in inventory.cards}
    for choice in result.choices:
        kinds = {vendors.get(card, "cpu") for card in choice.cards}
        assert len(kinds) == 1
        assert len(choice.cards) == len(set(choice.cards))
        assert len(choice.cards) == len(choice.memory.per_card) * choice.replicas
        assert choice.tensor_parallel * choice.pipeline_parallel * choice.replicas == len(
            choice.cards
        )
    assert all(total <= available for total, available in memories(result.choices))


@pytest.mark.parametrize("name", [entry[0] for entry in BOXES])
def test_every_rejection_says_why_and_what_to_do(name: str) -> None:
    for rejected in planned(name).rejected:
        assert rejected.code.isupper()
        assert rejected.reason
        assert rejected.advice


def test_each_vendor_of_a_mixed_server_gets_its_own_engine() -> None:
    engines = {
        (choice.cards[0].partition("-")[0], choice.engine)
        for choice in planned("4090 and Ascend").choices
    }
    assert {vendor for vendor, _ in engines} >= {"nvidia", "ascend"}
