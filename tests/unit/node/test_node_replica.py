"""A replica is kept running whatever its engine does."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Collection, Iterator

import pytest
from node_fakes import CPU, EngineMode, deployment, keeper_of, until

from appliance.core.errors import ApplianceError
from appliance.core.inventory import Card
from appliance.core.paths import Paths
from appliance.node import replica
from appliance.node.replica import ReplicaKeeper
from appliance.node.state import ReplicaRecord, State
from appliance.supervisor import probe
from appliance.supervisor.probe import Readiness
from appliance.supervisor.running import Identity, alive

Keep = Callable[..., ReplicaKeeper]


@pytest.fixture
def keep(paths: Paths, state: State, engine: EngineMode) -> Iterator[Keep]:
    """Start keepers; every engine is ended with the test."""
    kept: list[ReplicaKeeper] = []

    def start(mode: str = "good", **options: object) -> ReplicaKeeper:
        engine.mode = mode
        keeper = keeper_of(paths, state, **options)  # type: ignore[arg-type]
        kept.append(keeper)
        keeper.start()
        return keeper

    yield start
    for keeper in kept:
        keeper.stop()


def identity_of(keeper: ReplicaKeeper) -> Identity:
    found: Identity = until(lambda: keeper.record.identity)
    return found


def ready(keeper: ReplicaKeeper) -> Identity:
    until(lambda: keeper.record.state == "ready")
    return identity_of(keeper)


def test_an_engine_that_answers_is_ready_and_remembered(keep: Keep, state: State) -> None:
    identity = ready(keep())

    (record,) = state.replicas()
    assert (record.state, record.identity) == ("ready", identity)
    assert [e.code for e in state.events()] == ["ENGINE-START", "ENGINE-READY"]


def test_an_engine_is_asked_where_its_recipe_says(keep: Keep) -> None:
    keeper = keep("no-health", work=deployment(recipe="mindie-ascend"))

    ready(keeper)


def test_an_engine_moves_on_when_one_of_its_further_ports_is_taken(keep: Keep) -> None:
    keeper = keep("no-health", work=deployment(recipe="mindie-ascend"))
    first = ready(keeper)

    with socket.create_server(("127.0.0.1", first.port + 2)):
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: keeper.record.restarts == 1)
        assert ready(keeper).port != first.port


def test_a_killed_engine_is_replaced(keep: Keep, state: State) -> None:
    keeper = keep()
    first = ready(keeper)

    os.kill(first.pid, signal.SIGKILL)

    until(lambda: keeper.record.restarts == 1)
    assert ready(keeper).pid != first.pid
    assert "ENGINE-DEAD" in [e.code for e in state.events()]


def test_what_the_kernel_killed_long_before_is_no_cause_of_a_death(
    keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = 0
    looks: list[int] = []

    def oom_kills() -> int:
        looks.append(kills)
        return kills

    monkeypatch.setattr(replica, "oom_kills", oom_kills)
    keeper = keep()
    first = ready(keeper)
    kills = 1  # of something else
    until(lambda: looks.count(1) >= 2)

    os.kill(first.pid, signal.SIGKILL)

    until(lambda: keeper.last_death)
    assert keeper.last_death
    assert keeper.last_death.code == "ENGINE-KILLED"
    second = ready(keeper)
    kills = 2  # of this one
    os.kill(second.pid, signal.SIGKILL)
    until(lambda: keeper.last_death and keeper.last_death.code == "MEMORY-KILLED")


def test_an_engine_that_dies_at_once_fails_with_its_reason(keep: Keep) -> None:
    keeper = keep("dies")

    until(lambda: keeper.deaths >= 2)

    until(lambda: keeper.record.state == "failed")
    assert keeper.record.reason
    assert "cannot load the model" in "\n".join(keeper.log_file.tail(20))


def test_one_that_dies_later_comes_back_each_time(keep: Keep) -> None:
    keeper = keep("dies-later")

    until(lambda: keeper.record.restarts >= 2)

    assert keeper.record.restarts >= 2


def test_a_wrong_answer_is_not_ready(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Readiness] = []

    def asked(port: int, model: str) -> Readiness:
        tries.append(ready_to_answer(port, model))
        return tries[-1]

    ready_to_answer = probe.ready
    monkeypatch.setattr(replica, "ready", asked)
    keeper = keep("garbage")

    until(lambda: len(tries) >= 3)

    assert not any(attempt.ok for attempt in tries)
    assert keeper.record.state == "starting"


def test_an_engine_that_stands_still_is_replaced(
    keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "_STILL_S", 1.0)
    keeper = keep()
    first = ready(keeper)

    os.kill(first.pid, signal.SIGSTOP)

    until(lambda: keeper.record.restarts == 1, 60)
    assert ready(keeper).pid != first.pid


def test_stop_does_not_wait_for_a_first_token(keep: Keep, engine: EngineMode) -> None:
    keeper = keep("silent")
    identity = identity_of(keeper)
    until(lambda: probe.answers(identity.port))

    keeper.stop()

    assert not alive(identity)
    assert keeper.record.state == "stopped"
    assert keeper.record.restarts == 0
    assert len(engine.requests) == 1


def test_leaving_lets_the_engine_run_and_the_next_keeper_takes_it_on(
    keep: Keep, engine: EngineMode
) -> None:
    first = keep()
    identity = ready(first)
    first.leave()
    first.join()

    assert alive(identity)
    second = keep(record=first.record)

    assert ready(second) == identity
    assert len(engine.requests) == 1


def test_a_dead_process_of_the_record_is_replaced(keep: Keep) -> None:
    first = keep()
    identity = ready(first)
    first.leave()
    first.join()
    os.kill(identity.pid, signal.SIGKILL)

    second = keep(record=first.record)

    until(lambda: second.record.restarts == 1)
    assert ready(second).pid != identity.pid


def test_a_missing_card_is_said_and_waited_for(keep: Keep, engine: EngineMode) -> None:
    present: list[Card] = []

    def cards(ids: Collection[str]) -> list[Card]:
        if not present:
            raise ApplianceError("the card is not there", code="CARD-LOST")
        return present

    keeper = keep(cards=cards)
    until(lambda: keeper.record.state == "failed")
    assert str(keeper.record.reason) == "the card is not there"
    assert engine.requests == []

    present.extend(CPU)
    ready(keeper)


def test_a_full_disk_neither_ends_the_engine_nor_its_keeper(
    keep: Keep, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(record: ReplicaRecord) -> None:
        raise ApplianceError("no space", code="DISK-FULL")

    monkeypatch.setattr(state, "save_replica", full)
    keeper = keep()
    first = ready(keeper)

    os.kill(first.pid, signal.SIGKILL)

    until(lambda: keeper.record.restarts == 1)
    assert ready(keeper).pid != first.pid
