"""Proving that a model answers: a real question through the real endpoint."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.progress import Cancel
from appliance.core.status import Proof
from appliance.ops.conversation import Finish, Message, Piece, decode_speed, stream_chat

PROMPT = "Which city is the capital of France? Answer in one short sentence."
_ENOUGH_TOKENS = 256


def prove(
    where: Path | int, model: str, *, limit_s: float = 20.0, cancel: Cancel | None = None
) -> Proof:
    """Ask `model` at the gateway's socket, or at an engine's port; what it said, and how fast.

    `limit_s` bounds the listening after the first piece: a reasoning model on a slow card may think
    for minutes, and what it thinks proves as much. Raises `ApplianceError` for an empty answer.
    """
    hearing = _Hearing()
    options = {"max_tokens": _ENOUGH_TOKENS, "temperature": 0.0}
    stream = stream_chat(where, [Message("user", PROMPT)], model=model, options=options)
    with closing(stream):
        for item in stream:
            if cancel:
                cancel.check()
            hearing.take(item)
            if hearing.listened_s > limit_s:
                break
    return hearing.proof(model)


class _Hearing:
    """What was said so far, and when."""

    def __init__(self) -> None:
        self._said = {"reasoning": "", "answer": ""}
        self._pieces = 0
        self._started = time.monotonic()
        self._first: float | None = None
        self._finish: Finish | None = None

    @property
    def listened_s(self) -> float:
        """Seconds since the first piece."""
        return 0.0 if self._first is None else time.monotonic() - self._first

    def take(self, item: Piece | Finish) -> None:
        if isinstance(item, Finish):
            self._finish = item
            return
        self._said[item.kind] += item.text
        self._pieces += 1
        self._first = self._first or time.monotonic()

    def proof(self, model: str) -> Proof:
        answer = self._said["answer"].strip() or self._said["reasoning"].strip()
        if not answer or self._first is None:
            raise ApplianceError(
                say("{model} was asked and said nothing", model=model),
                hint=say("see `appliance logs {model}`", model=model),
                code="ENGINE-WRONG-ANSWER",
            )
        counted = decode_speed(self._pieces, self.listened_s)
        return Proof(
            prompt=PROMPT,
            answer=answer,
            first_token_s=round(self._first - self._started, 3),
            decode_tps=self._finish.decode_tps if self._finish else counted,
        )
