"""One answer on its way to the client."""

from __future__ import annotations

import time

from starlette.types import Send

from appliance.core.i18n import Text
from appliance.gateway.openai import error_body


class Reply:
    """Knows how far the answer is, so that what follows is told in the form that fits."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = time.monotonic()
        self.status: int | None = None
        self.waited_s: float | None = None
        """Seconds to the first part of the answer itself; head and comments are none."""

    @property
    def delivered(self) -> bool:
        """Whether the client has a part of the answer."""
        return self.waited_s is not None

    async def begin(self, status: int, content_type: str, **headers: str) -> None:
        """Send the head, unless it was sent."""
        if self.status is not None:
            return
        self.status = status
        head = {"content-type": content_type, **headers}
        raw = [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in head.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def lines(self, data: bytes) -> None:
        """Send whole lines of a stream now."""
        if not self.delivered and b"data:" in data:
            self.waited_s = time.monotonic() - self._started
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last part."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def whole(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
        """Send an answer that is complete: as a last event where a stream has begun.

        The empty line ends whatever came before it.
        """
        self.waited_s = time.monotonic() - self._started
        if self.status is not None:
            await self.end(b"\ndata: " + body + b"\n\n")
            return
        await self.begin(status, content_type, content_length=str(len(body)), **headers)
        await self.end(body)

    async def fail(self, status: int, code: str, message: Text, **headers: str) -> None:
        """Send an error in the form that clients of the OpenAI API expect."""
        await self.whole(status, "application/json", error_body(status, code, message), **headers)
