"""A replica in a container, from its recipe to its death, through the keeper and a new daemon."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker_stand_in import StandIn
from node_fakes import deployment, keeper_of, until

from appliance.core.errors import ApplianceError
from appliance.core.inventory import Card, Host, Inventory
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.engines.recipes import recipe
from appliance.node.adoption import adopt_replicas
from appliance.node.node import Node
from appliance.node.replica import ReplicaKeeper
from appliance.node.state import ReplicaRecord, State
from appliance.ops.deployment import Deployment
from appliance.supervisor.running import alive, marked
from appliance.telemetry.sampler import Sampler

ENGINE = """#!{python}
import sys
sys.argv = ["bad_engine.py", "good", sys.argv[sys.argv.index("--port") + 1]]
print("loading the model", flush=True)
exec(open({script!r}).read())
"""
CARDS = [Card(id="g0", vendor="nvidia", index=0, arch="sm_90", name="NVIDIA H100 80GB HBM3")]
Keep = Callable[..., ReplicaKeeper]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Its image's `vllm` is a script."""
    program = tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    script = str(Path(__file__).with_name("bad_engine.py"))
    program.write_text(ENGINE.format(python=sys.executable, script=script))
    program.chmod(0o755)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with StandIn(tmp_path / "docker.sock", [recipe("vllm-nvidia").image["*"]]) as running:
        yield running
    assert running.unknown == []


@pytest.fixture
def work(tmp_path: Path) -> Deployment:
    (tmp_path / "model").mkdir()
    return deployment(
        recipe="vllm-nvidia", engine="vLLM", cards=["g0"], model_path=str(tmp_path / "model"),
        family="deepseek-r1-distill-qwen-7b",
    )  # fmt: skip


@pytest.fixture
def keep(paths: Paths, state: State, work: Deployment) -> Iterator[Keep]:
    kept: list[ReplicaKeeper] = []

    def start(record: ReplicaRecord | None = None) -> ReplicaKeeper:
        keeper = keeper_of(paths, state, record, lambda ids: CARDS, work)
        kept.append(keeper)
        keeper.start()
        return keeper

    yield start
    for keeper in kept:
        keeper.stop()


def ready(keeper: ReplicaKeeper) -> ReplicaKeeper:
    until(lambda: keeper.record.state in ("ready", "busy"))
    return keeper


def test_a_recipe_serves_from_its_container(engine: StandIn, keep: Keep, work: Deployment) -> None:
    keeper = ready(keep())

    (config,) = engine.created
    assert config["Entrypoint"] == ["vllm"]
    assert config["Cmd"][:2] == ["serve", work.model_path]
    assert config["HostConfig"]["DeviceRequests"][0]["DeviceIDs"] == ["nvidia.com/gpu=0"]
    assert config["HostConfig"]["Mounts"][0]["ReadOnly"] is True
    assert not any("APPLIANCE_REPLICA" in line for line in config["Env"])
    until(lambda: "loading the model" in keeper.log_file.tail(5))
    assert keeper.record.identity
    assert keeper.record.identity.kept_as == "container"
    keeper.stop()
    assert engine.containers == []


def test_a_killed_container_is_replaced(engine: StandIn, keep: Keep) -> None:
    keeper = ready(keep())
    (first,) = engine.running()

    first.kill(signal.SIGKILL)

    until(lambda: keeper.record.restarts == 1)
    ready(keeper)
    assert [container.id for container in engine.containers] != [first.id]
    assert len(engine.containers) == 1


def test_one_that_took_too_much_memory_is_told(engine: StandIn, keep: Keep) -> None:
    keeper = ready(keep())

    engine.end_for_memory(engine.containers[0])

    until(lambda: keeper.last_death)
    assert keeper.last_death
    assert keeper.last_death.code == "MEMORY-KILLED"


