"""The local API of a real daemon, and its description."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_fakes import deployment, until

from appliance.core.errors import ApplianceError, Unreachable, UsageError
from appliance.core.i18n import use_language
from appliance.core.paths import Paths, find_paths
from appliance.node.api import ENDPOINTS
from appliance.node.client import NodeClient
from appliance.node.openapi import openapi
from appliance.node.start import await_leave, ensure_daemon, only_daemon, state_file
from appliance.node.state import State
from appliance.node.wishes import PullOptions, UpOptions


@pytest.fixture
def client(paths: Paths) -> Iterator[NodeClient]:
    with ensure_daemon(paths) as connected:
        yield connected
        with ensure_daemon(paths) as last:
            last.down()
    await_leave(paths)


def remember_stopped(paths: Paths, name: str = "tiny") -> None:
    """A deployment that ran once, and its log."""
    state = State(state_file(paths))
    state.want(deployment(name))
    state.unwant()
    state.close()
    (paths.logs / f"{name}-0.log").write_text("first\nsecond\n")


def test_only_the_owner_may_connect(client: NodeClient, paths: Paths) -> None:
    assert stat.S_IMODE(paths.node_socket.stat().st_mode) == 0o600
    assert client.status().daemon.pid
    assert client.inventory().cards
    assert client.sample().cards
    assert client.events()[0].code == "DAEMON-START"


def test_names_with_slashes_are_names(client: NodeClient) -> None:
    for call in (client.logs, client.down, client.restart):
        with pytest.raises(UsageError) as refused:
            call("hf:org/name@main:*.gguf?#%")
        assert refused.value.code == "NO-SUCH-DEPLOYMENT"
        assert "hf:org/name@main:*.gguf?#%" in str(refused.value)


def test_errors_are_in_the_language_of_who_asks(client: NodeClient) -> None:
    with pytest.raises(UsageError) as english:
        client.logs("nobody")
    use_language("zh")
    with pytest.raises(UsageError) as chinese:
        client.logs("nobody")
    use_language("en")

    assert english.value.code == chinese.value.code
    assert str(english.value) != str(chinese.value)


@pytest.mark.parametrize("model", ["no-such-model", "hf:nonsense", "deepseek-v3:q99", "file:/no"])
def test_a_refused_job_is_an_error_of_its_kind(client: NodeClient, model: str) -> None:
    with pytest.raises(UsageError):
        list(client.up(UpOptions(model=model)))
    with pytest.raises(UsageError):
        list(client.pull(PullOptions(model=model)))


def test_a_daemon_that_is_not_there_is_unreachable(paths: Paths) -> None:
    with NodeClient(paths) as nobody, pytest.raises(Unreachable) as refused:
        nobody.status()
    assert refused.value.code == "DAEMON-DOWN"


def test_an_answer_of_another_version_is_said(paths: Paths) -> None:
    body = b'{"schema": "appliance.status/9"}'

    def answer(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(paths.node_socket))
        listening.listen()
        server = threading.Thread(target=answer, args=(listening,))
        server.start()
        with NodeClient(paths) as client, pytest.raises(ApplianceError) as refused:
            client.status()
        server.join()
    assert refused.value.code == "DAEMON-VERSION"


def test_followers_of_a_quiet_log_cost_nothing_when_they_are_gone(
    client: NodeClient, paths: Paths
) -> None:
    remember_stopped(paths)
    for _ in range(45):  # more than the daemon has threads for requests
        lines = client.follow_logs("tiny")
        assert next(lines) == "first"
        lines.close()  # type: ignore[attr-defined]

    assert client.logs("tiny") == ["first", "second"]


def test_a_followed_log_grows_and_ends_with_the_daemon(client: NodeClient, paths: Paths) -> None:
    remember_stopped(paths)
    lines = client.follow_logs("tiny", 1)
    assert next(lines) == "second"
    with (paths.logs / "tiny-0.log").open("a") as log:
        log.write("third\n")
    assert next(lines) == "third"

    with NodeClient(paths) as other:
        other.down()
    with pytest.raises(Unreachable):
        next(lines)
    await_leave(paths)


def test_restart_of_what_cannot_start_answers_and_locks_nothing(
    client: NodeClient, paths: Paths
) -> None:
    remember_stopped(paths)

    client.restart("tiny:q4_0")
    client.restart("tiny")

    (status,) = client.status().deployments
    assert status.state in ("starting", "failed")
    client.down("tiny")
    assert client.status().deployments[0].state == "stopped"


def test_a_lost_card_is_said_and_nothing_is_started_elsewhere(
    client: NodeClient, paths: Paths
) -> None:
    client.down()
    await_leave(paths)
    state = State(state_file(paths))
    state.want(deployment(cards=["GPU-0"]))
    state.close()

    with ensure_daemon(paths) as fresh:
        until(lambda: fresh.status().deployments[0].state == "failed")
        (status,) = fresh.status().deployments

    assert "GPU-0" in str(status.reason)
    assert status.replicas[0].pid is None


def test_many_clients_start_one_daemon(paths: Paths) -> None:
    argv = [sys.executable, "-m", "appliance.cli.main", "models", "pull", "file:/no"]
    clients = [subprocess.Popen(argv, stderr=subprocess.DEVNULL) for _ in range(4)]
    codes = [one.wait(60) for one in clients]

    assert codes == [2, 2, 2, 2]
    with only_daemon(paths) as free:
        assert not free
    with NodeClient(paths) as client:
        client.down()
    await_leave(paths)


def test_a_daemon_that_is_asked_for_while_another_leaves_comes(
    client: NodeClient, paths: Paths
) -> None:
    for _ in range(3):
        before = client.status().daemon.pid
        assert before
        os.kill(before, signal.SIGTERM)
        until(lambda: not paths.node_socket.exists())
        with ensure_daemon(paths) as next_client:
            assert next_client.status().daemon.pid != before
        client.close()
        client = NodeClient(paths)
    client.close()


def test_a_killed_daemon_ends_the_streams_of_its_clients(client: NodeClient, paths: Paths) -> None:
    remember_stopped(paths)
    lines = client.follow_logs("tiny", 1)
    next(lines)
    pid = client.status().daemon.pid
    assert pid

    os.kill(pid, signal.SIGKILL)

    started = time.monotonic()
    with pytest.raises(Unreachable):
        next(lines)
    assert time.monotonic() - started < 30


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_description_covers_every_endpoint_and_holds_together() -> None:
    described = json.loads(json.dumps(openapi(ENDPOINTS)))

    found = {(m.upper(), path) for path, ways in described["paths"].items() for m in ways}
    assert found == {(e.method, e.path.replace(":path}", "}")) for e in ENDPOINTS}
    schemas = described["components"]["schemas"]
    assert {ref.rpartition("/")[2] for ref in references(described)} <= schemas.keys()
    for path, ways in described["paths"].items():
        for operation in ways.values():
            named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))
            assert {"200", "default"} == operation["responses"].keys()
    up = described["paths"]["/up"]["post"]
    assert up["requestBody"]["content"]["application/json"]["schema"]
    assert len(up["responses"]["200"]["content"]["application/x-ndjson"]["schema"]["anyOf"]) == 5


def test_the_daemon_serves_its_description(client: NodeClient, paths: Paths) -> None:
    import httpx

    transport = httpx.HTTPTransport(uds=str(paths.node_socket))
    with httpx.Client(transport=transport, base_url="http://node", trust_env=False) as http:
        assert http.get("/openapi.json").json()["openapi"].startswith("3.1")
        bad = http.post("/up", content=b"{")
        assert bad.status_code == 400
        assert bad.json()["error"]["code"] == "USAGE"
        assert http.get("/events", params={"after": "x"}).status_code == 400


def test_a_path_too_long_for_a_socket_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path / ("long" * 30)))

    with pytest.raises(ApplianceError) as refused:
        ensure_daemon(find_paths())
    assert refused.value.code == "PATH-TOO-LONG"


def test_cards_that_are_not_there_are_neither_held_nor_released(client: NodeClient) -> None:
    with pytest.raises(UsageError) as refused:
        client.hold_card("nvidia0", "a new fan")
    assert refused.value.code == "NO-SUCH-CARD"
    assert "this server has none" in str(refused.value.hint)
    with pytest.raises(UsageError) as refused:
        client.release_card("GPU-1")
    assert refused.value.code == "CARD-NOT-HELD"
    assert all(card.hold is None for card in client.status().cards)
