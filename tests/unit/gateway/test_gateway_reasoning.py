"""Programs find the reasoning under one name, whichever engine thought."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running_gateway import CHAT, RunningGateway, ask, events, run_gateway
from scripted_engine import LAST, STREAM_HEAD, Asked, ScriptedEngine

from appliance.gateway.reasoning import named_in, named_in_lines

THOUGHT = 'She asked for "reasoning": 思考 {}'


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    with run_gateway(tmp_path / "s") as running:
        yield running


def event(delta: dict[str, object]) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": None}]
    return b"data: %b\n\n" % json.dumps({"id": "1", "choices": choices}).encode()


async def test_a_stream_of_vllm_is_read_by_programs_written_for_deepseek(
    gateway: RunningGateway,
) -> None:
    first, second = event({"reasoning": THOUGHT}), event({"content": "It rains."})

    async def think(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.chunk(first[:30])
        await asked.chunk(first[30:] + second)
        await asked.chunk(LAST)
        await asked.send(b"0\r\n\r\n")

    async with ScriptedEngine(think) as engine, gateway.client() as client:
        gateway.route(engine.url)
        streamed = await client.post(CHAT, json=ask(stream=True))

    delta = events(streamed.text)[0]["choices"][0]["delta"]
    assert delta == {"reasoning": THOUGHT, "reasoning_content": THOUGHT}
    assert streamed.content.endswith(second + LAST)


async def test_a_whole_answer_of_vllm_too(gateway: RunningGateway) -> None:
    said = {"choices": [{"message": {"content": "Yes.", "reasoning": THOUGHT}}]}

    async def answer(asked: Asked) -> None:
        body = json.dumps(said).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        await asked.send(head % len(body) + body)

    async with ScriptedEngine(answer) as engine, gateway.client() as client:
        gateway.route(engine.url)
        whole = (await client.post(CHAT, json=ask())).json()

    assert whole["choices"][0]["message"]["reasoning_content"] == THOUGHT


@pytest.mark.parametrize(
    "document",
    [
        b'{"choices": [{"message": {"reasoning": "a", "reasoning_content": "b"}}]}',
        b'{"choices": [{"message": {"reasoning": null, "content": "a"}}]}',
        b'{"output": [{"type": "reasoning", "reasoning": "a"}]}',
        b'{"choices": "reasoning", "reasoning": 1}',
        b'["reasoning"]',
        b'{"reasoning": ',
        b'"reasoning" \xff',
        b'{"choices": [{"message": {"content": "the \\"reasoning\\" of it"}}]}',
    ],
)
def test_anything_else_is_left_byte_for_byte(document: bytes) -> None:
    assert named_in(document) == document
    assert named_in_lines(b"data: %b\r\n\r\n" % document) == b"data: %b\r\n\r\n" % document


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_line_is_lost_or_breaks_it(before: bytes, after: bytes) -> None:
    lines = before + b'\n: "reasoning"\n' + after + b"\n"

    assert named_in_lines(lines) == lines
