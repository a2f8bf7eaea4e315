"""What cannot run as it was planned runs in another way where that is allowed, and is offered it
where it is not.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from node_fakes import EngineMode, deployment, until

from appliance.core.inventory import Card, Host, Inventory
from appliance.core.paths import Paths
from appliance.core.sample import CardSample, Sample
from appliance.core.status import Hold
from appliance.node import memory_guard
from appliance.node.card_watch import CardWatch
from appliance.node.holds import CardHolds
from appliance.node.memory_guard import MemoryGuard
from appliance.node.replanner import Replanner
from appliance.node.replicas import Replicas
from appliance.node.state import State
from appliance.ops import replanning
from appliance.ops.deployment import Deployment
from appliance.ops.replanning import Way
from appliance.supervisor import memory
from appliance.supervisor.running import alive

HELD = Hold(kind="maintenance", since="t", code="CARD-HELD", reason="new fan")


class Box:
    """A sampler of two cards and the processor, and a gateway that notes its routes."""

    def __init__(self) -> None:
        self.cards = [Card(id=name, vendor="nvidia", name="H100", memory_mib=80000)
                      for name in ("a", "b")]  # fmt: skip
        self.looks = self.memory_errors = 0
        self.routes: list[Any] = []

    def inventory(self, *, fresh: bool = False) -> Inventory:
        self.looks += fresh
        return Inventory(host=Host(), cards=list(self.cards))

    def sample(self) -> Sample:
        errors = self.memory_errors
        readings = [CardSample(id=c.id, temp_c=40.0, ecc_uncorrected=errors) for c in self.cards]
        return Sample(time=str(self.looks), cards=readings)

    def route(self, routes: list[Any]) -> None:
        self.routes = routes


class Server:
    """The minders of one node, ticked by the test."""

    def __init__(self, paths: Paths, state: State) -> None:
        self.state = state
        self.box = Box()
        self.holds = CardHolds(paths)
        anything: Any = self.box
        self.replicas = Replicas(paths, state, anything, anything, self.holds)
        self.replanner = Replanner(self.replicas, self.holds, anything)
        self.watch = CardWatch(self.replicas, self.holds, anything)
        self.guard = MemoryGuard(self.replicas)

    def want(self, work: Deployment) -> None:
        self.state.want(work)
        self.replicas.reconcile()

    def codes(self) -> list[str]:
        return [event.code for event in self.state.events()]

    def serves(self) -> bool:
        return bool(self.box.routes and self.box.routes[0].workers)

    def reasons(self) -> str:
        return " ".join(str(k.record.reason) for k in self.replicas.kept().values())

    def ticked(self, condition: Callable[[], Any]) -> Callable[[], Any]:
        def look() -> Any:
            self.replanner.tick()
            return condition()

        return look


@pytest.fixture
def server(paths: Paths, state: State, engine: EngineMode) -> Iterator[Server]:
    found = Server(paths, state)
    yield found
    state.unwant()
    found.replicas.reconcile(drain_s=0.0)


@pytest.fixture
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller plan is known for whatever lacks memory."""

    def ways(work: Deployment, *_: Any) -> Iterator[Way]:
        yield Way(work=msgspec.structs.replace(work, slots=1, context=2048), same_model=True)

    monkeypatch.setattr(replanning, "with_less_memory", ways)


def test_a_smaller_plan_is_offered_with_its_command(
    server: Server, engine: EngineMode, smaller: None
) -> None:
    engine.mode = "fails:CUDA out of memory"
    server.want(deployment())

    until(server.ticked(lambda: "PLAN-OFFERED" in server.codes()))

    command = "appliance up --model tiny:q4_0 --users 1 --context 2048 --yes"
    until(lambda: command in server.reasons())
    for _ in range(3):
        server.replanner.tick()
    assert server.codes().count("PLAN-OFFERED") == 1
    assert server.replicas.wanted()["tiny"].context == 4096


def test_with_leave_it_is_taken_and_kept(server: Server, engine: EngineMode, smaller: None) -> None:
    engine.mode = "fails:CUDA out of memory"
    server.want(deployment(adapt=True))
    until(lambda: [k for k in server.replicas.kept().values() if k.stuck])
    engine.mode = "good"

    until(server.ticked(lambda: "ADAPTED" in server.codes()))

    until(server.serves)
    taken = server.replicas.wanted()["tiny"]
    assert (taken.context, taken.adapt) == (2048, True)
    assert engine.requests[-1].context == 2048


def test_what_no_plan_helps_is_said_once(
    server: Server, engine: EngineMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replanning, "with_less_memory", lambda *_: iter(()))
    engine.mode = "fails:CUDA out of memory"
    server.want(deployment(adapt=True))

    until(server.ticked(lambda: "NO-OTHER-PLAN" in server.codes()))

    server.replanner.tick()
    assert server.codes().count("NO-OTHER-PLAN") == 1


def test_a_held_cards_place_is_taken_by_its_like_and_given_back(server: Server) -> None:
    server.want(deployment(cards=["a"], recipe="llama.cpp-native-cuda"))
    until(server.serves)

    server.holds.hold("a", HELD)
    server.replicas.publish()
    assert not server.serves()
    until(server.ticked(lambda: server.replicas.wanted()["tiny"].cards == ["b"]))

    until(server.serves)
    server.holds.release("a")
    server.replanner.tick()
    assert server.replicas.wanted()["tiny"].cards == ["a"]
    until(server.serves)
    assert [c for c in server.codes() if c in ("ADAPTED", "RESTORED")] == ["ADAPTED", "RESTORED"]
    assert server.state.displaced() == []


