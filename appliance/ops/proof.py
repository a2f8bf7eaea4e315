"""Proving that a model answers: a real question through the real endpoint."""

from __future__ import annotations

import time
from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.status import Proof
from appliance.ops.conversation import Finish, Message, Piece, decode_speed, stream_chat

PROMPT = "Which city is the capital of France? Answer in one short sentence."
_ENOUGH_TOKENS = 256


def prove(socket: Path, model: str, *, limit_s: float = 20.0) -> Proof:
    """Ask `model` and give back what it said and how fast.

    `limit_s` bounds the listening after the first piece: a reasoning model on a slow card may think
    for minutes, and what it thinks proves as much. Raises `ApplianceError` for an empty answer.
    """
    said: dict[str, str] = {"reasoning": "", "answer": ""}
    started = time.monotonic()
    first_s: float | None = None
    pieces = 0
    finish: Finish | None = None
    options = {"max_tokens": _ENOUGH_TOKENS, "temperature": 0.0}
    stream = stream_chat(socket, [Message("user", PROMPT)], model=model, options=options)
    for item in stream:
        if isinstance(item, Finish):
            finish = item
        elif isinstance(item, Piece):
            said[item.kind] += item.text
            pieces += 1
            first_s = first_s or time.monotonic() - started
        if first_s is not None and time.monotonic() - started - first_s > limit_s:
            stream.close()
            break
    answer = said["answer"].strip() or said["reasoning"].strip()
    if not answer or first_s is None:
        raise ApplianceError(
            say("{model} was asked and said nothing", model=model),
            hint=say("see `appliance logs {model}`", model=model),
            code="ENGINE-WRONG-ANSWER",
        )
    counted = decode_speed(pieces, time.monotonic() - started - first_s)
    return Proof(
        prompt=PROMPT,
        answer=answer,
        first_token_s=round(first_s, 3),
        decode_tps=finish.decode_tps if finish else counted,
    )
