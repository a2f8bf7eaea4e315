"""Reading a request: not more than we can hold, and not for ever."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from appliance.core.i18n import Text, say

REVOKED = "appliance.revoked"
"""Where the scope of a request keeps the `asyncio.Event` of its key being revoked."""
MAX_BODY_BYTES = 32 * 1024**2
_ARRIVE_S = 60.0


class BadRequest(Exception):
    """A request that cannot be answered, with the status that says why."""

    def __init__(self, status: int, code: str, message: Text) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


class Gone(Exception):
    """The client went away."""


class _Wanted(msgspec.Struct):
    """What the gateway reads of a request; everything else is between client and engine."""

    model: str | None = None


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body. Raises `BadRequest` (413, 408) and `Gone`."""
    if int(Headers(scope=scope).get("content-length", "0")) > MAX_BODY_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(_ARRIVE_S):
            return await _collect(receive)
    except TimeoutError:
        raise BadRequest(408, "body_stalled", say("the request did not arrive in time")) from None


def wanted_model(body: bytes) -> str | None:
    """The model that the request names. Raises `BadRequest` (400)."""
    try:
        return msgspec.json.decode(body, type=_Wanted).model
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = say("the body is not a request: {error}", error=error)
        raise BadRequest(400, "invalid_request", what) from error


async def _collect(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return bytes(body)


def _too_large() -> BadRequest:
    limit = MAX_BODY_BYTES // 1024**2
    return BadRequest(413, "body_too_large", say("a request may have {limit} MiB", limit=limit))
