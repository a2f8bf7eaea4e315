"""Deaths that repeat, answers that are wrong, cards that are held, and an end in order."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from node_fakes import CPU, Around, EngineMode, deployment, keeper_of, until

from appliance.core.paths import Paths
from appliance.core.status import Hold
from appliance.node import canary, replica, restarts
from appliance.node.replica import ReplicaKeeper, log_file_of
from appliance.node.state import State
from appliance.supervisor import memory
from appliance.supervisor.running import alive
from appliance.supervisor.table import entry_of
from appliance.weights.manifest import StoredFile, StoredModel

Keep = Callable[..., ReplicaKeeper]
MISSING = "fails:error while loading shared libraries: libcudart.so.12: cannot open shared object"
HELD = Hold(kind="quarantine", since="t", code="CARD-LOST", reason="the card is lost")


@pytest.fixture
def around(paths: Paths, state: State) -> Around:
    return Around(paths, state, lambda ids: CPU)


@pytest.fixture
def keep(around: Around, engine: EngineMode) -> Iterator[Keep]:
    kept: list[ReplicaKeeper] = []

    def start(mode: str = "good", model_path: str = "/nowhere/tiny.gguf") -> ReplicaKeeper:
        engine.mode = mode
        work = deployment(model_path=model_path)
        keeper = keeper_of(around.paths, around.state, work=work, around=around)
        kept.append(keeper)
        keeper.start()
        return keeper

    yield start
    for keeper in kept:
        keeper.stop()


def codes(state: State) -> list[str]:
    return [event.code for event in state.events()]


def runs(pid: int) -> bool:
    entry = entry_of(pid)
    return entry is not None and not entry.dead


def state_of(keeper: ReplicaKeeper) -> str:
    return keeper.record.state


def test_three_deaths_the_same_way_are_told_with_the_fix_and_no_fourth_try_is_made(
    keep: Keep, around: Around, engine: EngineMode, tmp_path: Path
) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"x")
    keeper = keep(MISSING, str(model))

    until(lambda: keeper.stuck and state_of(keeper) == "failed")
    reason = str(keeper.record.reason)
    assert "a library that the engine needs is not installed: libcudart.so.12" in reason
    assert "three times the same way" in reason
    assert "software development kit" in reason
    assert codes(around.state).count("ENGINE-STUCK") == 1
    assert len(engine.requests) == 3

    engine.mode = "good"
    model.write_bytes(b"changed")
    until(lambda: state_of(keeper) == "ready")
    assert len(engine.requests) == 4
    assert not keeper.stuck


def test_what_may_pass_is_tried_again(
    keep: Keep, engine: EngineMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarts, "SLOWLY_S", 3.0)
    keeper = keep("fails:CUDA out of memory")
    until(lambda: keeper.stuck and state_of(keeper) == "failed")
    assert "every minute" in str(keeper.record.reason)

    engine.mode = "good"

    until(lambda: state_of(keeper) == "ready")
    assert keeper.record.reason is None


def test_the_cause_is_found_above_what_the_other_workers_say(keep: Keep) -> None:
    others = "\n".join(f"(Worker_TP{n} pid=7) at frame {n}" for n in range(1500))
    keeper = keep(f"fails:CUDA out of memory\n{others}")

    until(lambda: keeper.last_death is not None)

    assert keeper.last_death
    assert keeper.last_death.code == "CARD-MEMORY"


def test_an_offer_is_told_as_long_as_it_is_needed(keep: Keep, engine: EngineMode) -> None:
    keeper = keep("fails:CUDA out of memory")
    until(lambda: keeper.stuck and state_of(keeper) == "failed")

    keeper.offer("appliance up --users 1")

    until(lambda: "appliance up --users 1" in str(keeper.record.reason))


def test_a_held_card_serves_nobody_and_a_released_one_serves_again(
    keep: Keep, around: Around
) -> None:
    keeper = keep()
    until(lambda: state_of(keeper) == "ready")
    identity = keeper.record.identity
    assert identity

    around.holds["cpu"] = HELD
    until(lambda: state_of(keeper) == "quarantined" and keeper.record.identity is None)
    assert not alive(identity)
    assert str(keeper.record.reason) == "card cpu is held: the card is lost"

    around.holds.clear()
    until(lambda: state_of(keeper) == "ready")
    assert codes(around.state) == [
        "ENGINE-START", "ENGINE-READY", "CARD-LOST", "ENGINE-START", "ENGINE-READY",
    ]  # fmt: skip


def test_running_answers_end_before_the_engine_does(keep: Keep, tmp_path: Path) -> None:
    running = tmp_path / "running"
    running.touch()
    keeper = keep(f"busy:{running}")
    until(lambda: state_of(keeper) == "busy")
    identity = keeper.record.identity
    assert identity
    ending = threading.Thread(target=keeper.stop, args=(60.0,))
    ending.start()

    time.sleep(0.5)
    assert alive(identity)
    running.unlink()

    ending.join(10)
    assert not alive(identity)
    assert state_of(keeper) == "stopped"


@pytest.mark.parametrize("hurried", [True, False])
def test_nobody_is_waited_for_in_a_hurry_or_for_ever(
    keep: Keep, tmp_path: Path, hurried: bool
) -> None:
    running = tmp_path / "running"
    running.touch()
    keeper = keep(f"busy:{running}")
    until(lambda: state_of(keeper) == "busy")
    ending = threading.Thread(target=keeper.stop, args=(60.0 if hurried else 0.5,))
    ending.start()

    if hurried:
        keeper.hurry()

    ending.join(20)
    assert not ending.is_alive()
    assert running.exists()


def test_a_wrong_answer_is_noticed_and_a_fresh_load_may_heal_it(
    keep: Keep, around: Around, engine: EngineMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    said.write_text(" Paris. The capital of Germany is Berlin.")
    keeper = keep(f"says:{said}")
    until(lambda: keeper._canary.cleared)
    said.write_text("!" * 40)
    monkeypatch.setattr(canary, "_SUSPECTED_EVERY", timedelta(0))

    keeper._canary._asked = None  # a night has passed

    until(lambda: state_of(keeper) == "degraded")
    assert "it repeated itself" in str(keeper.record.reason)
    until(lambda: "to blame" in str(keeper.record.reason))
    assert codes(around.state).count("ENGINE-WRONG-ANSWER") >= 3
    (evidence,) = around.evidence
    assert evidence.startswith("ENGINE-WRONG-ANSWER: it computes wrongly: it repeated itself: !!!")
    assert keeper.record.restarts == 1

    said.write_text(" Paris. The capital of Germany is Berlin.")
    until(lambda: state_of(keeper) == "ready")


def test_an_engine_that_read_its_file_again_is_asked_again(
    keep: Keep, around: Around, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    said.write_text(" Paris. The capital of Germany is Berlin.")
    keeper = keep(f"says:{said}")
    until(lambda: keeper._canary.cleared)
    said.write_text("!" * 40)
    identity = keeper.record.identity
    assert identity

    os.kill(identity.pid, signal.SIGKILL)

    until(lambda: "ENGINE-WRONG-ANSWER" in codes(around.state))


def test_another_file_under_the_same_name_is_not_held_to_what_the_first_one_said(
    keep: Keep, around: Around, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = [stored_model("1" * 64)]
    monkeypatch.setattr(canary, "_stored", lambda *_: stored[0])
    said = tmp_path / "said"
    said.write_text(" Paris. The capital of Germany is Berlin.")
    keeper = keep(f"says:{said}")
    until(lambda: keeper._canary.cleared)

    stored[0] = stored_model("2" * 64)
    said.write_text(" a good question, which I was never taught to answer.")
    keeper._canary._asked = None

    until(lambda: keeper._canary.cleared)
    assert "ENGINE-WRONG-ANSWER" not in codes(around.state)
    assert state_of(keeper) == "ready"


def stored_model(sha256: str) -> StoredModel:
    file = StoredFile(
        name="tiny.gguf", path="/t", bytes=1, sha256=sha256, source="file", trust="first-use"
    )
    return StoredModel(
        id="tiny", reference="file:tiny.gguf", revision="", added="t", directory="/", files=[file]
    )


def test_a_mended_file_is_read_at_once(keep: Keep, around: Around, tmp_path: Path) -> None:
    model, said = tmp_path / "model.gguf", tmp_path / "said"
    model.write_text("damaged")
    said.write_text(" Paris. The capital of Germany is Berlin.")
    keeper = keep(f"says:{said}", model_path=str(model))
    until(lambda: keeper._canary.cleared)
    said.write_text("!" * 40)
    keeper._canary._asked = None  # a night has passed
    until(lambda: state_of(keeper) == "degraded")
    degraded = keeper.record.identity

    said.write_text(" Paris. The capital of Germany is Berlin.")
    model.write_text("mended")

    until(lambda: state_of(keeper) == "ready")
    assert keeper.record.identity != degraded
    assert codes(around.state).count("MODEL-CHANGED") == 1


def test_an_engine_ended_for_memory_waits_for_room(
    keep: Keep, engine: EngineMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left(mib: int) -> None:
        (tmp_path / "meminfo").write_text(
            f"MemTotal: {16 * 2**20} kB\nMemAvailable: {mib * 1024} kB\n"
        )

    keeper = keep()
    until(lambda: state_of(keeper) == "ready")
    left(100)
    monkeypatch.setattr(memory, "PROC", tmp_path)

    keeper.end_for_memory()

    until(lambda: state_of(keeper) == "failed")
    assert "running out of memory" in str(keeper.record.reason)
    time.sleep(1.0)
    assert state_of(keeper) == "failed"
    assert len(engine.requests) == 1

    left(8000)
    until(lambda: state_of(keeper) == "ready")


def test_loading_is_told_while_it_lasts(keep: Keep, tmp_path: Path) -> None:
    keeper = keep("silent")
    until(lambda: keeper.loading)
    until(lambda: keeper.record.identity)
    with keeper.log_file.path.open("a") as log:
        log.write("Loading safetensors checkpoint shards:  50% Completed | 1/2\n")

    until(lambda: keeper.loading and keeper.loading.pct == 40.0, 90)

    assert keeper.loading is not None
    assert keeper.loading.eta_s() is not None


def test_a_load_may_take_as_long_as_it_gets_on(
    keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "_SPINNING_LOADING_S", 3.0)
    loaded = tmp_path / "loaded"
    keeper = keep(f"reads:{loaded}")
    until(lambda: keeper.record.identity)

    time.sleep(5.0)
    assert keeper.record.restarts == 0
    loaded.touch()

    until(lambda: state_of(keeper) == "ready")
    assert keeper.load_s
    assert keeper.load_s > 5.0


def test_a_load_that_only_spins_is_given_up_in_the_end(
    keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "_SPINNING_LOADING_S", 3.0)
    keeper = keep(f"spins:{tmp_path / 'never'}")

    until(lambda: keeper.record.restarts == 1)


def test_an_engine_that_refuses_to_answer_says_why_and_is_not_waited_for_for_ever(
    keep: Keep, around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "_REFUSAL_S", 1.0)
    keeper = keep("refuses")
    until(lambda: state_of(keeper) == "starting" and keeper.record.reason)
    assert "there is no chat template" in str(keeper.record.reason)

    until(lambda: keeper.stuck and state_of(keeper) == "failed")
    assert "three times the same way" in str(keeper.record.reason)
    assert "there is no chat template" in str(keeper.record.reason)
    assert "ENGINE-DEAD" in codes(around.state)


@pytest.mark.parametrize("end", ["killed", "stopped", "held"])
def test_nothing_that_an_engine_started_outlives_it(
    keep: Keep, around: Around, tmp_path: Path, end: str
) -> None:
    note = tmp_path / "pid"
    keeper = keep(f"leaves:{note}")
    until(lambda: state_of(keeper) == "ready")
    identity, stray = keeper.record.identity, int(note.read_text())
    assert identity
    assert runs(stray)
    note.unlink()

    if end == "killed":
        os.kill(identity.pid, signal.SIGKILL)
        until(lambda: keeper.record.restarts == 1)
    elif end == "stopped":
        keeper.stop()
    else:
        around.holds["cpu"] = HELD
        until(lambda: keeper.record.identity is None)

    assert not runs(stray)


def test_the_log_of_an_engine_that_never_serves_stays_within_bounds(
    keep: Keep, paths: Paths
) -> None:
    log = log_file_of("tiny-0", paths)
    log.path.write_text("x" * (log.max_bytes + 1))
    keeper = keep("dies")

    until(lambda: keeper.deaths)

    assert log.size() < log.max_bytes
    assert log.path.with_name("tiny-0.log.1").exists()
