"""The door, on a real gateway process: who gets in, and what is kept of it."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from running_gateway import CHAT, RunningGateway, ask, events, run_gateway, until
from scripted_engine import EVENT, LAST, STREAM_HEAD, Asked, ScriptedEngine

from appliance.gateway.keys import Role
from appliance.gateway.listeners import loopback


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    with run_gateway(tmp_path / "s") as running:
        yield running


async def test_without_a_key_only_health_answers(gateway: RunningGateway) -> None:
    async with gateway.client(None) as client:
        assert (await client.get("/health")).json() == {"status": "ok"}
        for path in (
            "/v1/models",
            "/metrics",
            "/nowhere",
            "/v1/%2e%2e/health",
            "/health/",
            "//health",
        ):
            answer = await client.get(path)
            assert (path, answer.status_code) == (path, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
        refused = await client.post(CHAT, json=ask())
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "missing_api_key"


@pytest.mark.parametrize(
    "value", ["Bearer sk-wrong", "Bearer", "Basic {key}", "{key}", "Bearer {key}x", "ä"]
)
async def test_what_is_not_a_good_key_is_refused(gateway: RunningGateway, value: str) -> None:
    key = gateway.keys.add("test").key
    header = {b"Authorization": value.format(key=key).encode("latin-1")}
    async with gateway.client(None) as client:
        assert (await client.get("/v1/models", headers=header)).status_code == 401


@pytest.mark.parametrize(
    ("role", "models", "metrics"), [("user", 200, 403), ("metrics", 403, 200), ("admin", 200, 200)]
)
async def test_each_role_opens_its_own_part(
    gateway: RunningGateway, role: Role, models: int, metrics: int
) -> None:
    async with gateway.client(role) as client:
        assert (await client.get("/v1/models")).status_code == models
        assert (await client.get("/metrics")).status_code == metrics


async def test_a_revoked_key_is_refused_with_the_next_request(gateway: RunningGateway) -> None:
    new = gateway.keys.add("leaver")
    header = {"Authorization": f"Bearer {new.key}"}
    async with gateway.client(None) as client:
        assert (await client.get("/v1/models", headers=header)).status_code == 200
        gateway.keys.revoke(new.id)
        refused = await client.get("/v1/models", headers=header)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


async def test_the_operators_socket_needs_no_key_and_is_the_operators_alone(
    gateway: RunningGateway,
) -> None:
    assert stat.S_IMODE((gateway.state / "gateway.sock").stat().st_mode) == 0o600
    async with gateway.operator() as client:
        assert (await client.get("/v1/models")).status_code == 200
        assert "appliance_gateway_requests_in_flight 0" in (await client.get("/metrics")).text


async def test_the_key_reaches_neither_the_engine_nor_the_log(gateway: RunningGateway) -> None:
    async with ScriptedEngine() as engine, gateway.client() as client:
        gateway.route(engine.url)
        key = client.headers["Authorization"].removeprefix("Bearer ")
        cookie = {"Cookie": "session=1", "X-Forwarded-For": "10.0.0.1"}
        assert (await client.post(CHAT, json=ask(), headers=cookie)).status_code == 200
        seen = engine.asked[0].headers
    assert seen.keys() <= {"host", "content-type", "content-length", "accept"}
    assert key not in gateway.log.read_text()


async def test_nothing_listens_off_loopback(gateway: RunningGateway) -> None:
    process = psutil.Process(gateway.process.pid)
    listeners = [c.laddr for c in process.net_connections("inet") if c.status == "LISTEN"]
    assert listeners == [("127.0.0.1", gateway.port)]


async def test_a_key_store_that_breaks_closes_the_door(gateway: RunningGateway) -> None:
    async with gateway.client() as client:
        assert (await client.get("/v1/models")).status_code == 200
        gateway.keys._execute("DROP TABLE keys")
        refused = await client.get("/v1/models")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "keys_unreadable")
        assert (await client.get("/health")).status_code == 200


async def test_answers_are_not_held_back_to_fill_packets() -> None:
    accepted: list[asyncio.StreamWriter] = []
    listener = loopback(0)
    server = await asyncio.start_server(lambda _, writer: accepted.append(writer), sock=listener)
    _, client = await asyncio.open_connection(*listener.getsockname())
    await until(lambda: accepted)
    option = accepted[0].get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    client.close()
    accepted[0].close()
    server.close()
    assert option == 1


async def test_a_revoked_key_ends_its_running_answers_and_no_others(
    gateway: RunningGateway,
) -> None:
    go_on = asyncio.Event()

    async def begin_and_wait(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.chunk(EVENT % 1)
        await go_on.wait()
        await asked.chunk(LAST)
        await asked.send(b"0\r\n\r\n")

    async def answer_of(key: str) -> str:
        headers = {"Authorization": f"Bearer {key}"}
        async with gateway.client(None) as client:
            return (await client.post(CHAT, json=ask(stream=True), headers=headers)).text

    async with ScriptedEngine(begin_and_wait, begin_and_wait) as engine:
        gateway.route(engine.url)
        bad, good = gateway.keys.add("leaver"), gateway.keys.add("stayer")
        leaver = asyncio.create_task(answer_of(bad.key))
        stayer = asyncio.create_task(answer_of(good.key))
        await until(lambda: len(engine.asked) == 2)

        gateway.keys.revoke(bad.id)
        broken = events(await leaver)

        assert broken[-1]["error"]["code"] == "invalid_api_key"
        assert not stayer.done()
        go_on.set()
        assert events(await stayer)[-1] == "[DONE]"