def test_answers_on_a_card_that_a_person_takes_out_end_before_its_like_takes_over(
    server: Server, engine: EngineMode, tmp_path: Path
) -> None:
    running = tmp_path / "running"
    running.touch()
    engine.mode = f"busy:{running}"
    server.want(deployment(cards=["a"], recipe="llama.cpp-native-cuda"))
    until(server.serves)
    (keeper,) = server.replicas.kept().values()
    identity = keeper.record.identity
    assert identity

    server.holds.hold("a", HELD)
    until(server.ticked(lambda: keeper.record.state == "quarantined"))
    for _ in range(3):
        server.replanner.tick()
    assert alive(identity)
    assert server.replicas.wanted()["tiny"].cards == ["a"]
    running.unlink()

    until(server.ticked(lambda: server.replicas.wanted()["tiny"].cards == ["b"]))
    until(server.serves)
    assert not alive(identity)


def test_what_is_exchanged_in_order_is_said_to_come(
    server: Server, engine: EngineMode, tmp_path: Path
) -> None:
    running = tmp_path / "running"
    running.touch()
    engine.mode = f"busy:{running}"
    server.want(deployment())
    until(server.serves)
    assert not server.box.routes[0].coming

    server.state.want(deployment(context=2048))
    exchange = threading.Thread(target=server.replicas.reconcile)
    exchange.start()
    until(lambda: not server.serves())
    assert server.box.routes[0].coming, "while the running answers end"
    assert exchange.is_alive()
    engine.mode = f"reads:{tmp_path / 'loaded'}"
    running.unlink()
    exchange.join(20)
    assert not server.serves()
    assert server.box.routes[0].coming, "while the next one loads"
    engine.mode = "fails:CUDA out of memory"
    (keeper,) = server.replicas.kept().values()
    identity = until(lambda: keeper.record.identity)
    os.kill(identity.pid, signal.SIGKILL)
    until(lambda: not server.box.routes[0].coming)


def test_the_other_replica_goes_on_while_one_card_is_held(
    server: Server, engine: EngineMode
) -> None:
    server.want(deployment(cards=["a", "b"], replicas=2, recipe="llama.cpp-native-cuda"))
    until(lambda: server.box.routes and len(server.box.routes[0].workers) == 2)

    server.holds.hold("a", HELD)
    server.replanner.tick()

    until(lambda: len(server.box.routes[0].workers) == 1)
    until(lambda: server.replicas.kept()["tiny-0"].record.state == "quarantined")
    assert server.replicas.kept()["tiny-1"].record.state == "ready"
    assert len(engine.requests) == 2
    assert "NO-OTHER-PLAN" not in server.codes()


def test_a_card_that_vanishes_is_taken_out_with_its_evidence(server: Server) -> None:
    server.want(deployment(cards=["a"], recipe="llama.cpp-native-cuda"))
    until(server.serves)
    server.watch.tick()
    assert server.holds.all() == {}

    del server.box.cards[0]
    server.watch.tick()

    assert not server.serves()
    hold = server.holds.all()["a"]
    assert (hold.kind, hold.code) == ("quarantine", "CARD-LOST")
    assert hold.evidence
    assert "CARD-LOST" in server.codes()


def test_a_card_released_while_its_evidence_is_kept_stays_released(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.want(deployment(cards=["a"], recipe="llama.cpp-native-cuda"))
    until(server.serves)
    card = server.box.cards.pop(0)

    def slow(*_: Any) -> str:
        server.box.cards.insert(0, card)
        server.holds.release("a")
        return "/evidence"

    monkeypatch.setattr(server.replicas, "keep_evidence", slow)
    server.watch.tick()

    assert "CARD-LOST" in server.codes()
    assert server.holds.all() == {}


def test_a_card_that_is_back_is_not_judged_by_an_inventory_of_before(server: Server) -> None:
    server.want(deployment(cards=["a"], recipe="llama.cpp-native-cuda"))
    until(server.serves)
    card = server.box.cards.pop(0)
    server.watch.tick()
    server.box.cards.insert(0, card)

    server.holds.release("a")
    server.watch.tick()

    assert server.holds.all() == {}


def test_a_card_released_at_once_is_not_held_for_the_errors_of_before(server: Server) -> None:
    server.want(deployment(cards=["a"], recipe="llama.cpp-native-cuda"))
    until(server.serves)
    server.watch.tick()
    server.box.memory_errors = 1
    server.watch.tick()
    assert server.holds.all()["a"].code == "ECC-UNCORRECTED"

    server.holds.release("a")
    server.watch.tick()
    assert server.holds.all() == {}

    server.box.memory_errors = 2
    server.watch.tick()
    assert "a" in server.holds.all()


def test_the_largest_engine_ends_before_the_server_does(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.want(deployment())
    until(server.serves)
    (tmp_path / "meminfo").write_text(f"MemTotal: {16 * 2**20} kB\nMemAvailable: 1024 kB\n")
    monkeypatch.setattr(memory, "PROC", tmp_path)

    server.guard.tick()
    assert "MEMORY-LOW" not in server.codes()
    server.guard.tick()
    assert server.codes()[-1] == "MEMORY-LOW", "told; what so small an engine holds is no help"
    assert server.serves()

    monkeypatch.setattr(memory_guard, "_WORTH_MIB", 1.0)
    for _ in range(2):
        server.guard.tick()

    until(lambda: "running out of memory" in server.reasons() and not server.serves())
