"""Talking to a served model: one stream of pieces, the reasoning told apart from the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from appliance.core.errors import ApplianceError, Unreachable
from appliance.core.i18n import say
from appliance.core.loopback import no_tls

_SHORTEST_S = 0.05
Role = Literal["system", "user", "assistant"]


class Message(msgspec.Struct, frozen=True):
    """A turn of the conversation. Reasoning never goes back to the model."""

    role: Role
    content: str


class Piece(msgspec.Struct, frozen=True):
    """A bit of the stream as it arrived."""

    kind: Literal["reasoning", "answer"]
    text: str


class Finish(msgspec.Struct, frozen=True):
    """The end of the stream. `decode_tps` is the engine's own figure where it tells one."""

    reason: str | None
    first_token_s: float
    tokens: int
    decode_tps: float | None


def stream_chat(
    socket: Path,
    messages: Sequence[Message],
    *,
    model: str | None = None,
    options: dict[str, Any] | None = None,
    timeout_s: float = 300.0,
) -> Generator[Piece | Finish, None, None]:
    """Ask through the gateway's local socket and yield pieces until the `Finish`.

    `options` goes into the request as it is (`temperature`, `max_tokens`, …). Closing the iterator
    ends the generation. Raises `Unreachable` when nothing answers, `ApplianceError` when the
    stream breaks.
    """
    import httpx

    body: dict[str, Any] = {
        "messages": [{"role": m.role, "content": m.content} for m in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        **(options or {}),
    }
    if model:
        body["model"] = model
    transport = httpx.HTTPTransport(uds=str(socket), verify=no_tls())
    try:
        with (
            httpx.Client(transport=transport, timeout=timeout_s, trust_env=False) as client,
            client.stream("POST", "http://gateway/v1/chat/completions", json=body) as response,
        ):
            if response.status_code != 200:
                response.read()
                raise _refused(response.status_code, response.text)
            yield from _pieces(response.iter_lines())
    except httpx.TransportError as error:
        raise Unreachable(
            say("the model does not answer: {error}", error=str(error) or type(error).__name__),
            hint=say("see `appliance status`"),
        ) from error


def _refused(status: int, text: str) -> ApplianceError:
    try:
        message = str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = text.strip()[:200]
    kind = Unreachable if status in (502, 503, 504) else ApplianceError
    return kind(
        say("the model refused: {message} (HTTP {status})", message=message, status=status),
        hint=say("see `appliance status` and `appliance logs`"),
    )


def _pieces(lines: Iterator[str]) -> Iterator[Piece | Finish]:
    started = time.monotonic()
    first: float | None = None
    last = started
    chunks = 0
    tokens: int | None = None
    told_tps: float | None = None
    reason: str | None = None
    for line in lines:
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        event = json.loads(line[6:])
        if "error" in event:
            raise ApplianceError(
                say("the answer broke off: {message}", message=_message_of(event["error"])),
                hint=say("see `appliance logs`; asking again is safe"),
                code="STREAM-BROKEN",
            )
        tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
        told_tps = (event.get("timings") or {}).get("predicted_per_second", told_tps)
        for choice in event.get("choices") or []:
            reason = choice.get("finish_reason") or reason
            for piece in _deltas(choice.get("delta") or {}):
                last = time.monotonic()
                first = first or last
                chunks += 1
                yield piece
    count = tokens if tokens is not None else chunks
    yield Finish(
        reason=reason,
        first_token_s=round((first or last) - started, 4),
        tokens=count,
        decode_tps=round(told_tps, 2) if told_tps else decode_speed(count, last - (first or last)),
    )


def decode_speed(tokens: int, seconds: float) -> float | None:
    """Tokens per second after the first; `None` where the pieces came too close to tell."""
    if tokens < 2 or seconds < _SHORTEST_S:
        return None
    return round((tokens - 1) / seconds, 2)


def _deltas(delta: dict[str, Any]) -> Iterator[Piece]:
    if text := delta.get("reasoning_content"):
        yield Piece("reasoning", text)
    if text := delta.get("content"):
        yield Piece("answer", text)


def _message_of(error: object) -> str:
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
