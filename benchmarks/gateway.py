"""What the gateway costs: added latency, requests per second, memory.

    python benchmarks/gateway.py

A worker that answers at once, the gateway and the clients share this machine. Every figure is
taken directly at the worker and through the gateway's port, over kept connections, with a prompt
of 1.2 kB.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.gateway.keys import KeyStore
from appliance.gateway.process import KEYS_FILE, gateway_argv, running
from appliance.gateway.routes import ModelRoute, RouteTable, Worker, write_routes

MODEL = "bench"
ONE_BY_ONE = 1000
CLIENTS = 32
AT_ONCE = 3000
EVENTS = 20


async def worker() -> None:
    """Answer every request at once: a stream of a few events, or one small document."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    event = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'
    stream = event * EVENTS + b"data: [DONE]\n\n"
    while head := await _head(reader):
        body = await reader.readexactly(_length(head))
        wants_stream = json.loads(body).get("stream")
        kind, content = (
            (b"text/event-stream", stream) if wants_stream else (b"application/json", b"{}")
        )
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (kind, len(content), content)
        )


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _length(head: bytes) -> int:
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    return int(fields.get(b"content-length", b"0"))


class Client:
    """One kept connection; measures to the first byte of the body."""

    def __init__(self, port: int, key: str, *, stream: bool) -> None:
        body = json.dumps({"model": MODEL, "stream": stream, "prompt": "x" * 1200}).encode()
        self._port = port
        self._request = (
            b"POST /v1/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
            % (key.encode(), len(body), body)
        )

    async def connect(self) -> None:
        """Open the connection."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self) -> float:
        """Seconds to the first byte of the body; reads the whole answer."""
        started = time.perf_counter()
        self._writer.write(self._request)
        head = await _head(self._reader)
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise SystemExit(f"refused: {head!r}")
        first = await self._reader.readexactly(1)
        seconds = time.perf_counter() - started
        await self._rest(head, first)
        return seconds

    async def _rest(self, head: bytes, first: bytes) -> None:
        if length := _length(head):
            await self._reader.readexactly(length - 1)
            return
        line = first + await self._reader.readuntil(b"\r\n")
        while size := int(line, 16):
            await self._reader.readexactly(size + 2)
            line = await self._reader.readuntil(b"\r\n")
        await self._reader.readexactly(2)


async def measure(port: int, key: str, *, stream: bool) -> tuple[float, float, float]:
    """p50 and p99 in ms one by one, and requests per second at `CLIENTS` at once."""
    client = Client(port, key, stream=stream)
    await client.connect()
    for _ in range(50):
        await client.ask()
    ordered = sorted([await client.ask() for _ in range(ONE_BY_ONE)])
    clients = [Client(port, key, stream=stream) for _ in range(CLIENTS)]
    for each in clients:
        await each.connect()
    started = time.perf_counter()
    await asyncio.gather(*(_many(each, AT_ONCE // CLIENTS) for each in clients))
    rate = AT_ONCE / (time.perf_counter() - started)
    return statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.99)] * 1000, rate


async def _many(client: Client, times: int) -> None:
    for _ in range(times):
        await client.ask()


@contextmanager
def started(argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process for as long as it is needed."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def _ready_port(state: Path) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if gateway := running(state):
            return gateway.port
        time.sleep(0.02)
    raise SystemExit("the gateway did not start")


def _rss_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        with (
            started([sys.executable, __file__, "worker"]) as engine,
            started(gateway_argv(state, 0)) as gateway,
        ):
            assert engine.stdout is not None
            engine_port = int(engine.stdout.readline())
            route = Worker(id="w", url=f"http://127.0.0.1:{engine_port}")
            write_routes(state, RouteTable(models=[ModelRoute(id=MODEL, workers=[route])]))
            keys = KeyStore(state / KEYS_FILE)
            key = keys.add("bench").key
            keys.close()
            port = _ready_port(state)
            print(f"gateway RSS at rest: {_rss_mib(gateway.pid):.0f} MiB")
            for stream in (False, True):
                for what, at in (("worker", engine_port), ("gateway", port)):
                    p50, p99, rate = asyncio.run(measure(at, key, stream=stream))
                    kind = "stream" if stream else "document"
                    print(f"{kind:8} {what:8} p50 {p50:.2f} ms  p99 {p99:.2f} ms  {rate:,.0f}/s")
            print(f"gateway RSS after:   {_rss_mib(gateway.pid):.0f} MiB")


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        asyncio.run(worker())
    else:
        main()
