"""Serving: two listeners, one set of endpoints, and an end that clients can understand."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from appliance import __version__
from appliance.gateway.app import Gateway
from appliance.gateway.keys import KeyStore
from appliance.gateway.listeners import loopback, operators_socket
from appliance.gateway.process import KEYS_FILE, SOCKET_FILE, announce, take_over
from appliance.gateway.routes import Routes

_DRAIN_S = 0.4
_HEADER_BYTES = 32 * 1024
_KEEP_ALIVE_S = 75
_MOST_CONNECTIONS = 2000


def serve(state: Path, port: int) -> None:
    """Serve `state` until SIGTERM or SIGINT. Raises `ApplianceError` when it cannot start."""
    take_over(state)
    _allow_descriptors()
    keys = KeyStore(state / KEYS_FILE)
    tcp = loopback(port)
    unix = operators_socket(state / SOCKET_FILE)
    asyncio.run(_serve(state, keys, tcp, unix))


def _allow_descriptors() -> None:
    """Each request needs two, and the usual soft limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * _MOST_CONNECTIONS
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def _serve(state: Path, keys: KeyStore, tcp: socket.socket, unix: socket.socket) -> None:
    gateway = Gateway(Routes(state), keys)
    servers = [_server(gateway.guarded), _server(gateway.open)]
    port = tcp.getsockname()[1]
    serving = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, listener in zip(servers, (tcp, unix), strict=True)
    ]
    stop = asyncio.create_task(_stop_event().wait())
    announce(state, port, __version__)
    await asyncio.wait([stop, *serving], return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    await asyncio.wait(serving, timeout=_DRAIN_S)
    gateway.stop()
    await asyncio.gather(*serving)
    await gateway.close()


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


class _Server(uvicorn.Server):
    """A server that leaves signals to us: there are two of them in the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: ASGIApp) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
            limit_concurrency=_MOST_CONNECTIONS,
            h11_max_incomplete_event_size=_HEADER_BYTES,
        )
    )
