"""A gateway as a process of its own, and a client with a key."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from appliance.gateway.keys import KeyStore, Role
from appliance.gateway.process import KEYS_FILE, GatewayState, gateway_argv, running
from appliance.gateway.routes import ModelRoute, RouteTable, Worker, write_routes

MODEL = "deepseek-test"
CHAT = "/v1/chat/completions"
DEADLINE_S = 20.0


class RunningGateway:
    """One process that serves `state`."""

    def __init__(self, state: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.state = state
        self.process = process
        self.log = log
        self.keys = KeyStore(state / KEYS_FILE)
        self.port = wait_ready(state).port
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Close what the test itself holds open."""
        self.keys.close()

    def client(self, role: Role | None = "user") -> httpx.AsyncClient:
        """A client that comes with a new key of `role`, or without one."""
        headers = {"Authorization": f"Bearer {self.keys.add('test', role).key}"} if role else {}
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=DEADLINE_S, trust_env=False
        )

    def operator(self) -> httpx.AsyncClient:
        """A client on the Unix socket."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.state / "gateway.sock"))
        return httpx.AsyncClient(
            base_url="http://gateway", transport=transport, timeout=DEADLINE_S, trust_env=False
        )

    def route(self, *urls: str) -> None:
        """Let these workers answer for the test's model."""
        workers = [Worker(id=f"w{number}", url=url) for number, url in enumerate(urls)]
        model = ModelRoute(id=MODEL, aliases=["deepseek"], workers=workers)
        write_routes(self.state, RouteTable(models=[model]))


def wait_ready(state: Path) -> GatewayState:
    """The gateway that came up for `state`."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if gateway := running(state):
            return gateway
        time.sleep(0.01)
    raise AssertionError("the gateway did not come up")


@contextmanager
def run_gateway(state: Path, port: int = 0) -> Iterator[RunningGateway]:
    """A gateway for as long as the block runs."""
    state.mkdir(parents=True, exist_ok=True)
    log = state / "gateway.log"
    with log.open("ab") as output:
        process = subprocess.Popen(gateway_argv(state, port), stderr=output)
    try:
        with closing(RunningGateway(state, process, log)) as gateway:
            yield gateway
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def ask(**options: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], **options}


def events(text: str) -> list[Any]:
    """The events of a stream, the end mark as a text. Fails on an event that is not whole."""
    payloads = [line.removeprefix("data: ") for line in text.splitlines() if line]
    return [p if p == "[DONE]" else json.loads(p) for p in payloads]


async def until(condition: Any) -> None:
    """Wait for `condition()`, at most `DEADLINE_S`."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)