def test_a_new_daemon_takes_it_on(
    engine: StandIn, keep: Keep, paths: Paths, state: State, work: Deployment
) -> None:
    first = ready(keep())
    first.leave()
    first.join()

    records = adopt_replicas(state, {"tiny-0": work}, marked(paths.state))
    second = ready(keep(records["tiny-0"]))

    assert second.record.identity == first.record.identity
    assert len(engine.created) == 1


def test_one_that_was_not_written_down_is_found(
    engine: StandIn, keep: Keep, paths: Paths, state: State, work: Deployment
) -> None:
    first = ready(keep())
    first.leave()
    first.join()
    identity = first.record.identity
    assert identity
    state.save_replica(ReplicaRecord(id="tiny-0", work=work, port=identity.port))

    records = adopt_replicas(state, {"tiny-0": work}, marked(paths.state))

    assert records["tiny-0"].identity == identity
    ready(keep(records["tiny-0"]))
    assert len(engine.created) == 1


def test_the_remains_of_one_that_died_meanwhile_are_removed(
    engine: StandIn, keep: Keep, paths: Paths, state: State, work: Deployment
) -> None:
    first = ready(keep())
    first.leave()
    first.join()
    (container,) = engine.containers
    container.stop(5.0)

    records = adopt_replicas(state, {"tiny-0": work}, marked(paths.state))

    assert records["tiny-0"].state == "starting"
    assert engine.containers == []
    ready(keep(records["tiny-0"]))
    assert len(engine.containers) == 1


def test_what_nobody_wants_is_removed(
    engine: StandIn, keep: Keep, paths: Paths, state: State
) -> None:
    first = ready(keep())
    first.leave()
    first.join()

    assert adopt_replicas(state, {}, marked(paths.state)) == {}

    assert first.record.identity
    assert not alive(first.record.identity)
    assert engine.containers == []


def test_a_missing_image_is_the_reason(engine: StandIn, keep: Keep) -> None:
    engine.images.clear()

    keeper = keep()

    until(lambda: keeper.record.state == "failed" and keeper.record.reason)
    assert "is not on this server" in str(keeper.record.reason)
    engine.images.append(recipe("vllm-nvidia").image["*"])
    ready(keeper)


def test_it_comes_back_after_its_container_engine_was_away(engine: StandIn, keep: Keep) -> None:
    keeper = ready(keep())
    (container,) = engine.running()
    engine.close()
    container.kill(signal.SIGKILL)

    until(lambda: keeper.record.state == "failed" and keeper.record.reason)
    engine.open()

    ready(keeper)
    assert len(engine.containers) == 1
    assert engine.containers != [container]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with that card."""
    inventory = Inventory(host=Host(), cards=CARDS)
    monkeypatch.setattr(Sampler, "inventory", lambda self, *, fresh=False: inventory)


def test_a_daemon_deploys_it_the_next_adopts_it_and_it_goes_with_everything(
    engine: StandIn, paths: Paths, work: Deployment, server: None
) -> None:
    first = Node(paths)
    first.start()
    first.deploy(work)
    first.await_ready(work.id, Cancel())
    (status,) = first.statuses()
    (container,) = engine.running()
    assert (status.state, status.replicas[0].pid) == ("ready", container.state()["Pid"])
    first.close()

    assert engine.running() == [container]
    second = Node(paths)
    second.start()
    try:
        until(lambda: second.statuses()[0].state in ("ready", "busy"))
        assert engine.running() == [container]
    finally:
        second.stop_all(drain=False)
        second.close()

    assert engine.containers == []


def test_what_keeps_a_container_from_starting_is_told_with_its_way_out(
    engine: StandIn, paths: Paths, work: Deployment, server: None
) -> None:
    engine.images.clear()
    node = Node(paths)
    node.start()
    try:
        node.deploy(work)
        with pytest.raises(ApplianceError, match=r"is not on this server$") as caught:
            node.await_ready(work.id, Cancel())
    finally:
        node.stop_all(drain=False)
        node.close()

    assert caught.value.code == "IMAGE-MISSING"
    assert "appliance engines load FILE.tar" in str(caught.value.hint)
