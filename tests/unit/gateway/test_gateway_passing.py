"""Passing requests to engines that fail at every moment they can."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from running_gateway import CHAT, DEADLINE_S, MODEL, RunningGateway, ask, events, run_gateway, until
from scripted_engine import (
    EVENT,
    LAST,
    STREAM_HEAD,
    Asked,
    ScriptedEngine,
    dead,
    document,
    loading,
    stream,
)

from appliance.gateway.app import Gateway
from appliance.gateway.keys import KeyStore
from appliance.gateway.routes import ModelRoute, Routes, RouteTable, Worker, write_routes


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    with run_gateway(tmp_path / "s") as running:
        yield running


async def test_a_document_and_a_stream_pass_unchanged(gateway: RunningGateway) -> None:
    async with ScriptedEngine() as engine, gateway.client() as client:
        gateway.route(engine.url)
        whole = await client.post(CHAT, json=ask(temperature=0.6))
        assert whole.json() == {"choices": [{"message": {"content": "yes"}}]}
        assert engine.asked[0].body == ask(temperature=0.6)
        streamed = await client.post(CHAT, json=ask(stream=True))
    assert streamed.headers["content-type"] == "text/event-stream"
    assert streamed.content == b"".join(EVENT % n for n in range(3)) + LAST


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
async def test_each_endpoint_is_asked_under_its_own_path(
    gateway: RunningGateway, path: str
) -> None:
    async with ScriptedEngine() as engine, gateway.client() as client:
        gateway.route(engine.url)
        assert (await client.post(path, json=ask())).status_code == 200
        assert engine.asked[0].path == path


async def test_an_event_arrives_before_the_next_one_is_made(gateway: RunningGateway) -> None:
    go_on = asyncio.Event()

    async def one_and_wait(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.chunk(EVENT % 1)
        await go_on.wait()
        await asked.chunk(LAST)
        await asked.send(b"0\r\n\r\n")

    async with (
        ScriptedEngine(one_and_wait) as engine,
        gateway.client() as client,
    ):
        gateway.route(engine.url)
        async with client.stream("POST", CHAT, json=ask(stream=True)) as answer:
            pieces = answer.aiter_raw()
            assert await anext(pieces) == EVENT % 1
            go_on.set()
            assert b"".join([piece async for piece in pieces]) == LAST


async def test_an_engines_refusal_is_passed_on(gateway: RunningGateway) -> None:
    async def refuse(asked: Asked) -> None:
        body = b'{"error":{"message":"context too long"}}'
        await asked.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body))
        await asked.send(body)

    async with ScriptedEngine(refuse) as engine, gateway.client() as client:
        gateway.route(engine.url)
        answer = await client.post(CHAT, json=ask())
    assert answer.status_code == 400
    assert answer.json() == {"error": {"message": "context too long"}}


async def test_a_client_that_leaves_ends_the_generation(gateway: RunningGateway) -> None:
    async def for_ever(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        while True:
            await asked.chunk(EVENT % 1)
            await asyncio.sleep(0.01)

    async with ScriptedEngine(for_ever) as engine, gateway.client() as client:
        gateway.route(engine.url)
        async with client.stream("POST", CHAT, json=ask(stream=True)) as answer:
            await anext(answer.aiter_raw())
        async with asyncio.timeout(10):
            await engine.hung_up.wait()


async def test_a_client_that_leaves_before_the_answer_ends_the_wait(
    gateway: RunningGateway,
) -> None:
    async def silent(asked: Asked) -> None:
        await asyncio.sleep(0)

    async with ScriptedEngine(silent) as engine, gateway.client() as client:
        gateway.route(engine.url)
        asking = asyncio.create_task(client.post(CHAT, json=ask()))
        await until(lambda: engine.asked)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(10):
            await engine.hung_up.wait()
        async with gateway.operator() as operator:
            page = ""
            while "requests_in_flight 0" not in page:
                page = (await operator.get("/metrics")).text


@pytest.mark.parametrize("cut", ["between events", "within an event"])
async def test_a_stream_whose_engine_dies_ends_with_an_error(
    gateway: RunningGateway, cut: str
) -> None:
    async def die_in_the_middle(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.chunk(EVENT % 1)
        if cut == "within an event":
            await asked.chunk((EVENT % 2)[:20])
        asked.die()

    async with ScriptedEngine(die_in_the_middle) as engine, gateway.client() as client:
        gateway.route(engine.url)
        answer = await client.post(CHAT, json=ask(stream=True))
    first, *rest = events(answer.text)
    assert first["choices"][0]["delta"]["content"] == "1"
    assert [event["error"]["code"] for event in rest] == ["engine_lost"]
    assert '"stop"' not in answer.text


async def test_a_stream_that_stops_short_politely_is_an_error_too(
    gateway: RunningGateway,
) -> None:
    async def stop_short(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.chunk(EVENT % 1)
        await asked.send(b"0\r\n\r\n")

    async with ScriptedEngine(stop_short) as engine, gateway.client() as client:
        gateway.route(engine.url)
        answer = await client.post(CHAT, json=ask(stream=True))
    assert events(answer.text)[-1]["error"]["code"] == "engine_lost"


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_request_lost_before_its_answer_is_asked_again_on_a_fresh_connection(
    gateway: RunningGateway, streaming: bool
) -> None:
    script = (document, dead, stream if streaming else document, dead)
    async with ScriptedEngine(*script) as engine, gateway.client() as client:
        gateway.route(engine.url)
        answers = [await client.post(CHAT, json=ask(stream=streaming)) for _ in range(3)]
        connections = [asked.connection for asked in engine.asked]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert connections == [1, 1, 2, 3, 4]


async def test_a_stream_that_only_had_its_head_is_asked_again(gateway: RunningGateway) -> None:
    async def die_before_the_first_event(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.chunk(b": waiting\n\n")
        asked.die()

    async with ScriptedEngine(die_before_the_first_event) as engine, gateway.client() as client:
        gateway.route(engine.url)
        answer = await client.post(CHAT, json=ask(stream=True))
    whole = b"".join(EVENT % number for number in range(3)) + LAST
    assert answer.content == b": waiting\n\n" + whole


async def test_the_head_of_a_stream_is_not_held_back(gateway: RunningGateway) -> None:
    go_on = asyncio.Event()

    async def long_prompt(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await go_on.wait()
        await asked.chunk(LAST)
        await asked.send(b"0\r\n\r\n")

    async with ScriptedEngine(long_prompt) as engine, gateway.client() as client:
        gateway.route(engine.url)
        async with client.stream("POST", CHAT, json=ask(stream=True)) as answer:
            assert answer.status_code == 200
            go_on.set()
            assert await answer.aread() == LAST


async def test_a_refusal_after_a_lost_head_is_an_event(gateway: RunningGateway) -> None:
    async def only_a_head(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        asked.die()

    async def refuse(asked: Asked) -> None:
        body = b'{"error":{"message":"context too long"}}'
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b"
        await asked.send(head % (len(body), body))

    async with ScriptedEngine(only_a_head, refuse) as engine, gateway.client() as client:
        gateway.route(engine.url)
        answer = await client.post(CHAT, json=ask(stream=True))
    assert events(answer.text) == [{"error": {"message": "context too long"}}]


async def test_a_document_cut_short_is_asked_again(gateway: RunningGateway) -> None:
    async def half(asked: Asked) -> None:
        await asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
        asked.die()

    async with ScriptedEngine(half) as engine, gateway.client() as client:
        gateway.route(engine.url)
        answer = await client.post(CHAT, json=ask())
    assert answer.json()["choices"][0]["message"]["content"] == "yes"


async def test_a_request_that_kills_two_engines_is_not_tried_on_a_third(
    gateway: RunningGateway,
) -> None:
    async with ScriptedEngine(dead, dead) as engine, gateway.client() as client:
        gateway.route(engine.url)
        answer = await client.post(CHAT, json=ask())
        assert len(engine.asked) == 2
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "engine_lost")


async def test_a_request_waits_while_its_model_has_no_worker(gateway: RunningGateway) -> None:
    async with ScriptedEngine() as engine, gateway.client() as client:
        gateway.route()
        asking = asyncio.create_task(client.post(CHAT, json=ask()))
        async with gateway.operator() as operator:
            page = ""
            while "requests_in_flight 1" not in page:
                page = (await operator.get("/metrics")).text
        gateway.route(engine.url)
        assert (await asking).status_code == 200


async def test_a_request_outlives_the_restart_of_its_engine(gateway: RunningGateway) -> None:
    async def hang(asked: Asked) -> None:
        await asyncio.sleep(60)

    async with ScriptedEngine(hang) as engine, gateway.client() as client:
        gateway.route(engine.url)
        asking = asyncio.create_task(client.post(CHAT, json=ask(stream=True)))
        await until(lambda: engine.asked)
        await engine.stop()
        engine.script = [loading, loading, stream]
        await asyncio.sleep(0.3)
        await engine.start()
        answer = await asking
    assert events(answer.text)[-1] == "[DONE]"
    assert engine.script == []


async def test_the_least_busy_worker_is_asked(gateway: RunningGateway) -> None:
    free = asyncio.Event()

    async def busy(asked: Asked) -> None:
        await free.wait()
        await document(asked)

    async with ScriptedEngine() as a, ScriptedEngine() as b, gateway.client() as client:
        a.script, b.script = [busy], [busy]
        gateway.route(a.url, b.url)
        held = [asyncio.create_task(client.post(CHAT, json=ask())) for _ in range(2)]
        await until(lambda: (len(a.asked), len(b.asked)) == (1, 1))
        free.set()
        await asyncio.gather(*held)
        free.clear()
        a.script = [busy]
        gateway.route(a.url)
        held = [asyncio.create_task(client.post(CHAT, json=ask()))]
        await until(lambda: len(a.asked) == 2)
        gateway.route(a.url, b.url)
        for _ in range(5):
            await client.post(CHAT, json=ask())
        assert (len(a.asked), len(b.asked)) == (2, 6)
        free.set()
        await asyncio.gather(*held)


async def test_a_dead_worker_costs_nothing_while_another_lives(gateway: RunningGateway) -> None:
    async with ScriptedEngine() as alive, ScriptedEngine() as gone, gateway.client() as client:
        gateway.route(gone.url, alive.url)
        await gone.stop()
        answers = [await client.post(CHAT, json=ask()) for _ in range(6)]
    assert {answer.status_code for answer in answers} == {200}


async def test_models_are_listed_and_found_by_their_names(gateway: RunningGateway) -> None:
    async with ScriptedEngine() as engine, gateway.client() as client:
        gateway.route(engine.url)
        listed = (await client.get("/v1/models")).json()
        assert [model["id"] for model in listed["data"]] == [MODEL]
        assert (await client.get("/v1/models/deepseek")).json()["id"] == MODEL
        assert (await client.get("/v1/models/other")).status_code == 404
        assert (await client.post(CHAT, json=ask(model="deepseek"))).status_code == 200
        assert (await client.post(CHAT, json={"messages": []})).status_code == 200


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "invalid_request"),
        (b"\xff\xfe", 400, "invalid_request"),
        (b'{"model": 5}', 400, "invalid_request"),
        (b"[]", 400, "invalid_request"),
        (b"", 400, "invalid_request"),
        (b'{"model": "other"}', 404, "model_not_found"),
        (b" " * (32 * 1024**2 + 1), 413, "body_too_large"),
    ],
    ids=["half", "not utf-8", "number", "list", "empty", "unknown", "large"],
)
async def test_bad_requests_are_told_apart(
    gateway: RunningGateway, content: bytes, status: int, code: str
) -> None:
    gateway.route("http://127.0.0.1:9")
    async with gateway.client() as client:
        answer = await client.post(CHAT, content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_large_body_without_a_declared_length_is_refused(gateway: RunningGateway) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield b" " * 1024**2

    async with gateway.client() as client:
        with contextlib.suppress(httpx.WriteError, httpx.ReadError):
            assert (await client.post(CHAT, content=endless())).status_code == 413
        assert (await client.get("/v1/models")).status_code == 200


async def test_headers_without_an_end_are_refused(gateway: RunningGateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: g\r\nX-Long: " + b"x" * 100_000)
    async with asyncio.timeout(DEADLINE_S):
        answer = await reader.readuntil(b"\r\n")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 4")


async def test_wrong_paths_and_methods_answer_in_the_same_form(gateway: RunningGateway) -> None:
    async with gateway.client() as client:
        nowhere, wrong = await client.get("/v1/nowhere"), await client.get(CHAT)
    assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "bad_method")


async def test_a_request_that_waited_in_vain_is_told_when_to_come_back(tmp_path: Path) -> None:
    write_routes(tmp_path, RouteTable(models=[ModelRoute(id=MODEL)]))
    keys = KeyStore(tmp_path / "keys.sqlite")
    gateway = Gateway(Routes(tmp_path), keys, hold_s=0.1)
    transport = httpx.ASGITransport(gateway.open)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answer = await client.post(CHAT, json=ask())
    await gateway.close()
    keys.close()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_not_ready")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_request_waits_longer_for_a_worker_that_is_said_to_come(tmp_path: Path) -> None:
    hold_s = 0.1
    keys = KeyStore(tmp_path / "keys.sqlite")
    gateway = Gateway(Routes(tmp_path), keys, hold_s=hold_s)
    transport = httpx.ASGITransport(gateway.open)
    write_routes(tmp_path, RouteTable(models=[ModelRoute(id=MODEL, coming=True)]))
    async with (
        ScriptedEngine() as engine,
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
    ):
        asking = asyncio.create_task(client.post(CHAT, json=ask()))
        done, _ = await asyncio.wait([asking], timeout=5 * hold_s)
        assert not done
        workers = [Worker(id="w", url=engine.url)]
        write_routes(tmp_path, RouteTable(models=[ModelRoute(id=MODEL, workers=workers)]))
        assert (await asking).status_code == 200

        write_routes(tmp_path, RouteTable(models=[ModelRoute(id=MODEL, coming=True)]))
        asking = asyncio.create_task(client.post(CHAT, json=ask()))
        await asyncio.wait([asking], timeout=2 * hold_s)
        write_routes(tmp_path, RouteTable(models=[ModelRoute(id=MODEL)]))
        assert (await asking).status_code == 503
    await gateway.close()
    keys.close()


async def test_what_happened_is_counted(gateway: RunningGateway) -> None:
    async with ScriptedEngine(document, dead) as engine, gateway.client("admin") as client:
        gateway.route(engine.url)
        await client.post(CHAT, json=ask())
        await client.post(CHAT, json=ask())
        page = (await client.get("/metrics")).text
    assert f'appliance_gateway_requests_total{{model="{MODEL}",status="200"}} 2' in page
    assert "appliance_gateway_retries_total 1" in page
    assert 'appliance_gateway_first_byte_seconds_count{model="deepseek-test"} 2' in page
