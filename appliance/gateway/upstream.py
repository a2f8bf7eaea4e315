"""Asking one worker. All that the gateway knows of its HTTP client is in this file."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import httpx

_TIMEOUT = {"connect": 2.0, "read": None, "write": 30.0, "pool": None}
"""An answer may take as long as it takes: the supervisor, not the gateway, judges a hung engine."""
_NO_DELAY = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]


class NotReached(Exception):
    """No connection: the worker has not seen the request."""


class Lost(Exception):
    """The connection broke before the answer was whole."""


class Answer:
    """The head of a worker's answer, and its body as it arrives."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.content_type: str = response.headers.get("content-type", "application/json")
        self.body = b""
        """The whole body, unless it is a stream."""

    @property
    def is_stream(self) -> bool:
        """Whether the body is a stream of server-sent events."""
        return self.content_type.startswith("text/event-stream")

    async def read(self) -> None:
        """Wait for the whole body. Raises `Lost`."""
        self.body = b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        """A stream, piece by piece as the worker sends it. Raises `Lost`."""
        try:
            async for chunk in self._response.aiter_raw():
                yield chunk
        except httpx.TransportError as error:
            raise Lost(_reason(error)) from error

    async def close(self) -> None:
        """Let go of the worker; one that is still writing sees a closed connection and stops."""
        await self._response.aclose()


class Upstream:
    """Connections to the workers, kept open between requests."""

    def __init__(self) -> None:
        self._kept = _transport(keep=64)
        self._fresh = _transport(keep=0)

    async def close(self) -> None:
        """Close all connections."""
        await self._kept.aclose()
        await self._fresh.aclose()

    async def ask(self, url: str, path: str, body: bytes, *, fresh: bool) -> Answer:
        """Send `body` to a worker; returns when a stream begins, or any other answer is whole.

        `fresh` asks for a new connection: an engine may close an idle one at the moment it is
        used again. Raises `NotReached` or `Lost`.
        """
        request = httpx.Request(
            "POST",
            url + path,
            content=body,
            headers={"content-type": "application/json", "accept-encoding": "identity"},
            extensions={"timeout": _TIMEOUT},
        )
        transport = self._fresh if fresh else self._kept
        try:
            answer = Answer(await transport.handle_async_request(request))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotReached(_reason(error)) from error
        except httpx.TransportError as error:
            raise Lost(_reason(error)) from error
        if not answer.is_stream:
            try:
                await answer.read()
            finally:
                await answer.close()
        return answer


def _transport(*, keep: int) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=keep, keepalive_expiry=20)
    return httpx.AsyncHTTPTransport(
        limits=limits, trust_env=False, verify=False, socket_options=_NO_DELAY
    )


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
