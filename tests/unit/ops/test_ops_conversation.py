"""Conversations over broken and odd streams, and what counts as a proof."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest

from appliance.core.errors import ApplianceError, Interrupted, TimedOut, Unreachable
from appliance.core.progress import Cancel
from appliance.ops.conversation import Finish, Message, Piece, decode_speed, stream_chat
from appliance.ops.proof import prove

Write = Callable[[bytes], None]
Script = Callable[[Write], None]


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    script: Script
    status = 200
    requests: list[dict[str, Any]]


class Engine(ThreadingHTTPServer):
    """The same without a gateway, at a port."""

    daemon_threads = True
    block_on_close = False
    script: Script
    status = 200
    requests: list[dict[str, Any]]


class Handler(BaseHTTPRequestHandler):
    server: Server | Engine

    def address_string(self) -> str:
        return "unix"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()
        try:
            self.server.script(self._write)
        except OSError:
            return

    def _write(self, raw: bytes) -> None:
        self.wfile.write(raw)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(str(tmp_path / "gateway.sock"), Handler) as running:
        running.requests = []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(("127.0.0.1", 0), Handler) as running:
        running.requests = []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def event(**delta: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"


END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def saying(*parts: bytes) -> Script:
    def script(write: Write) -> None:
        for part in parts:
            write(part)

    return script


def talk(server: Server, tmp_path: Path, *parts: bytes, **options: Any) -> list[Piece | Finish]:
    server.script = saying(*parts)
    return list(stream_chat(tmp_path / "gateway.sock", [Message("user", "Hi")], **options))


def test_reasoning_and_answer_are_told_apart(server: Server, tmp_path: Path) -> None:
    usage = b'data: {"usage":{"completion_tokens":7},"timings":{"predicted_per_second":12.345}}\n\n'

    pieces = talk(
        server, tmp_path, event(role="assistant", content=None), event(reasoning_content="hm"),
        event(reasoning="m"), event(content="yes"), END, usage, DONE, model="m",
        options={"temperature": 0},
    )  # fmt: skip

    *said, finish = pieces
    assert said == [Piece("reasoning", "hm"), Piece("reasoning", "m"), Piece("answer", "yes")]
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.tokens, finish.decode_tps) == ("stop", 7, 12.35)
    (asked,) = server.requests
    assert (asked["model"], asked["stream"], asked["temperature"]) == ("m", True, 0)


def test_odd_lines_cost_nothing(server: Server, tmp_path: Path) -> None:
    odd = b': comment\n\nevent: x\n\ndata:{"choices":null,"usage":null,"new":1}\n\n'

    pieces = talk(server, tmp_path, odd, b'data:{"choices":[{"delta":{"content":"a"}}]}\n\n', DONE)

    assert [type(piece).__name__ for piece in pieces] == ["Piece", "Finish"]


@pytest.mark.parametrize(
    "last",
    [
        b'data: {"error":{"message":"the engine died"}}\n\n',
        b'data: {"error":"the engine died"}\n\n',
        b"data: {half an ev",
        b"data: [1, 2]\n\n",
        b'data: {"choices":[1]}\n\n',
        b'data: {"choices":[{"delta":{"content":7}}]}\n\n',
        b"",
    ],
)
def test_a_stream_that_breaks_is_no_answer(server: Server, tmp_path: Path, last: bytes) -> None:
    with pytest.raises(ApplianceError) as broken:
        talk(server, tmp_path, event(content="yes"), last)
    assert broken.value.code == "STREAM-BROKEN"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error":{"message":"too long"}}', ApplianceError),
        (503, b'{"error":{"message":"no engine"}}', Unreachable),
        (500, b"<html>", ApplianceError),
    ],
)
def test_a_refusal_is_told_with_its_words(
    server: Server, tmp_path: Path, status: int, body: bytes, kind: type[ApplianceError]
) -> None:
    server.status = status
    with pytest.raises(kind) as refused:
        talk(server, tmp_path, body)
    assert str(status) in str(refused.value)


def test_nobody_there_is_unreachable_and_silence_times_out(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        list(stream_chat(tmp_path / "nobody.sock", [Message("user", "Hi")]))

    server.script = lambda write: time.sleep(5)
    with pytest.raises(TimedOut):
        list(stream_chat(tmp_path / "gateway.sock", [Message("user", "Hi")], timeout_s=0.2))


@pytest.mark.parametrize(
    ("tokens", "seconds", "speed"), [(11, 1.0, 10.0), (1, 1.0, None), (100, 0.01, None)]
)
def test_speed_is_told_only_where_it_can_be(tokens: int, seconds: float, speed: Any) -> None:
    assert decode_speed(tokens, seconds) == speed


def test_a_proof_is_what_was_said(server: Server, tmp_path: Path) -> None:
    server.script = saying(event(content=" Paris. "), END, DONE)

    proof = prove(tmp_path / "gateway.sock", "m")

    assert proof.answer == "Paris."
    assert proof.first_token_s >= 0


def test_thought_alone_proves_as_much(server: Server, tmp_path: Path) -> None:
    server.script = saying(event(reasoning="Well."), END, DONE)

    assert prove(tmp_path / "gateway.sock", "m").answer == "Well."


def test_saying_nothing_is_no_proof(server: Server, tmp_path: Path) -> None:
    server.script = saying(event(content=" \n"), END, DONE)

    with pytest.raises(ApplianceError) as refused:
        prove(tmp_path / "gateway.sock", "m")
    assert refused.value.code == "ENGINE-WRONG-ANSWER"


def endless(write: Write) -> None:
    while True:
        write(event(content="word "))
        time.sleep(0.01)


def test_a_long_answer_is_heard_for_a_while_only(server: Server, tmp_path: Path) -> None:
    server.script = endless

    proof = prove(tmp_path / "gateway.sock", "m", limit_s=0.3)

    assert proof.answer.startswith("word")
    assert proof.decode_tps


def test_a_cancel_ends_the_hearing(server: Server, tmp_path: Path) -> None:
    server.script, cancel = endless, Cancel()
    cancel.set()

    with pytest.raises(Interrupted):
        prove(tmp_path / "gateway.sock", "m", cancel=cancel)


def test_an_engine_is_asked_at_its_own_port(engine: Engine) -> None:
    engine.script = saying(event(content="Paris."), END, DONE)

    proof = prove(engine.server_address[1], "m")

    assert proof.answer == "Paris."
    assert [request["model"] for request in engine.requests] == ["m"]
