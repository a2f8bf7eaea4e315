"""An engine whose every answer is a step of a script, so that it can fail at a chosen moment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

EVENT = b'data: {"choices":[{"delta":{"content":"%d"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@dataclass
class Asked:
    """One request as the engine saw it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    connection: int
    writer: asyncio.StreamWriter = field(repr=False)

    async def send(self, data: bytes) -> None:
        """Write raw bytes of the answer."""
        self.writer.write(data)
        await self.writer.drain()

    async def chunk(self, data: bytes) -> None:
        """Write one chunk of a chunked answer."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def die(self) -> None:
        """Break the connection, as a killed process does."""
        self.writer.transport.abort()


Step = Callable[[Asked], Awaitable[None]]


async def document(asked: Asked) -> None:
    """A whole answer."""
    body = json.dumps({"choices": [{"message": {"content": "yes"}}]}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    await asked.send(head % len(body) + body)


async def stream(asked: Asked) -> None:
    """Three events and the end."""
    await asked.send(STREAM_HEAD)
    for number in range(3):
        await asked.chunk(EVENT % number)
    await asked.chunk(LAST)
    await asked.send(b"0\r\n\r\n")


async def dead(asked: Asked) -> None:
    """Nothing: the process was killed."""
    asked.die()


async def loading(asked: Asked) -> None:
    """What an engine says while it reads its model."""
    body = b'{"error":{"code":503,"message":"Loading model"}}'
    head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n"
    await asked.send(head % len(body) + body)


class ScriptedEngine:
    """Answers with the next step of the script; when it is used up, with `document` or `stream`."""

    def __init__(self, *script: Step) -> None:
        self.script = list(script)
        self.asked: list[Asked] = []
        self.hung_up = asyncio.Event()
        self.port = 0
        self._connections = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> ScriptedEngine:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after a `stop` at the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Die: no listener, and every connection broken."""
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        self._writers.add(writer)
        connection = self._connections
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value
                    for name, value in (line.split(": ", 1) for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                asked = Asked(head[0].split()[1], headers, json.loads(body), connection, writer)
                self.asked.append(asked)
                await self._next_step(asked)(asked)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.hung_up.set()
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    def _next_step(self, asked: Asked) -> Step:
        if self.script:
            return self.script.pop(0)
        return stream if asked.body.get("stream") else document
