"""People at a model: many who ask at once, for as long as it takes to tell how fast it is."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from contextlib import closing
from pathlib import Path

import msgspec

from appliance.core.errors import ApplianceError, TimedOut
from appliance.core.i18n import say
from appliance.core.progress import Cancel
from appliance.ops.conversation import Message, Piece, stream_chat

_LONGEST_WAIT_S = 60.0
_ANSWER_TOKENS = 256
_TOPIC = (
    "A ward of thirty beds changes its shift at six in the morning, at two in the afternoon and at "
    "ten in the evening. Whoever leaves tells whoever comes what happened to each patient, which "
    "medicines were given and when, and what the doctors asked to watch. "
)
_number = itertools.count()


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a crowd of `users` got: tokens/s in all, and the median wait for the first token."""

    users: int
    tokens_per_s: float
    first_token_s: float


def listen(socket: Path, model: str, *, users: int, window_s: float, cancel: Cancel) -> Heard:
    """Let `users` ask at once and again until `window_s` is over.

    Whoever still waits for a first token is waited for. Raises what the first of them met with,
    `TimedOut` after a minute without a word, `Interrupted` when `cancel` is set.
    """
    began = time.monotonic()
    people = [_Person(socket, model, began + window_s, cancel) for _ in range(users)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    cancel.check()
    for person in people:
        if person.fault:
            raise person.fault
    return Heard(
        users=users,
        tokens_per_s=sum(p.tokens for p in people) / (time.monotonic() - began),
        first_token_s=statistics.median(wait for p in people for wait in p.waits),
    )


class _Person(threading.Thread):
    """Asks, listens, asks again. No two questions begin alike: a cached prompt tells nothing."""

    def __init__(self, socket: Path, model: str, until: float, cancel: Cancel) -> None:
        super().__init__(daemon=True)
        self._socket, self._model = socket, model
        self._until, self._cancel = until, cancel
        self.tokens = 0
        self.waits: list[float] = []
        self.fault: ApplianceError | None = None

    def run(self) -> None:
        try:
            while not self.waits or time.monotonic() < self._until:
                self._ask()
        except ApplianceError as error:
            self.fault = error

    def _ask(self) -> None:
        question = f"{next(_number)} {time.time_ns()}. {_TOPIC * 3} Write a long story of it."
        began, heard = time.monotonic(), False
        options = {"max_tokens": _ANSWER_TOKENS, "ignore_eos": True, "temperature": 0.0}
        stream = stream_chat(
            self._socket,
            [Message("user", question)],
            model=self._model,
            options=options,
            timeout_s=_LONGEST_WAIT_S,
        )
        with closing(stream):
            for item in stream:
                if isinstance(item, Piece):
                    self.tokens += 1
                    if not heard:
                        heard = True
                        self.waits.append(time.monotonic() - began)
                if self._cancel.is_set() or (heard and time.monotonic() >= self._until):
                    return
        if not heard:
            raise TimedOut(
                say("{model} said nothing", model=self._model),
                hint=say("see `appliance logs {model}`", model=self._model),
            )
