"""What a sensible person would serve on well-known servers, how, and why."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest
from boxes import box

from appliance.catalog.models import load_catalogue
from appliance.core.cards import CardFacts
from appliance.core.inventory import Inventory
from appliance.core.plan import Choice, Plan, Wish
from appliance.engines.recipes import load_recipes
from appliance.planner.plan import plan
from appliance.planner.rules import rules

CATALOGUE = load_catalogue()
RECIPES = load_recipes()

V4_FLASH = {"deepseek-v4-flash", "deepseek-v4-flash-0731"}
V4_PRO = {"deepseek-v4-pro", "deepseek-v4-pro-0813"}
V41 = {"deepseek-v4.1-flash", "deepseek-v4.1-flash-1017"}
V32 = {"deepseek-v3.2"}
BIG = {"deepseek-r1", "deepseek-r1-0528", "deepseek-v3.1", "deepseek-v3.1-terminus"}
B8 = {"deepseek-r1-0528-qwen3-8b"}
SMALL = {*B8, "deepseek-r1-distill-qwen-7b", "deepseek-r1-distill-llama-8b"}
LITE = {"deepseek-v2-lite-chat", "deepseek-coder-v2-lite-instruct"}
B1_5 = {"deepseek-r1-distill-qwen-1.5b"}
B14 = {"deepseek-r1-distill-qwen-14b"}
B32 = {"deepseek-r1-distill-qwen-32b"}
B70 = {"deepseek-r1-distill-llama-70b"}

ASCEND, ASCEND_32 = "Ascend 910B (Atlas 800T A2)", "Ascend 910B4 (Atlas 800I A2 32GB)"
DUO = "Ascend 310P3 (Atlas 300I Duo, per chip)"
PRO_6000 = "RTX PRO 6000 Blackwell"
VLLM_SGLANG = {"vLLM", "SGLang"}
LLAMA = {"llama.cpp"}


class Box(NamedTuple):
    """A server, whom it serves, which families and engines are sensible there, and why."""

    name: str
    server: tuple[Inventory, dict[str, CardFacts]]
    users: int
    families: set[str]
    why: str
    engines: set[str] | None = None


BOXES = [
    Box("one 8 GB card", box(("RTX 2080", 1), memory_gib=32), 4, B8,
        "the best small model in 4 bits leaves room for two conversations", LLAMA),
    Box("one 12 GB card", box(("RTX 3060 12GB", 1), memory_gib=32), 4, B14,
        "14B in 4 bits fits, with a cache of 8 bits", LLAMA),
    Box("one T4, no BF16", box(("T4", 1), memory_gib=64), 4, B14,
        "16 GB hold 14B; without BF16 and fast FP16 in vLLM it is GGUF", LLAMA),
    Box("one 20 GB card", box(("RX 7900 XT", 1), memory_gib=64), 4, B32 | B14,
        "32B only in 3 bits, 14B in 6: both are defensible"),
    Box("one 24 GB card", box(("RTX 4090", 1), memory_gib=64), 4, B32,
        "32B in 4 bits is what these cards are bought for", LLAMA),
    Box("one 24 GB card for 40 people", box(("RTX 4090", 1), memory_gib=64), 40, B14 | SMALL,
        "32B leaves no room for ten conversations at once"),
    Box("one 24 GB card, long documents", box(("RTX 4090", 1), memory_gib=64), 1, B32 | B14,
        "one conversation may be long"),
    Box("two 24 GB cards", box(("RTX 4090", 2), memory_gib=64), 4, B32 | B70,
        "32B in 6 bits or more, or 70B in 4"),
    Box("two Arc", box(("Arc Pro B60", 2), memory_gib=64), 4, B32, "48 GB on two cards"),
    Box("one 48 GB card", box(("L40S", 1), memory_gib=64), 4, B32 | B70,
        "32B well, 70B barely; no memory for experts in the host"),
    Box("one 48 GB card, 512 GB host", box(("L40S", 1)), 4, V4_FLASH | B32 | B70,
        "the experts of V4-Flash may stay in the host, where people read slower than it writes"),
    Box("four 24 GB cards", box(("RTX 4090", 4), memory_gib=128), 4, V4_FLASH | B70,
        "2-bit V4-Flash just fits, and still answers better than 70B"),
    Box("eight 24 GB cards", box(("RTX 4090", 8)), 4, V4_FLASH,
        "its experts are 4 bits anyway: nothing is lost", LLAMA),
    Box("eight RTX 3090", box(("RTX 3090", 8)), 4, V4_FLASH, "as above, without FP8", LLAMA),
    Box("four V100, no BF16", box(("V100 SXM2 32GB", 4)), 4, V4_FLASH,
        "128 GB hold it in 3 bits; only GGUF runs there", LLAMA),
    Box("four A40", box(("A40", 4)), 4, V4_FLASH, "192 GB hold it whole; no FP8", LLAMA),
    Box("two PRO 6000", box((PRO_6000, 2)), 4, V4_FLASH,
        "the makers' own files fit on two Blackwell cards", VLLM_SGLANG),
    Box("one GB10", box(("GB10 (DGX Spark)", 1), memory_gib=128), 4, V4_FLASH | B32,
        "128 GB shared with the host"),
    Box("eight A100, no FP8", box(("A100 SXM 80GB", 8)), 40, V4_FLASH | BIG,
        "FP8 files do not compute there: GGUF or AWQ"),
    Box("eight H100", box(("H100 SXM 80GB", 8), memory_gib=1024), 40, V41 | V4_FLASH,
        "640 GB: V4.1-Flash with its tables, no V4-Pro", VLLM_SGLANG),
    Box("eight H20", box(("H20 96GB", 8), memory_gib=1024), 40, V41 | V4_FLASH,
        "as above", VLLM_SGLANG),
    Box("eight H200", box(("H200 SXM 141GB", 8), memory_gib=2048), 40, V4_PRO,
        "the recipe's own server for V4-Pro", VLLM_SGLANG),
    Box("eight B200", box(("B200", 8), memory_gib=2048), 40, V4_PRO, "as above", VLLM_SGLANG),
    Box("eight MI300X", box(("MI300X", 8), memory_gib=2048), 40, V4_FLASH | V32 | BIG,
        "vLLM names MI300X as unsupported for V4: V4-Flash as GGUF, or an older one in FP8"),
    Box("one Atlas 300I Duo", box((DUO, 2), memory_gib=64), 4, SMALL | B14 | B1_5,
        "310P computes neither BF16 nor quantized GGUF: F16 or vLLM"),
    Box("eight Ascend 910B", box((ASCEND, 8), memory_gib=1024), 40, V4_FLASH | BIG,
        "W8A8 of V4-Flash is documented for one Atlas 800 A2", VLLM_SGLANG),
    Box("two times eight Ascend 910B", box((ASCEND, 16), memory_gib=2048), 40,
        V4_FLASH | BIG | V32, "two replicas, or V3.2 over all sixteen", VLLM_SGLANG),
    Box("eight S4000", box(("MTT S4000", 8)), 4, V4_FLASH,
        "vLLM there knows the distillations alone; llama.cpp with MUSA the rest", LLAMA),
    Box("eight C500", box(("MetaX C500 (OAM)", 8)), 4, BIG,
        "512 GB: R1 or V3.1 in 4 bits, which vLLM-MetaX lists", VLLM_SGLANG),
    Box("eight K100_AI", box(("Hygon K100_AI", 8)), 4, V4_FLASH | BIG, "512 GB"),
    Box("eight BW1000", box(("Hygon BW1000", 8)), 4, V4_FLASH | BIG,
        "V4-Flash, or R1 in the maker's W4A8"),
    Box("eight P800", box(("Kunlun P800 (OAM)", 8), memory_gib=1024), 4, BIG | V32,
        "768 GB: the large ones in 4 bits", VLLM_SGLANG),
    Box("sixteen BI-V150 dies", box(("Iluvatar BI-V150 (board of two dies)", 16)), 4, BIG | B70,
        "what DeepSparkInference shows there: 70B, or V3.1 in W8A8"),
    Box("4090 and Ascend", box(("RTX 4090", 4), (ASCEND_32, 4), memory_gib=128), 4,
        V4_FLASH | B70 | B32, "each kind by itself, the other beside it"),
    Box("512 GB, two EPYC 9654", box(cpu="EPYC 9654, one socket", cores=192), 1, V4_FLASH,
        "13 of 284 billion parameters a token: memory counts, not cards", LLAMA),
    Box("24 GB, two cores", box(cpu="EPYC 7713, one socket", memory_gib=24, cores=2, sockets=1), 1,
        B1_5 | SMALL, "nothing larger writes as fast as people read", LLAMA),
    Box("a processor nobody knows", box(memory_gib=64, cores=32, sockets=1), 1,
        SMALL | LITE, "40 GB/s assumed: 8B thinks slowly, the small mixture does not", LLAMA),
]  # fmt: skip
NAMES = [one.name for one in BOXES]


def named(name: str) -> Box:
    return next(one for one in BOXES if one.name == name)


@cache
def planned(name: str) -> Plan:
    one = named(name)
    return plan(Wish(users=one.users), one.server[0], CATALOGUE, RECIPES, one.server[1])


def memories(choices: list[Choice]) -> Iterator[tuple[float, float]]:
    for choice in choices:
        for card in choice.memory.per_card:
            assert card.available_mib is not None
            yield card.total_mib, card.available_mib


@pytest.mark.parametrize("name", NAMES)
def test_the_first_choice_is_a_sensible_one(name: str) -> None:
    sensible = named(name)
    best = planned(name).choices[0]
    assert best.model in sensible.families, sensible.why
    assert sensible.engines is None or best.engine in sensible.engines, sensible.why
    assert best.pick == "quality"
    assert best.fits
    assert best.why
    assert best.people is not None
    assert (best.speed.decode_tps_one or 0) >= 5


@pytest.mark.parametrize("name", NAMES)
def test_no_first_choice_is_quantized_to_pieces(name: str) -> None:
    best = planned(name).choices[0]
    assert rules().quality[best.variant.partition(":")[2]] < 10


@pytest.mark.parametrize("name", NAMES)
def test_the_picks_differ_and_say_what_they_give_up(name: str) -> None:
    picks = {choice.pick: choice for choice in planned(name).choices if choice.pick}
    quality = picks["quality"]
    assert len({choice.variant for choice in picks.values()}) == len(picks)
    for name_of_pick, choice in picks.items():
        if name_of_pick != "quality":
            assert choice.gives_up
            assert (choice.speed.decode_tps_one or 0) > (quality.speed.decode_tps_one or 0)


@pytest.mark.parametrize("name", NAMES)
def test_every_choice_fits_with_a_margin_on_its_own_cards(name: str) -> None:
    inventory = named(name).server[0]
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


@pytest.mark.parametrize("name", NAMES)
def test_every_rejection_says_why_and_what_to_do(name: str) -> None:
    for rejected in planned(name).rejected:
        assert rejected.code.isupper()
        assert rejected.reason
        assert rejected.advice


def test_groups_of_cards_are_told() -> None:
    choices = planned("two times eight Ascend 910B").choices
    grouped = [one for one in choices if one.tensor_parallel == 16 and "v3.2" in one.model]
    assert grouped
    for one in grouped:
        by_vllm = one.engine == "vLLM"
        assert any("2 groups of 8 cards" in text for text in one.why) == by_vllm


def test_each_vendor_of_a_mixed_server_gets_its_own_engine() -> None:
    engines = {
        (choice.cards[0].partition("-")[0], choice.engine)
        for choice in planned("4090 and Ascend").choices
    }
    assert {vendor for vendor, _ in engines} >= {"nvidia", "ascend"}
