"""What killed an engine, read from the end of its log and from how it ended, with the fix."""

from __future__ import annotations

import re
import signal
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from appliance.core.i18n import Text, say

_LINES = 200


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is stable and English; `what` and `hint` are for people; `line` is the evidence.

    `detail` is the thing it happened to (a library, an architecture), where the log names it.
    """

    code: str
    what: Text
    hint: Text
    detail: str | None = None
    line: str | None = None

    def __str__(self) -> str:
        return f"{self.what}: {self.detail}" if self.detail else str(self.what)


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
        for line in reversed(log_tail[-_LINES:]):
            if match := pattern.search(line):
                return _diagnosis(code, match.groupdict().get("detail"), line)
    if memory_killed:
        return _diagnosis("MEMORY-KILLED")
    return _from_signal(_signal_of(exit_status), memory_killed)


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
        return _diagnosis("ENGINE-KILLED" if memory_killed is False else "MEMORY-KILLED")
    code = _CODES.get(signal.Signals(number)) if number else None
    return _diagnosis(code) if code else None


def _signal_of(exit_status: int | None) -> int | None:
    """A shell or a container tells a signal as 128 and its number."""
    number = (
        -exit_status if exit_status is not None and exit_status < 0 else (exit_status or 0) - 128
    )
    return number if number in set(signal.Signals) else None


def _diagnosis(code: str, detail: str | None = None, line: str | None = None) -> Diagnosis:
    what, hint = _texts()[code]
    return Diagnosis(
        code=code,
        what=what,
        hint=hint,
        detail=detail.strip()[:200] if detail else None,
        line=line.strip() if line else None,
    )


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    patterns: list[str]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    diagnosis: list[_Entry]


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    text = files("appliance.supervisor").joinpath("diagnosis.toml").read_text(encoding="utf-8")
    table = msgspec.convert(tomllib.loads(text), _File)
    return tuple(_compiled(table.diagnosis))


def _compiled(entries: Sequence[_Entry]) -> Iterator[tuple[str, re.Pattern[str]]]:
    for entry in entries:
        for pattern in entry.patterns:
            yield entry.code, re.compile(pattern, re.IGNORECASE)


@cache
def _texts() -> dict[str, tuple[Text, Text]]:
    return {
        "MODEL-MISSING": (
            say("the model file is not there"),
            say("fetch it again with `appliance models pull`"),
        ),
        "MODEL-NOT-READABLE": (
            say("the engine may not read the model file"),
            say("give the appliance's user the right to read it"),
        ),
        "PORT-TAKEN": (
            say("another program listens at the engine's port"),
            say("nothing to do: the engine is started again at another port"),
        ),
        "ARCHITECTURE-UNKNOWN": (
            say("this engine does not know the model's architecture"),
            say("choose another engine or a newer build (`appliance engines list`)"),
        ),
        "DRIVER-MISMATCH": (
            say("the card's driver and the engine's libraries do not go together"),
            say("install the driver version that `appliance engines show` names, then reboot"),
        ),
        "LIBRARY-MISSING": (
            say("a library that the engine needs is not installed"),
            say("install the card's software development kit, or use the container recipe"),
        ),
        "CARD-UNREACHABLE": (
            say("the engine cannot use the card"),
            say("run `appliance check`; the kernel log (`dmesg -T`) may name the fault"),
        ),
        "CARD-MEMORY": (
            say("the card has not enough free memory for this plan"),
            say("free the card, or plan with fewer users or a shorter context"),
        ),
        "HOST-MEMORY": (
            say("the server has not enough free memory for this plan"),
            say("stop other programs, or plan with fewer users or a shorter context"),
        ),
        "MEMORY-KILLED": (
            say("the engine was killed, most likely because the server ran out of memory"),
            say("look for 'Out of memory' in `dmesg -T`; plan with fewer users or less context"),
        ),
        "ENGINE-KILLED": (
            say("somebody or something killed the engine"),
            say("nothing to do: it is started again"),
        ),
        "MODEL-CORRUPT": (
            say("the model file is damaged"),
            say("check it with `appliance models verify`, then pull it again"),
        ),
        "MODEL-CUT-SHORT": (
            say("the model file became shorter while the engine was reading it, or its disk fails"),
            say("check it with `appliance models verify`, and the disk with `appliance check`"),
        ),
        "OPERATOR-UNSUPPORTED": (
            say("this card or this engine cannot compute a step of the model"),
            say("choose another engine or quantization (`appliance plan`)"),
        ),
        "PROCESSOR-UNSUPPORTED": (
            say("the engine was built for a newer processor than this one"),
            say("build it here: `appliance engines build llama.cpp --backend cpu`"),
        ),
        "SETTING-REFUSED": (
            say("the engine refused a setting"),
            say("compare `appliance engines show` with the engine's version"),
        ),
        "ENGINE-CRASHED": (
            say("the engine crashed"),
            say("if it happens again, run `appliance support-bundle` and `appliance check`"),
        ),
    }
