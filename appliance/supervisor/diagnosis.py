"""What killed an engine, read from the end of its log and from how it ended, with the fix."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec

from appliance.core.i18n import Text, say

Again = Literal["soon", "slowly", "changed"]
WayOut = Literal["smaller", "other"]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is stable and English; `what` and `hint` are for people; `line` is the evidence.

    `detail` is the thing it happened to (a library, an architecture), where the log names it.
    `again` is what the fourth identical try is worth, `way_out` the kind of plan that could help
    (both are explained in diagnosis.toml).
    """

    code: str
    what: Text
    hint: Text
    again: Again
    way_out: WayOut | None = None
    detail: str | None = None
    line: str | None = None

    @property
    def text(self) -> Text:
        """The cause with what it happened to."""
        if self.detail is None:
            return self.what
        return say("{what}: {detail}", what=self.what, detail=self.detail)

    def __str__(self) -> str:
        return str(self.text)


def diagnose(
    log_tail: Sequence[str],
    exit_status: int | None = None,
    *,
    memory_killed: bool | None = None,
) -> Diagnosis | None:
    """The cause, or `None` when nothing known is to be seen.

    `exit_status` as `waitpid` tells it: a signal is a negative number, `None` is unknown.
    `memory_killed` is whether the kernel's `oom_kills` went up while the engine ran.
    """
    for code, pattern in _patterns():
        for line in reversed(log_tail):
            if match := pattern.search(line):
                return known(code, match.groupdict().get("detail"), line)
    if memory_killed:
        return known("MEMORY-KILLED")
    return _from_signal(_signal_of(exit_status), memory_killed)


def way_out_of(code: str) -> WayOut | None:
    """The kind of plan that could help against a cause; `None` also for a code that is none."""
    entry = _entries().get(code)
    return entry.way_out if entry else None


def way_of_death(diagnosis: Diagnosis | None, exit_status: int | None) -> str:
    """How it died, in a word that is the same for the same way: for `Backoff.died`."""
    if diagnosis is not None:
        return diagnosis.code
    return "unknown" if exit_status is None else f"exit {exit_status}"


def oom_kills(vmstat: Path = Path("/proc/vmstat")) -> int | None:
    """Processes that the kernel killed for lack of memory since boot, containers included."""
    try:
        lines = vmstat.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


_CODES = {
    signal.SIGILL: "PROCESSOR-UNSUPPORTED",
    signal.SIGBUS: "MODEL-CUT-SHORT",
    signal.SIGSEGV: "ENGINE-CRASHED",
    signal.SIGABRT: "ENGINE-CRASHED",
    signal.SIGFPE: "ENGINE-CRASHED",
}


def _from_signal(number: int | None, memory_killed: bool | None) -> Diagnosis | None:
    if number == signal.SIGKILL:
        return known("ENGINE-KILLED" if memory_killed is False else "MEMORY-KILLED")
    code = _CODES.get(signal.Signals(number)) if number else None
    return known(code) if code else None


def _signal_of(exit_status: int | None) -> int | None:
    """A shell or a container tells a signal as 128 and its number."""
    number = (
        -exit_status if exit_status is not None and exit_status < 0 else (exit_status or 0) - 128
    )
    return number if number in set(signal.Signals) else None


def known(code: str, detail: str | None = None, line: str | None = None) -> Diagnosis:
    """The diagnosis with this code, with what is special about this case."""
    entry = _entries()[code]
    return Diagnosis(
        code=code,
        what=Text(entry.what),
        hint=Text(entry.hint),
        again=entry.again,
        way_out=entry.way_out,
        detail=detail.strip()[:200] if detail else None,
        line=line.strip() if line else None,
    )


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    what: str
    hint: str
    again: Again
    way_out: WayOut | None = None
    patterns: list[str] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    diagnosis: list[_Entry]


@cache
def _entries() -> dict[str, _Entry]:
    text = files("appliance.supervisor").joinpath("diagnosis.toml").read_bytes()
    return {entry.code: entry for entry in msgspec.toml.decode(text, type=_File).diagnosis}


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (entry.code, re.compile(pattern, re.IGNORECASE))
        for entry in _entries().values()
        for pattern in entry.patterns
    )
