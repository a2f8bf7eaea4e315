"""Asking one worker. All that the gateway knows of its HTTP client is in this file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp

_CONNECT_S = 2.0
_KEEP_S = 20.0


class NotReached(Exception):
    """No connection: the worker has not seen the request."""


class Lost(Exception):
    """The connection broke before the answer was whole."""


class Answer:
    """The head of a worker's answer, and its body as it arrives."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.content_type = response.headers.get("content-type", "application/json")
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
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise Lost(_reason(error)) from error

    def close(self) -> None:
        """Let go of the worker; one that is still writing sees a closed connection and stops."""
        self._response.close()


class Upstream:
    """Connections to the workers, kept open between requests."""

    def __init__(self) -> None:
        self._kept = _session(keep=True)
        self._fresh = _session(keep=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._kept.close()
        await self._fresh.close()

    async def ask(self, url: str, path: str, body: bytes, *, fresh: bool) -> Answer:
        """Send `body` to a worker; returns when a stream begins, or any other answer is whole.

        `fresh` asks for a new connection: an engine may close an idle one at the moment it is
        used again. Raises `NotReached` or `Lost`. An answer may take as long as it takes: the
        supervisor, not the gateway, judges a hung engine.
        """
        session = self._fresh if fresh else self._kept
        try:
            response = await session.post(
                url + path,
                data=body,
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotReached(_reason(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Lost(_reason(error)) from error
        answer = Answer(response)
        if not answer.is_stream:
            await answer.read()
        return answer


def _session(*, keep: bool) -> aiohttp.ClientSession:
    keeping: dict[str, Any] = {"keepalive_timeout": _KEEP_S} if keep else {"force_close": True}
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, **keeping),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept-Encoding", "User-Agent"),
    )


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
