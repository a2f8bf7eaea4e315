"""Cards that somebody else works on are no ground for a plan."""

from pathlib import Path

import msgspec
import pytest
from up_fakes import gpu_box

from appliance.core.inventory import Cpu
from appliance.core.paths import find_paths
from appliance.core.plan import Wish
from appliance.core.sample import CardProcess, CardSample, Sample
from appliance.ops.planning import ground_of, make_plan, used_by_others


def reading(card: str, *processes: CardProcess) -> CardSample:
    return CardSample(id=card, memory_used_mib=100.0, processes=list(processes))


def test_only_what_is_not_ours_counts() -> None:
    sample = Sample(
        time="2026-11-25T00:00:00Z",
        cards=[
            reading("a", CardProcess(pid=1, memory_mib=500.0, replica="r1-0")),
            reading("b", CardProcess(pid=2, memory_mib=700.0), CardProcess(pid=3)),
            CardSample(id="c", processes=None),
        ],
    )
    assert used_by_others(sample) == {"a": 0, "b": 700.0}


def test_a_plan_leaves_the_card_of_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path))
    box = gpu_box(2)
    first, second = (card.id for card in box.cards)
    sample = Sample(
        time="2026-11-25T00:00:00Z",
        cards=[reading(first, CardProcess(pid=9, memory_mib=60_000.0)), reading(second)],
    )
    ground = ground_of(box, find_paths(), here=False, sample=sample)
    found = make_plan(Wish(model="deepseek-r1-distill-qwen-7b:q4_k_m", users=1), ground)
    used = {card for choice in found.choices for card in choice.cards}
    assert second in used
    assert first not in used


def test_the_processors_beside_cards_are_known_by_their_model() -> None:
    box = gpu_box(1)
    cpu = Cpu(model="AMD EPYC 9654 96-Core Processor", sockets=2, cores=192)
    box = msgspec.structs.replace(box, host=msgspec.structs.replace(box.host, cpu=cpu))
    facts = ground_of(box, find_paths(), here=False).facts
    assert facts["cpu"].bandwidth_gbs == 461
    assert box.cards[0].id in facts
