"""One answer on its way to the client."""

from __future__ import annotations

from starlette.types import Send

from appliance.core.i18n import Text
from appliance.gateway.openai import error_body, error_event


class Reply:
    """Knows whether the answer has begun, so that a failure is told in the form that fits."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def begin(self, status: int, content_type: str, **headers: str) -> None:
        """Send the head."""
        self.status = status
        head = {"content-type": content_type, **headers}
        raw = [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in head.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def piece(self, data: bytes) -> None:
        """Send a part of a stream now."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last part."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def whole(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
        """Send an answer that is complete."""
        await self.begin(status, content_type, content_length=str(len(body)), **headers)
        await self.end(body)

    async def fail(self, status: int, code: str, message: Text, **headers: str) -> None:
        """An error document, or an error event where a stream has begun."""
        if self.status is not None:
            await self.end(error_event(code, message))
        else:
            body = error_body(status, code, message)
            await self.whole(status, "application/json", body, **headers)
