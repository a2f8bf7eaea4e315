"""The gateway as a process: one per state directory, found again, and gone when told."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from pathlib import Path

import httpx
from running_gateway import CHAT, DEADLINE_S, ask, events, run_gateway, until, wait_ready
from scripted_engine import EVENT, STREAM_HEAD, Asked, ScriptedEngine

from appliance.gateway.process import gateway_argv, running


def _run(state: Path, port: int) -> subprocess.CompletedProcess[str]:
    command = gateway_argv(state, port)
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def test_a_running_gateway_is_found_and_a_killed_one_is_not(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    with run_gateway(tmp_path / "s") as gateway:
        found = running(tmp_path / "s")
        assert found is not None
        assert (found.pid, found.port) == (gateway.process.pid, gateway.port)
        gateway.process.kill()
        gateway.process.wait()
        assert running(tmp_path / "s") is None


def test_a_killed_gateway_is_replaced_at_the_same_port(tmp_path: Path) -> None:
    with run_gateway(tmp_path / "s") as first:
        with httpx.Client(trust_env=False) as client:
            client.get(f"{first.url}/health")
            first.process.kill()
            first.process.wait()
        with run_gateway(tmp_path / "s", first.port) as second:
            assert second.port == first.port
            assert httpx.get(f"{second.url}/health", trust_env=False).status_code == 200


def test_a_second_gateway_leaves_the_first_one_alone(tmp_path: Path) -> None:
    with run_gateway(tmp_path / "s") as gateway:
        second = _run(tmp_path / "s", 0)
        assert second.returncode == 1
        assert second.stderr.startswith("error: a gateway for")
        assert wait_ready(tmp_path / "s").pid == gateway.process.pid
        assert httpx.get(f"{gateway.url}/health", trust_env=False).status_code == 200


def test_a_taken_port_is_one_error_and_one_hint(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = _run(tmp_path / "s", port)
    assert result.returncode == 1
    error, hint = result.stderr.splitlines()
    assert error == f"error: port {port} is taken by another program"
    assert hint.startswith("hint: ")
    assert running(tmp_path / "s") is None


def test_a_path_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    result = _run(tmp_path / ("long" * 30), 0)
    assert result.returncode == 1
    assert "APPLIANCE_HOME" in result.stderr
    assert "Traceback" not in result.stderr


async def test_at_its_end_streams_are_told_and_idle_connections_do_not_hold_it(
    tmp_path: Path,
) -> None:
    async def for_ever(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        while True:
            await asked.chunk(EVENT % 1)
            await asyncio.sleep(0.01)

    with run_gateway(tmp_path / "s") as gateway:
        async with ScriptedEngine(for_ever) as engine, gateway.client() as client:
            gateway.route(engine.url)
            await client.get("/v1/models")
            asking = asyncio.create_task(client.post(CHAT, json=ask(stream=True)))
            await until(lambda: engine.asked)
            gateway.process.send_signal(signal.SIGTERM)
            answer = await asking
            await until(lambda: gateway.process.poll() is not None)
        assert gateway.process.returncode == 0
        assert events(answer.text)[-1]["error"]["code"] == "gateway_stopping"
        assert "Traceback" not in gateway.log.read_text()
