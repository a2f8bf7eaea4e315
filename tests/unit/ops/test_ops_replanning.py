"""Another plan for what cannot run as planned: only what is here, under the same name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from up_fakes import HOST, gpu_box, keep

from appliance.catalog.models import load_catalogue
from appliance.core.inventory import Inventory
from appliance.core.paths import Paths, find_paths
from appliance.core.plan import Wish
from appliance.core.reference import parse_reference
from appliance.ops.deployment import Deployment, deployment_of, same_engine
from appliance.ops.planning import ground_of, make_plan, stored_model
from appliance.ops.replanning import (
    on_what_is_left,
    spare_card,
    with_another_engine,
    with_less_memory,
)
from appliance.weights.pull import request_for
from appliance.weights.store import Store

BIG, SMALL = "deepseek-r1-distill-llama-70b:f16", "deepseek-r1-distill-llama-70b:q4_k_m"


@pytest.fixture
def paths() -> Paths:
    return find_paths()


@pytest.fixture(autouse=True)
def startable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines for every card, and room on the disk."""
    monkeypatch.setattr("appliance.ops.planning.Ground.startable", lambda ground, recipe: True)
    monkeypatch.setattr("appliance.ops.planning._free_memory_mib", lambda: 48 * 1024.0)
    monkeypatch.setattr(Store, "free_bytes", lambda store: 10**13)


def store(paths: Paths, *references: str) -> None:
    for reference in references:
        request = request_for(parse_reference(reference), load_catalogue())
        keep(Store(paths.models), request)


def planned(paths: Paths, variant: str, box: Inventory, **wish: Any) -> Deployment:
    """What `up` would run on `box`."""
    ground = ground_of(box, paths)
    choice = next(c for c in make_plan(Wish(model=variant, **wish), ground).choices if c.fits)
    stored = stored_model(parse_reference(variant), ground)
    assert stored is not None
    return deployment_of(choice, str(stored.entry), ground.catalogue)


def without(box: Inventory, *card_ids: str) -> Inventory:
    cards = [card for card in box.cards if card.id not in card_ids]
    return msgspec.structs.replace(box, cards=cards)


def test_an_unused_card_of_the_kind_takes_a_lost_ones_place(paths: Paths) -> None:
    store(paths, BIG)
    box = gpu_box(4)
    work = planned(paths, BIG, box, users=2)
    lost = work.cards[0]

    way = spare_card(work, {lost}, without(box, lost), box)

    assert way is not None
    assert way.same_model
    assert lost not in way.work.cards
    assert len(way.work.cards) == len(work.cards)
    assert way.work.cards[1:] == work.cards[1:]


def test_without_a_spare_there_is_none(paths: Paths) -> None:
    store(paths, BIG)
    box = gpu_box(2)
    work = planned(paths, BIG, box, users=2)
    work = msgspec.structs.replace(work, cards=[card.id for card in box.cards])

    assert spare_card(work, {work.cards[0]}, without(box, work.cards[0]), box) is None


def test_a_card_of_another_kind_is_no_spare(paths: Paths) -> None:
    store(paths, SMALL)
    box = gpu_box(2)
    other = msgspec.structs.replace(box.cards[1], name="NVIDIA A10", memory_mib=23028)
    mixed = msgspec.structs.replace(box, cards=[box.cards[0], other])
    work = planned(paths, SMALL, gpu_box(1), users=1)

    assert work.cards == [box.cards[0].id]
    assert spare_card(work, set(work.cards), without(mixed, *work.cards), mixed) is None
    assert (
        spare_card(work, set(work.cards), without(mixed, *work.cards), without(mixed, *work.cards))
        is None
    )


def test_a_replica_beside_a_changed_one_goes_on(paths: Paths) -> None:
    store(paths, SMALL)
    work = planned(paths, SMALL, gpu_box(1), users=1)
    pair = msgspec.structs.replace(work, cards=["a", "b"], replicas=2)
    changed = msgspec.structs.replace(pair, cards=["a", "c"], adapt=True)

    assert same_engine(pair, changed, f"{work.id}-0")
    assert not same_engine(pair, changed, f"{work.id}-1")


def test_what_is_left_serves_the_same_or_the_next_smaller_thing_that_is_here(
    paths: Paths,
) -> None:
    store(paths, BIG, SMALL)
    box = gpu_box(2)
    work = planned(paths, BIG, box, users=2)
    assert len(work.cards) == 2

    way = next(on_what_is_left(work, without(box, work.cards[0]), paths))

    assert way.work.id == work.id
    assert way.work.cards == [work.cards[1]]
    assert (way.work.variant, way.same_model) == (SMALL, False)
    assert way.command.startswith(f"appliance up --model {SMALL} --users ")


def test_another_plan_keeps_the_name_that_several_answer_to(paths: Paths) -> None:
    store(paths, BIG, SMALL)
    box = gpu_box(2)
    alone = planned(paths, BIG, box, users=2)
    work = msgspec.structs.replace(alone, id=f"{alone.id}@nvidia", served_as=alone.id)

    way = next(on_what_is_left(work, without(box, work.cards[0]), paths))

    assert (way.work.id, way.work.name) == (work.id, alone.id)


def test_nothing_is_taken_that_would_have_to_be_fetched(paths: Paths) -> None:
    store(paths, BIG)
    box = gpu_box(2)
    work = planned(paths, BIG, box, users=2)

    assert list(on_what_is_left(work, without(box, work.cards[0]), paths)) == []


def test_a_server_without_cards_is_not_quietly_served_by_its_processor(paths: Paths) -> None:
    small = "deepseek-r1-distill-qwen-1.5b:q4_k_m"
    store(paths, small)
    box = gpu_box(1)
    work = planned(paths, small, box, users=2)

    assert list(on_what_is_left(work, Inventory(host=HOST, cards=[]), paths)) == []


def test_less_memory_is_fewer_users_first_then_less_context(paths: Paths) -> None:
    store(paths, SMALL)
    box = gpu_box(1)
    work = planned(paths, SMALL, box, users=4, context=16384)

    ways = list(with_less_memory(work, box, paths))

    assert ways
    assert all(way.work.variant == SMALL for way in ways)
    first = ways[0].work
    assert first.slots < work.slots
    assert first.context == work.context
    assert all(way.work.adapt == work.adapt for way in ways)


def test_another_engine_is_another_recipe_or_quantization(paths: Paths) -> None:
    store(paths, BIG, SMALL)
    box = gpu_box(2)
    work = planned(paths, BIG, box, users=2)

    found = {(way.work.recipe, way.work.variant) for way in with_another_engine(work, box, paths)}

    assert found
    assert (work.recipe, work.variant) not in found
