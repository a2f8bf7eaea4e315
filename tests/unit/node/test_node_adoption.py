"""A new daemon finds the processes of the one before, and ends what nobody wants."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_fakes import BAD_ENGINE, deployment, until

from appliance.core.errors import ApplianceError
from appliance.core.loopback import free_port
from appliance.core.paths import Paths
from appliance.engines.command import EngineCommand
from appliance.node import adoption
from appliance.node.adoption import adopt_replicas
from appliance.node.state import ReplicaRecord, State
from appliance.supervisor.running import Identity, Mark, alive, marked, start, stop


class Started:
    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.all: list[Identity] = []

    def __call__(self, replica_id: str, mode: str = "good") -> Identity:
        port = free_port()
        command = EngineCommand(
            engine="fake",
            argv=[sys.executable, str(BAD_ENGINE), mode, str(port)],
            port=port,
        )
        mark = Mark(self._paths.state, replica_id)
        identity = start(command, self._paths.logs / "engine.log", mark)
        self.all.append(identity)
        until(lambda: identity.pid in [one.identity.pid for one in marked(self._paths.state)])
        return identity


@pytest.fixture
def started(paths: Paths) -> Iterator[Started]:
    found = Started(paths)
    yield found
    for identity in found.all:
        stop(identity, grace_s=0.0)


def record_of(identity: Identity | None, **changes: object) -> ReplicaRecord:
    values: dict[str, object] = {
        "id": "tiny-0",
        "work": deployment(),
        "identity": identity,
        "port": identity.port if identity else None,
        "state": "ready",
    }
    return ReplicaRecord(**{**values, **changes})  # type: ignore[arg-type]


def adopted(paths: Paths, state: State) -> dict[str, ReplicaRecord]:
    return adopt_replicas(state, {"tiny-0": deployment()}, marked(paths.state))


def test_a_remembered_process_is_kept_as_it_was(
    paths: Paths, state: State, started: Started
) -> None:
    identity = started("tiny-0")
    state.save_replica(record_of(identity))

    assert adopted(paths, state) == {"tiny-0": record_of(identity)}
    assert alive(identity)


def test_one_that_was_not_written_down_is_found(
    paths: Paths, state: State, started: Started
) -> None:
    identity = started("tiny-0")
    state.save_replica(record_of(None, state="starting", port=identity.port))

    (record,) = adopted(paths, state).values()

    assert (record.identity, record.state) == (identity, "starting")


def test_a_second_copy_is_ended(paths: Paths, state: State, started: Started) -> None:
    known, copy = started("tiny-0"), started("tiny-0")
    state.save_replica(record_of(known))

    (record,) = adopted(paths, state).values()

    assert record.identity == known
    assert (alive(known), alive(copy)) == (True, False)


def test_what_nobody_wants_or_remembers_is_ended(
    paths: Paths, state: State, started: Started
) -> None:
    unwanted, forgotten = started("other-0"), started("tiny-0")

    assert adopted(paths, state) == {}
    assert not alive(unwanted)
    assert not alive(forgotten)


def test_a_process_that_does_other_work_is_ended(
    paths: Paths, state: State, started: Started
) -> None:
    identity = started("tiny-0")
    state.save_replica(record_of(identity, work=deployment(context=8192)))

    assert adopted(paths, state) == {}
    assert not alive(identity)


def test_what_died_meanwhile_does_not_serve(paths: Paths, state: State, started: Started) -> None:
    identity = started("tiny-0")
    stop(identity, grace_s=0.0)
    state.save_replica(record_of(identity))

    (record,) = adopted(paths, state).values()

    assert record.state == "starting"


def test_a_pid_that_somebody_else_has_now_is_left_alone(paths: Paths, state: State) -> None:
    """As after a reboot: the same pid, another start time."""
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        state.save_replica(record_of(Identity(pid=stranger.pid, started="1", port=9)))

        (record,) = adopted(paths, state).values()

        assert record.state == "starting"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_children_of_an_engine_and_other_homes_do_not_count(
    paths: Paths, started: Started, tmp_path: Path
) -> None:
    identity = started("tiny-0")

    (found,) = marked(paths.state)
    assert (found.replica, found.identity.pid) == ("tiny-0", identity.pid)
    assert found.identity.started == identity.started
    assert marked(tmp_path) == []


def test_what_cannot_be_ended_keeps_no_daemon_from_starting(
    paths: Paths, state: State, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    started("other-0")

    def held(identity: Identity, *, grace_s: float) -> None:
        raise ApplianceError("a driver holds it", code="ENGINE-UNKILLABLE")

    monkeypatch.setattr(adoption, "stop", held)

    assert adopted(paths, state) == {}


def test_what_was_being_ended_when_the_daemon_died_is_ended_and_forgotten(
    paths: Paths, state: State, started: Started
) -> None:
    identity = started("old-0")
    state.save_replica(record_of(identity, id="old-0", work=deployment("old")))

    assert adopted(paths, state) == {}

    assert not alive(identity)
    (record,) = state.replicas()
    assert (record.identity, record.state) == (None, "stopped")


def test_leave_to_adapt_is_no_reason_to_start_afresh(
    paths: Paths, state: State, started: Started
) -> None:
    identity = started("tiny-0")
    state.save_replica(record_of(identity, work=deployment(adapt=True)))

    (record,) = adopted(paths, state).values()

    assert (record.identity, record.work) == (identity, deployment())
    assert alive(identity)


def test_what_a_dead_engine_left_is_not_taken_for_it(
    paths: Paths, state: State, started: Started
) -> None:
    stray = started("tiny-0")
    dead = Identity(pid=2**22 + 1, started="1", port=free_port())
    state.save_replica(record_of(dead))

    (record,) = adopted(paths, state).values()

    assert record.identity == dead
    assert not alive(stray)


def test_a_session_that_an_engine_opened_is_no_second_engine(
    paths: Paths, state: State, started: Started, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    identity = started("tiny-0", f"leaves:{note}")
    until(lambda: note.exists() and note.read_text())
    state.save_replica(record_of(identity))

    assert [one.identity.pid for one in marked(paths.state)] == [identity.pid]
    assert adopted(paths, state) == {"tiny-0": record_of(identity)}
    assert Path(f"/proc/{note.read_text()}").exists()
