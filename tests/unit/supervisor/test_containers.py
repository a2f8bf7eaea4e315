"""Engines in containers, at an engine that checks what it is asked and starts real processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from docker_stand_in import StandIn
from fake_engines import FAKE, until

from appliance.core.errors import ApplianceError, NeedsRights, Unreachable
from appliance.core.loopback import free_port
from appliance.engines.command import ContainerOptions, EngineCommand
from appliance.supervisor import containers
from appliance.supervisor.probe import answers
from appliance.supervisor.running import (
    Identity,
    Mark,
    alive,
    attend,
    exit_status,
    marked,
    memory_killed,
    seen,
    start,
    stop,
)

IMAGE = "example/engine:1"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with StandIn(tmp_path / "docker.sock", [IMAGE]) as running:
        yield running
    assert running.unknown == []


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "engine.log"


def command(mode: str = "good", **changes: Any) -> EngineCommand:
    port = free_port()
    argv = [sys.executable, "-u", str(FAKE), mode, f"--port={port}"]
    values = {"argv": argv, "image": IMAGE, "port": port, **changes}
    return EngineCommand(engine="fake", kind="container", **values)


def mark(tmp_path: Path, replica: str = "tiny-0") -> Mark:
    return Mark(tmp_path / "state", replica)


def test_an_engine_answers_logs_and_stops(engine: StandIn, log: Path, tmp_path: Path) -> None:
    identity = start(command(), log, mark(tmp_path))
    until(lambda: answers(identity.port))

    assert alive(identity)
    assert (exit_status(identity), memory_killed(identity)) == (None, None)
    until(lambda: '"GET /health' in log.read_text())
    assert "serving\n" in log.read_text()
    assert stop(identity, grace_s=5.0) == 128 + signal.SIGTERM
    assert not alive(identity)
    assert engine.containers == []


def test_everything_reaches_the_container(engine: StandIn, log: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    options = ContainerOptions(
        runtime="habana",
        shm_size="16g",
        user="1001",
        group_add=["video"],
        cap_add=["sys_nice"],
        security_opt=["seccomp=unconfined"],
        ulimits={"memlock": "-1"},
    )
    asked = command(
        env={"CARDS": "0,1"},
        devices=["/dev/null", "nvidia.com/gpu=1"],
        mounts=[f"{tmp_path}/model:/models/a b:ro"],
        files={str(tmp_path / "conf/engine.json"): "{}"},
        container=options,
        cpus=[0],
    )

    identity = start(asked, log, mark(tmp_path))

    (config,) = engine.created
    host = config["HostConfig"]
    assert config["Entrypoint"] + config["Cmd"] == asked.argv
    assert (config["User"], config["Env"]) == ("1001", ["CARDS=0,1"])
    assert config["Labels"] == {
        "appliance.replica": mark(tmp_path).text,
        "appliance.port": str(asked.port),
    }
    assert host["Mounts"] == [
        {
            "Type": "bind",
            "Source": f"{tmp_path}/model",
            "Target": "/models/a b",
            "ReadOnly": True,
        }
    ]
    assert [d["PathOnHost"] for d in host["Devices"]] == ["/dev/null"]
    assert host["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=1"]}]
    assert (host["ShmSize"], host["Runtime"]) == (16 << 30, "habana")
    assert host["Ulimits"] == [{"Name": "memlock", "Soft": -1, "Hard": -1}]
    assert (host["Privileged"], host["OomScoreAdj"], host["CpusetCpus"]) == (False, 500, "0")
    assert host["Memory"] < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert (tmp_path / "conf/engine.json").read_text() == "{}"
    stop(identity, grace_s=0.0)


def test_privileged_only_with_a_reason(engine: StandIn, log: Path, tmp_path: Path) -> None:
    asked = command(container=ContainerOptions(privileged="the vendor cannot do without"))

    stop(start(asked, log, mark(tmp_path)), grace_s=0.0)

    assert engine.created[0]["HostConfig"]["Privileged"] is True


def test_an_image_with_an_entrypoint_of_its_own_keeps_it(
    engine: StandIn, log: Path, tmp_path: Path
) -> None:
    asked = command(container=ContainerOptions(image_entrypoint=True))

    identity = start(asked, log, mark(tmp_path))

    assert "Entrypoint" not in engine.created[0]
    assert engine.created[0]["Cmd"] == asked.argv
    stop(identity, grace_s=0.0)


def test_what_it_was_made_with_can_be_seen(engine: StandIn, log: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    mounts = [f"{tmp_path}/model:/model:ro"]
    devices = ["/dev/null", "nvidia.com/gpu=0"]
    asked = command(env={"CARDS": "0"}, mounts=mounts, devices=devices)
    identity = start(asked, log, mark(tmp_path))

    found = seen(identity)

    assert found
    assert (found.argv, found.image, found.env) == (asked.argv, IMAGE, {"CARDS": "0"})
    assert (found.devices, found.mounts) == (devices, mounts)
    stop(identity, grace_s=0.0)
    assert seen(identity) is None


def test_nvidia_cards_without_cdi(engine: StandIn, log: Path, tmp_path: Path) -> None:
    engine.cdi = False

    identity = start(command(devices=["nvidia.com/gpu=3"]), log, mark(tmp_path))
    found = seen(identity)
    stop(identity, grace_s=0.0)

    assert found
    assert found.devices == ["nvidia.com/gpu=3"]
    (request,) = engine.created[0]["HostConfig"]["DeviceRequests"]
    assert request == {"Driver": "nvidia", "DeviceIDs": ["3"], "Capabilities": [["gpu"]]}


@pytest.mark.parametrize(
    ("version", "changes", "starts"),
    [
        ("4.9.3", {"devices": ["nvidia.com/gpu=0"]}, False),
        ("5.4.0", {"devices": ["nvidia.com/gpu=0"]}, True),
        ("4.9.3", {"devices": ["/dev/null"]}, True),
        ("5.4.0", {"container": ContainerOptions(runtime="habana")}, False),
    ],
)
def test_podman_is_asked_for_nothing_that_it_would_leave_out(
    engine: StandIn,
    log: Path,
    tmp_path: Path,
    version: str,
    changes: dict[str, Any],
    starts: bool,
) -> None:
    engine.podman = version
    asked = command(**changes)
    if starts:
        stop(start(asked, log, mark(tmp_path)), grace_s=0.0)
        assert len(engine.created) == 1
    else:
        error = refused(asked, log, tmp_path)
        assert (error.code, engine.created) == ("PODMAN-WITHOUT-CARDS", [])


def test_it_can_be_stopped_while_its_container_engine_is_away(
    engine: StandIn, log: Path, tmp_path: Path
) -> None:
    identity = start(command(), log, mark(tmp_path))
    until(lambda: answers(identity.port))
    engine.close()

    stop(identity, grace_s=5.0)

    assert not alive(identity)
    engine.open()
    (found,) = marked(tmp_path / "state")
    stop(found.identity, grace_s=0.0)
    assert engine.containers == []


def test_with_selinux_the_container_may_read_the_model(
    engine: StandIn, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "enforce").write_text("1")
    monkeypatch.setattr(containers, "_SELINUX", tmp_path / "enforce")

    stop(start(command(), log, mark(tmp_path)), grace_s=0.0)

    assert engine.created[0]["HostConfig"]["SecurityOpt"] == ["label=disable"]


def test_a_new_daemon_finds_it_and_goes_on_with_its_log(
    engine: StandIn, log: Path, tmp_path: Path
) -> None:
    identity = start(command(), log, mark(tmp_path))
    until(lambda: answers(identity.port) and '"GET' in log.read_text())

    (found,) = marked(tmp_path / "state")
    assert (found.replica, found.identity) == ("tiny-0", identity)
    assert marked(tmp_path) == []
    other = tmp_path / "after.log"
    other.touch()
    attend(msgspec.structs.replace(identity, name=engine.containers[0].name), other)
    until(lambda: answers(identity.port) and '"GET' in other.read_text())
    assert "serving" not in other.read_text()
    stop(identity, grace_s=0.0)


def test_a_second_copy_cannot_be(engine: StandIn, log: Path, tmp_path: Path) -> None:
    first = start(command(), log, mark(tmp_path))

    second = start(command(), log, mark(tmp_path))

    assert (alive(first), alive(second)) == (False, True)
    assert len(engine.running()) == 1
    stop(second, grace_s=0.0)


def test_its_last_words_are_in_the_log(engine: StandIn, log: Path, tmp_path: Path) -> None:
    asked = command(argv=["sh", "-c", "echo CUDA out of memory >&2; exit 3"])
    identity = start(asked, log, mark(tmp_path))
    until(lambda: not alive(identity))

    assert exit_status(identity) == 3
    assert log.read_text() == "CUDA out of memory\n"
    assert memory_killed(identity) is False
    assert stop(identity, grace_s=0.0) == 3
    assert engine.containers == []


def test_one_that_took_too_much_memory_is_told(engine: StandIn, log: Path, tmp_path: Path) -> None:
    identity = start(command(), log, mark(tmp_path))
    engine.end_for_memory(engine.containers[0])
    until(lambda: not alive(identity))

    assert exit_status(identity) == 128 + signal.SIGKILL
    assert memory_killed(identity) is True
    stop(identity, grace_s=0.0)


def test_who_killed_it_is_unknown_where_nobody_says(
    engine: StandIn, log: Path, tmp_path: Path
) -> None:
    identity = start(command(), log, mark(tmp_path))
    engine.containers[0].kill(signal.SIGKILL)
    until(lambda: not alive(identity))

    assert memory_killed(identity) is None
    stop(identity, grace_s=0.0)


def test_stop_insists(engine: StandIn, log: Path, tmp_path: Path) -> None:
    identity = start(command("ignore-term"), log, mark(tmp_path))
    until(lambda: log.exists() and "serving" in log.read_text())

    assert stop(identity, grace_s=0.2) == 128 + signal.SIGKILL
    assert stop(identity, grace_s=0.2) is None


def test_a_container_engine_that_restarts_costs_nothing(
    engine: StandIn, log: Path, tmp_path: Path
) -> None:
    identity = start(command(), log, mark(tmp_path))
    until(lambda: answers(identity.port))
    engine.close()

    assert alive(identity)
    assert exit_status(identity) is None
    unseen = msgspec.structs.replace(identity, started="")
    assert alive(unseen)
    assert marked(tmp_path / "state") == []
    engine.open()
    until(lambda: answers(identity.port))
    before = log.read_text().count('"GET')
    until(lambda: answers(identity.port) and log.read_text().count('"GET') > before + 1)
    assert log.read_text().count("serving") == 1
    assert alive(unseen)
    stop(identity, grace_s=0.0)
    assert not alive(unseen)


def refused(asked: EngineCommand, log: Path, tmp_path: Path) -> ApplianceError:
    with pytest.raises(ApplianceError) as caught:
        start(asked, log, mark(tmp_path))
    return caught.value


def test_a_missing_image_is_told_with_both_ways_to_get_it(
    engine: StandIn, log: Path, tmp_path: Path
) -> None:
    error = refused(command(image="example/other:2"), log, tmp_path)

    assert error.code == "IMAGE-MISSING"
    assert "engines load" in str(error.hint)
    assert "engines pull example/other:2" in str(error.hint)
    assert refused(command(image=None), log, tmp_path).code == "IMAGE-FROM-VENDOR"


def test_missing_devices_and_mounts_are_named(engine: StandIn, log: Path, tmp_path: Path) -> None:
    asked = command(devices=["/dev/no-such-card"], mounts=["/no/such/driver:/x:ro"])

    error = refused(asked, log, tmp_path)

    assert error.code == "DEVICE-MISSING"
    assert "/dev/no-such-card, /no/such/driver" in str(error)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (ContainerOptions(runtime="no-such"), "container runtime"),
        (ContainerOptions(ipc="host", shm_size="1g"), "engine's manual"),
    ],
)
def test_a_refusal_says_what_to_do(
    engine: StandIn, log: Path, tmp_path: Path, options: ContainerOptions, advice: str
) -> None:
    error = refused(command(container=options), log, tmp_path)

    assert error.code == "CONTAINER-REFUSED"
    assert advice in str(error.hint)
    assert engine.containers == []


def test_a_container_that_does_not_start_does_not_stay(
    engine: StandIn, log: Path, tmp_path: Path
) -> None:
    error = refused(command(argv=["no-such-program"]), log, tmp_path)

    assert "no-such-program" in str(error)
    assert engine.containers == []


def test_no_container_engine_is_told(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")

    with pytest.raises(Unreachable) as caught:
        start(command(), log, mark(tmp_path))

    assert caught.value.code == "NO-CONTAINER-ENGINE"
    assert marked(tmp_path / "state") == []


def test_another_servers_container_engine_will_not_do(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")

    with pytest.raises(ApplianceError) as caught:
        start(command(), log, mark(tmp_path))

    assert caught.value.code == "DOCKER-HOST-ELSEWHERE"


def test_rights_are_told(
    engine: StandIn, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    with pytest.raises(NeedsRights) as caught:
        start(command(), log, mark(tmp_path))

    assert "docker" in str(caught.value.hint)


def test_records_of_before_are_read(tmp_path: Path) -> None:
    old = b'{"pid":7,"started":"boot/1","port":9}'

    identity = msgspec.json.decode(old, type=Identity)

    assert (identity.kept_as, identity.name) == ("process", None)
