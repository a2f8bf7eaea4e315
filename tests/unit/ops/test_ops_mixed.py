"""Cards of several kinds in one server: who serves what, under which name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from up_fakes import HOST, PROOF, FakeServices, Job, keep

from appliance.catalog.models import load_catalogue
from appliance.core.errors import ApplianceError, DoesNotFit, Interrupted
from appliance.core.holds import save_holds
from appliance.core.inventory import Card, Inventory
from appliance.core.paths import Paths, find_paths
from appliance.core.plan import Speed, Wish
from appliance.core.progress import Cancel
from appliance.core.reference import parse_reference
from appliance.core.status import Hold, Proof
from appliance.ops import up as up_module
from appliance.ops.mixed import able_beside
from appliance.ops.planning import ground_of, make_plan
from appliance.weights.pull import request_for
from appliance.weights.store import Store

FAMILY = "deepseek-r1-distill-qwen-7b"
ASCEND = [f"NPU-{n}" for n in range(4)]
NVIDIA = [f"GPU-{n}" for n in range(4)]


def mixed_box() -> Inventory:
    gpus = [
        Card(id=name, vendor="nvidia", index=n, name="NVIDIA GeForce RTX 4090",
             memory_mib=24564, driver="570.124", arch="sm_89", state="ok", source="library")
        for n, name in enumerate(NVIDIA)
    ]  # fmt: skip
    npus = [
        Card(id=name, vendor="ascend", index=n, name="910B", memory_mib=65536,
             driver="25.2.0", arch="ascend910b", state="ok", source="library")
        for n, name in enumerate(ASCEND)
    ]  # fmt: skip
    return Inventory(host=HOST, cards=[*gpus, *npus])


class Services(FakeServices):
    """A deployment whose id is in `stubborn` does not start; every engine has a port of its own."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths, mixed_box())
        self.stubborn: dict[str, BaseException] = {}

    def await_ready(self, deployment_id: str, cancel: Cancel) -> None:
        super().await_ready(deployment_id, cancel)
        if fault := self.stubborn.get(deployment_id):
            raise fault


class Asked:
    """Whom the job asked: the gateway's socket, or an engine's port."""

    def __init__(self) -> None:
        self.who: list[tuple[Any, str]] = []
        self.silent = False

    def __call__(self, where: Any, model: str, **_: Any) -> Proof:
        self.who.append((where, model))
        if self.silent and isinstance(where, int):
            raise ApplianceError("silence", code="ENGINE-WRONG-ANSWER")
        return PROOF


@pytest.fixture
def paths() -> Paths:
    return find_paths()


