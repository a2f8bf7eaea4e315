"""Alive means answering.

`ready` asks the model a real one-token question. `answers` is the cheap look in between; it says
little on its own, because a busy engine may be slow to answer and a wedged one quick. `Pulse` holds
the two against the engine's progress: an engine is hung when it should be doing something and
nothing about it moves.
"""

from __future__ import annotations

import time

import msgspec

from appliance.core.documents import prepare
from appliance.core.loopback import LOOPBACK, no_tls
from appliance.supervisor.table import members_of


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the model answered, how long it took, and if not, why.

    `refused`: something came, but no answer; an engine that is still loading says so (503).
    """

    ok: bool
    seconds: float
    why: str | None = None
    refused: bool = False


def ready(port: int, model: str, *, timeout_s: float = 60.0) -> Readiness:
    """Ask the model for one token. Anything but a well-formed answer is a no with its reason."""
    import httpx

    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 1,
        "temperature": 0,
    }
    started, refused = time.monotonic(), False
    try:
        answer = httpx.post(
            f"http://{LOOPBACK}:{port}/v1/chat/completions",
            json=body,
            timeout=timeout_s,
            trust_env=False,
            verify=no_tls(),
        )
        why = _fault(answer.status_code, answer.content)
        refused = why is not None and answer.status_code != 503
    except httpx.TimeoutException:
        why = f"no answer within {timeout_s:g} s"
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
    seconds = time.monotonic() - started
    return Readiness(ok=why is None, seconds=seconds, why=why, refused=refused)


def answers(port: int, path: str = "/health", *, timeout_s: float = 2.0) -> bool:
    """Whether the engine's HTTP side says it is well."""
    import httpx

    try:
        url = f"http://{LOOPBACK}:{port}{path}"
        return httpx.get(url, timeout=timeout_s, trust_env=False, verify=no_tls()).is_success
    except httpx.HTTPError:
        return False


def cpu_ticks(pid: int) -> int | None:
    """Processor time that the engine's processes have used so far, in kernel ticks."""
    ticks = [entry.cpu_ticks for entry in members_of(pid) if entry.cpu_ticks is not None]
    return sum(ticks) if ticks else None


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """What could be seen of an engine at one moment. `None` is unknown.

    `progress` is any counter of work done (tokens, passes); `working` whether requests are in it.
    """

    answers: bool
    progress: int | None = None
    working: bool | None = None
    cpu_ticks: int | None = None


class Pulse:
    """Judges one engine from its signs over time.

    Nothing moves for `still_s`: hung. Only the processor moves (a driver may spin for ever, but a
    slow server may also be deep in one long prompt) for `spinning_s`: hung as well.
    """

    def __init__(self, *, still_s: float = 25.0, spinning_s: float = 900.0) -> None:
        self.still_s = still_s
        self.spinning_s = spinning_s
        self._before: Signs | None = None
        self._well = self._moved = time.monotonic()

    def hung(self, signs: Signs, now: float | None = None) -> bool:
        """Take the newest signs and judge; call it every few seconds."""
        now = time.monotonic() if now is None else now
        before, self._before = self._before, signs
        idle_and_well = signs.answers and not signs.working
        if before is None or idle_and_well or _advanced(before.progress, signs.progress):
            self._well = self._moved = now
        elif _advanced(before.cpu_ticks, signs.cpu_ticks):
            self._moved = now
        return now - self._moved >= self.still_s or now - self._well >= self.spinning_s


class Refusals:
    """Tells when an engine has refused to answer for too long: what it lacks does not come."""

    def __init__(self, *, patience_s: float) -> None:
        self.patience_s = patience_s
        self._since: float | None = None

    def too_long(self, readiness: Readiness, now: float | None = None) -> bool:
        """Take in how the newest question went."""
        now = time.monotonic() if now is None else now
        if not readiness.refused:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        return now - self._since >= self.patience_s


def _advanced(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


class _Answer(msgspec.Struct):
    choices: list[object]


prepare(_Answer)


def _fault(status: int, content: bytes) -> str | None:
    if status != 200:
        return f"HTTP {status}: {content[:200].decode(errors='replace').strip()}"
    try:
        answer = msgspec.json.decode(content, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "not an answer: " + content[:80].decode(errors="replace")
    return None if answer.choices else "an empty answer"
