"""The main job on a real engine: up, ask, status, chat, down."""

from __future__ import annotations

import json
import re
import signal
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest
from appliance_box import ANSWER, THOUGHT, Appliance, ask, is_zombie, wait_for

from appliance.core.status import Status, Up


def test_up_serves_proves_and_says_how_to_use_it(appliance: Appliance, parrot: Path) -> None:
    result = appliance.run("up", "--yes", "--json", "--model", f"file:{parrot}")

    assert result.returncode == 0, result.stderr
    up = msgspec.json.decode(result.stdout, type=Up)
    assert up.proof.answer == ANSWER
    assert up.cards == ["cpu"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", up.endpoint)
    assert up.key
    answer = ask(up.endpoint, up.key, model=up.deployment).json()["choices"][0]["message"]
    assert answer["content"].strip() == ANSWER
    assert answer["reasoning_content"].strip() == THOUGHT


def test_without_a_key_only_health_answers(appliance: Appliance, parrot: Path) -> None:
    up = appliance.up("--model", f"file:{parrot}")

    assert ask(up["endpoint"], "sk-wrong").status_code == 401
    root = up["endpoint"].removesuffix("/v1")
    assert httpx.get(f"{root}/health", trust_env=False).status_code == 200
    assert httpx.get(f"{root}/v1/models", trust_env=False).status_code == 401
    assert httpx.get(f"{root}/metrics", trust_env=False).status_code == 401


def test_a_second_up_changes_nothing(appliance: Appliance, parrot: Path) -> None:
    first = appliance.up("--model", f"file:{parrot}")
    engines = appliance.engines()

    again = appliance.up()

    assert again["key"] is None
    assert again["endpoint"] == first["endpoint"]
    assert appliance.engines() == engines


def test_two_ups_at_once_start_one_engine(appliance: Appliance, parrot: Path) -> None:
    both = [appliance.start("up", "--yes", "--json", "--model", f"file:{parrot}") for _ in range(2)]

    outputs = [process.communicate(timeout=120) for process in both]

    assert [process.returncode for process in both] == [0, 0], outputs
    assert len(appliance.engines()) == 1


def test_the_stream_tells_reasoning_from_answer(appliance: Appliance, parrot: Path) -> None:
    appliance.up("--model", f"file:{parrot}")

    result = appliance.run("chat", "--once", "Hello")

    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ANSWER
    assert THOUGHT in result.stderr


def test_status_names_every_listener_and_all_are_on_loopback(
    appliance: Appliance, parrot: Path
) -> None:
    appliance.up("--model", f"file:{parrot}")

    status = msgspec.json.decode(appliance.run("status", "--json").stdout, type=Status)

    assert status.deployments[0].state in ("ready", "busy")
    assert status.daemon.pid
    ports = {listener.port for listener in status.listeners if listener.port}
    assert ports == listening_ports({*appliance.processes(), status.daemon.pid})


def listening_ports(pids: set[int]) -> set[int]:
    """TCP ports that these processes listen at; fails for one that is not on loopback."""
    import psutil

    found = set()
    for pid in pids:
        for connection in psutil.Process(pid).net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip in ("127.0.0.1", "::1")
                found.add(connection.laddr.port)
    return found


def test_down_leaves_nothing_and_up_comes_back_at_the_same_port(
    appliance: Appliance, parrot: Path
) -> None:
    first = appliance.up("--model", f"file:{parrot}")
    pids = [*appliance.processes(), appliance.status()["daemon"]["pid"]]

    assert appliance.run("down").returncode == 0

    assert all(wait_for(partial(is_zombie, pid), 10) for pid in pids)
    status = appliance.run("status", "--json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["daemon"]["pid"] is None
    assert appliance.up("--model", f"file:{parrot}")["endpoint"] == first["endpoint"]


def test_down_of_one_deployment_keeps_the_daemon(appliance: Appliance, parrot: Path) -> None:
    up = appliance.up("--model", f"file:{parrot}")

    assert appliance.run("down", up["deployment"]).returncode == 0

    status = appliance.status()
    assert status["daemon"]["pid"]
    assert [d["state"] for d in status["deployments"]] == ["stopped"]
    assert appliance.engines() == []


def test_keys_count_at_once(appliance: Appliance, parrot: Path) -> None:
    up = appliance.up("--model", f"file:{parrot}")
    new = appliance.json("keys", "add", "ward-3")

    assert ask(up["endpoint"], new["key"]).status_code == 200
    assert appliance.run("keys", "revoke", new["id"]).returncode == 0
    assert ask(up["endpoint"], new["key"]).status_code == 401
    assert new["key"] not in appliance.run("keys", "list", "--json").stdout


def test_logs_tell_what_the_engine_wrote(appliance: Appliance, parrot: Path) -> None:
    appliance.up("--model", f"file:{parrot}")

    result = appliance.run("logs", "-n", "500")

    assert result.returncode == 0
    assert "appliance: start" in result.stdout


def test_logs_are_followed_until_ctrl_c_or_the_daemon_leaves(
    appliance: Appliance, parrot: Path
) -> None:
    up = appliance.up("--model", f"file:{parrot}")
    followers = [appliance.start("logs", up["deployment"], "-f") for _ in range(2)]
    for follower in followers:
        assert follower.stdout
        assert follower.stdout.readline()

    followers[0].send_signal(signal.SIGINT)
    _, err = followers[0].communicate(timeout=30)
    assert (followers[0].returncode, err) == (130, "")

    assert appliance.run("down").returncode == 0
    _, err = followers[1].communicate(timeout=30)
    assert followers[1].returncode == 3
    assert err.startswith("error: ")


def test_the_path_of_a_file_is_meant_from_where_the_command_is(
    appliance: Appliance, parrot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(parrot.parent)

    up = appliance.up("--model", f"file:{parrot.name}")

    assert up["variant"] == f"file:{parrot}"