@pytest.fixture
def up(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr("appliance.ops.planning.Ground.startable", lambda ground, recipe: True)
    return Job(Services(paths), monkeypatch)


@pytest.fixture
def asked(up: Job, monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()
    monkeypatch.setattr(up_module, "prove", found)
    return found


def services(up: Job) -> Services:
    assert isinstance(up.services, Services)
    return up.services


def vendors(cards: list[str]) -> set[str]:
    return {"nvidia" if card in NVIDIA else "ascend" for card in cards}


def test_both_vendors_serve_one_family_under_one_name(up: Job, asked: Asked) -> None:
    result = up(FAMILY)

    first, other = up.services.running.values()
    assert (result.deployment, first.id, first.served_as) == (FAMILY, FAMILY, None)
    assert other.served_as == other.name == FAMILY
    assert {*vendors(first.cards), *vendors(other.cards)} == {"nvidia", "ascend"}
    (vendor,) = vendors(other.cards)
    assert other.id == f"{FAMILY}@{vendor}"
    assert first.model == other.model
    assert first.recipe != other.recipe
    assert other.context >= first.context
    assert [note.code for note in result.notes] == ["MIXED-CARDS"]
    assert "4 x" in result.notes[0].text
    assert asked.who == [(up.services.paths.gateway_socket, FAMILY), (1, FAMILY)]


def test_without_a_name_too_and_a_second_run_changes_nothing(up: Job, paths: Paths) -> None:
    box = mixed_box()
    services(up).box = msgspec.structs.replace(box, cards=[box.cards[0], box.cards[-1]])
    first = up()
    before = list(up.services.history)
    assert len(before) == 2

    again = up()

    assert up.services.history == before
    assert (again.deployment, again.notes) == (first.deployment, [])


@pytest.mark.parametrize("fault", ["does not start", "does not answer"])
def test_what_fails_beside_is_withdrawn_and_the_first_goes_on(
    up: Job, asked: Asked, fault: str
) -> None:
    if fault == "does not start":
        dead = ApplianceError("it dies")
        services(up).stubborn = {f"{FAMILY}@ascend": dead, f"{FAMILY}@nvidia": dead}
    else:
        asked.silent = True

    result = up(FAMILY)

    assert list(up.services.running) == [FAMILY]
    assert up.services.history[-1].startswith(f"withdraw {FAMILY}@")
    (note,) = result.notes
    assert note.code == "MIXED-CARDS"
    assert "do not serve" in note.text

    services(up).stubborn = {}
    asked.silent = False
    up(FAMILY)
    assert len(up.services.running) == 2, "once it can, the next run takes it on"


def test_a_cancel_leaves_the_first_alone(up: Job) -> None:
    stop = Interrupted("no")
    services(up).stubborn = {f"{FAMILY}@ascend": stop, f"{FAMILY}@nvidia": stop}

    with pytest.raises(Interrupted):
        up(FAMILY)

    assert list(up.services.running) == [FAMILY]


def test_an_exact_variant_is_kept_to(up: Job) -> None:
    up(f"{FAMILY}:q8_0")
    first, other = up.services.running.values()
    assert first.variant == other.variant == f"{FAMILY}:q8_0"
    assert up.pulled == [first.variant]

    up.services.running.clear()
    up(f"{FAMILY}:q4_k_m")
    (only,) = up.services.running.values()
    assert vendors(only.cards) == {"nvidia"}, "no engine of the others takes it"


def test_only_where_an_engine_starts_and_never_on_the_processor(
    up: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "appliance.ops.planning.Ground.startable",
        lambda ground, recipe: "nvidia" in recipe or "cpu" in recipe or "cuda" in recipe,
    )

    result = up(FAMILY)

    (only,) = up.services.running.values()
    assert vendors(only.cards) == {"nvidia"}
    assert result.notes == []


def test_held_cards_and_those_of_others_are_left_alone(up: Job, paths: Paths) -> None:
    hold = Hold(kind="maintenance", since="t", code="CARD-HELD", reason="new fan")
    save_holds(paths, dict.fromkeys([*ASCEND[1:], *NVIDIA[1:]], hold))
    up("deepseek-r1-distill-llama-8b:q8_0")
    used = {card for work in up.services.running.values() for card in work.cards}
    assert used == {ASCEND[0], NVIDIA[0]}

    save_holds(paths, {})
    in_use = [card for card in mixed_box().cards if card.id in used]
    services(up).box = msgspec.structs.replace(mixed_box(), cards=in_use)
    with pytest.raises(DoesNotFit) as refused:
        up(FAMILY)

    assert refused.value.code == "CARDS-IN-USE"
    assert str(refused.value.hint) == "appliance down deepseek-r1-distill-llama-8b"


def test_a_longer_conversation_is_wished_for_of_both(up: Job) -> None:
    up(FAMILY, context=4096)
    before = dict(up.services.running)

    up(FAMILY, context=16384)

    after = up.services.running
    assert after.keys() == before.keys()
    assert all(work.context >= 16384 for work in after.values())
    assert {name: vendors(work.cards) for name, work in after.items()} == {
        name: vendors(work.cards) for name, work in before.items()
    }


def test_the_other_answers_while_the_first_loads_and_a_failed_first_is_mended(up: Job) -> None:
    up(FAMILY)
    runs = list(up.services.history)

    up.services.states[FAMILY] = "quarantined"
    assert up(FAMILY).deployment == FAMILY
    assert up.services.history == runs

    up.services.states[FAMILY] = "failed"
    up(FAMILY)
    assert up.services.history[len(runs)].startswith("deploy")


def test_the_self_test_model_is_served_once(up: Job) -> None:
    up.hub_has = None

    result = up()

    assert result.model == load_catalogue().self_test[0].id
    assert len(up.services.running) == 1


def test_without_a_hub_only_what_is_here_is_served(up: Job, paths: Paths) -> None:
    model = Store(paths.models)
    keep(model, request_for(parse_reference(f"{FAMILY}:q4_k_m"), load_catalogue()))
    up.hub_has = None
    assert up(FAMILY).notes == []
    assert len(up.services.running) == 1

    keep(model, request_for(parse_reference(f"{FAMILY}:q8_0"), load_catalogue()))
    assert [note.code for note in up(FAMILY).notes] == ["MIXED-CARDS"]

    assert {work.variant for work in up.services.running.values()} == {
        f"{FAMILY}:q4_k_m", f"{FAMILY}:q8_0",
    }  # fmt: skip
    assert up.pulled == []


def test_two_kinds_of_one_vendor_are_told_apart(up: Job) -> None:
    box = mixed_box()
    small = [
        msgspec.structs.replace(card, id=f"L4-{n}", name="NVIDIA L4", memory_mib=23034)
        for n, card in enumerate(box.cards[:2])
    ]
    services(up).box = msgspec.structs.replace(box, cards=[*box.cards[:4], *small])

    up(FAMILY)

    first, other = up.services.running.values()
    assert first.id == FAMILY
    assert other.id.startswith(f"{FAMILY}@nvidia-nvidia-")
    assert not set(first.cards) & set(other.cards)


@pytest.mark.parametrize(
    "change",
    [
        {"speed": Speed(decode_tps_one=2.0)},
        {"speed": Speed()},
        {"context": 1024},
        {"cards": ["cpu"]},
        {"host_layers": 3},
        {"fits": False},
    ],
)
def test_who_would_be_felt_by_every_other_person_does_not_share_the_name(
    up: Job, paths: Paths, change: dict[str, Any]
) -> None:
    up(f"{FAMILY}:q8_0")
    first = up.services.statuses()[0]
    ground = ground_of(mixed_box(), paths)
    choices = make_plan(Wish(model=FAMILY, users=4), ground).choices
    (good, *_) = able_beside(choices, first, ground)
    assert good.variant == first.variant, "the same variant goes first"

    assert able_beside([msgspec.structs.replace(good, **change)], first, ground) == []
