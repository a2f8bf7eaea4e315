"""Talking to a served model: one stream of pieces, the reasoning told apart from the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from appliance.core.errors import ApplianceError, TimedOut, Unreachable
from appliance.core.i18n import say
from appliance.core.loopback import LOOPBACK, no_tls

_SHORTEST_S = 0.05
Role = Literal["system", "user", "assistant"]


class Message(msgspec.Struct, frozen=True):
    """A turn of the conversation. Reasoning never goes back to the model."""

    role: Role
    content: str


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How a conversation is held. A `temperature` of `None` is the model's own."""

    system: str = ""
    temperature: float | None = None

    def opening(self) -> list[Message]:
        """What stands before the first question."""
        return [Message("system", self.system)] if self.system else []

    def options(self) -> dict[str, Any]:
        """What goes into the request."""
        return {} if self.temperature is None else {"temperature": self.temperature}


AS_IT_IS = Manner()


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


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None  # what some engines call it


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    completion_tokens: int | None = None


class _Timings(msgspec.Struct):
    predicted_per_second: float | None = None


class _Event(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    timings: _Timings | None = None
    error: Any = None


_DECODER = msgspec.json.Decoder(_Event)


def stream_chat(
    where: Path | int,
    messages: Sequence[Message],
    *,
    model: str | None = None,
    options: dict[str, Any] | None = None,
    timeout_s: float = 300.0,
) -> Generator[Piece | Finish, None, None]:
    """Ask through the gateway's local socket, or the engine at a port, and yield pieces until the
    `Finish`.

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
    uds = str(where) if isinstance(where, Path) else None
    url = "http://gateway" if uds else f"http://{LOOPBACK}:{where}"
    transport = httpx.HTTPTransport(uds=uds, verify=no_tls())
    try:
        with (
            httpx.Client(transport=transport, timeout=timeout_s, trust_env=False) as client,
            client.stream("POST", f"{url}/v1/chat/completions", json=body) as response,
        ):
            if response.status_code != 200:
                response.read()
                raise _refused(response.status_code, response.text)
            yield from _pieces(response.iter_lines())
    except httpx.ReadTimeout as error:
        raise TimedOut(
            say("the model said nothing for {seconds:g} seconds", seconds=timeout_s),
            hint=say("see `appliance status` and `appliance logs`"),
        ) from error
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
    clock = _Clock()
    reason: str | None = None
    tokens: int | None = None
    tps: float | None = None
    whole = False
    for data in _events(lines):
        if data == "[DONE]":
            whole = True
            continue
        event = _event(data)
        tokens = event.usage.completion_tokens if event.usage else tokens
        tps = event.timings.predicted_per_second if event.timings else tps
        for choice in event.choices or []:
            reason = choice.finish_reason or reason
            for piece in _deltas(choice.delta):
                clock.tick()
                yield piece
    if not whole and reason is None:
        raise _broken(say("it ended before its end"))
    yield clock.finish(reason, tokens, tps)


def _events(lines: Iterator[str]) -> Iterator[str]:
    """The data of server-sent events, one line each as OpenAI's API sends them."""
    for line in lines:
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()


def _event(data: str) -> _Event:
    try:
        event = _DECODER.decode(data)
    except msgspec.MsgspecError as error:
        raise _broken(say("not an event: {data}", data=data[:100])) from error
    if event.error is not None:
        raise _broken(_message_of(event.error))
    return event


def _broken(message: object) -> ApplianceError:
    return ApplianceError(
        say("the answer broke off: {message}", message=message),
        hint=say("see `appliance logs`; asking again is safe"),
        code="STREAM-BROKEN",
    )


class _Clock:
    """When the pieces came."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._first: float | None = None
        self._last = self._started
        self._pieces = 0

    def tick(self) -> None:
        """A piece came."""
        self._last = time.monotonic()
        self._first = self._first or self._last
        self._pieces += 1

    def finish(self, reason: str | None, tokens: int | None, tps: float | None) -> Finish:
        first = self._first or self._last
        count = tokens if tokens is not None else self._pieces
        return Finish(
            reason=reason,
            first_token_s=round(first - self._started, 4),
            tokens=count,
            decode_tps=round(tps, 2) if tps else decode_speed(count, self._last - first),
        )


def decode_speed(tokens: int, seconds: float) -> float | None:
    """Tokens per second after the first; `None` where the pieces came too close to tell."""
    if tokens < 2 or seconds < _SHORTEST_S:
        return None
    return round((tokens - 1) / seconds, 2)


def _deltas(delta: _Delta | None) -> Iterator[Piece]:
    if delta and (thought := delta.reasoning_content or delta.reasoning):
        yield Piece("reasoning", thought)
    if delta and delta.content:
        yield Piece("answer", delta.content)


def _message_of(error: object) -> str:
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
