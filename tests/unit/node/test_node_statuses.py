"""A deployment is in the state of its worst replica, but serves while one serves."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from node_fakes import deployment, keeper_of

from appliance.core.inventory import Card, Host, Inventory
from appliance.core.paths import Paths
from appliance.core.sample import CardSample, Sample
from appliance.core.status import SERVING, Hold, ReplicaState, ReplicaStatus, card_statuses
from appliance.node.gateway import port_taken
from appliance.node.state import ReplicaRecord, State
from appliance.node.statuses import deployment_status, overall, reachable
from appliance.supervisor.identity import Identity

STATES = st.sampled_from(get_args(ReplicaState))


def replica(state: ReplicaState) -> ReplicaStatus:
    return ReplicaStatus(id="r", pid=None, cards=[], state=state, port=None, reason=f"was {state}")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "starting"),
        (["ready"], "ready"),
        (["ready", "busy"], "busy"),
        (["failed", "ready"], "degraded"),
        (["starting", "busy"], "degraded"),
        (["starting", "failed"], "failed"),
    ],
)
def test_the_states_of_replicas_together(states: list[ReplicaState], expected: str) -> None:
    assert overall([replica(state) for state in states])[0] == expected


@given(st.lists(STATES, min_size=1, max_size=8))
def test_only_all_serving_is_serving(states: list[ReplicaState]) -> None:
    state, _reason = overall([replica(one) for one in states])

    assert (state in SERVING) == all(one in SERVING for one in states)


def test_a_stopped_deployment_has_no_replicas_and_no_endpoint() -> None:
    status = deployment_status(deployment(), False, {}, "http://127.0.0.1:1/v1")

    assert (status.state, status.replicas, status.endpoint) == ("stopped", [], None)


def test_what_nobody_can_reach_does_not_serve(paths: Paths, state: State) -> None:
    record = ReplicaRecord(id="tiny-0", work=deployment(), state="ready")
    kept = {"tiny-0": keeper_of(paths, state, record)}
    status = deployment_status(deployment(), True, kept, "http://127.0.0.1:1/v1")

    assert reachable(status, listening=True, fault=None) == status
    assert reachable(status, listening=False, fault=None).state == "starting"
    taken = reachable(status, listening=False, fault=port_taken(8480))
    assert (taken.state, taken.replicas[0].state) == ("failed", "ready")
    assert "8480" in str(taken.reason)
    dead = replace(status, state="failed", reason="it died")
    assert reachable(dead, listening=False, fault=None) == dead


def test_a_replica_is_told_as_its_keeper_sees_it(paths: Paths, state: State) -> None:
    identity = Identity(pid=7, started="1", port=9)
    record = ReplicaRecord(id="tiny-0", work=deployment(), identity=identity, state="ready")
    keeper = keeper_of(paths, state, record)

    status = deployment_status(deployment(), True, {"tiny-0": keeper}, "http://127.0.0.1:1/v1")

    (told,) = status.replicas
    assert (told.pid, told.port, told.cards, told.state) == (7, 9, ["cpu"], "ready")
    assert status.endpoint == "http://127.0.0.1:1/v1"


def test_every_card_is_told_with_its_readings() -> None:
    cards = [Card(id="a", vendor="nvidia", index=0), Card(id="b", vendor="nvidia", state="lost")]
    sample = Sample(time="t", cards=[CardSample(id="a", util_pct=1.0)])

    first, second = card_statuses(Inventory(host=Host(), cards=cards), sample, {})

    assert (first.sample, first.index) == (sample.cards[0], 0)
    assert (second.sample, second.state) == (None, "lost")


def test_a_held_card_is_told_also_when_nothing_shows_it_any_more() -> None:
    hold = Hold(kind="quarantine", since="t", code="CARD-LOST", reason="the card is missing")
    inventory = Inventory(host=Host(), cards=[Card(id="a", vendor="nvidia")])

    told = {c.id: c.hold for c in card_statuses(inventory, Sample(time="t", cards=[]), {"b": hold})}

    assert told == {"a": None, "b": hold}
