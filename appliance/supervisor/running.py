"""Engines that run, whoever keeps them: asked, ended and found again in one way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

from appliance.supervisor import containers, process, units
from appliance.supervisor.identity import Identity, Keeping, Mark, Marked, Seen

__all__ = ["Identity", "Mark", "Marked", "Seen"]


class Startable(containers.Contained, Protocol):
    """What any way of running an engine needs of its command."""

    @property
    def kind(self) -> Literal["process", "container"]:
        """Whether it runs in a container."""


class _Way(Protocol):
    """One way of running an engine; each is a module of this room."""

    def start(self, command: Startable, log_path: Path, mark: Mark) -> Identity: ...

    def attend(self, identity: Identity, log_path: Path) -> None: ...

    def alive(self, identity: Identity) -> bool: ...

    def exit_status(self, identity: Identity) -> int | None: ...

    def memory_killed(self, identity: Identity) -> bool | None: ...

    def seen(self, identity: Identity) -> Seen | None: ...

    def stop(self, identity: Identity, *, grace_s: float) -> int | None: ...

    def marked(self, state: Path) -> list[Marked]: ...


_WAYS: Mapping[Keeping, _Way] = {"process": process, "unit": units, "container": containers}


def start(command: Startable, log_path: Path, mark: Mark) -> Identity:
    """Start an engine that outlives us, its output appended to `log_path`.

    Raises `ApplianceError` (`ENGINE-MISSING`, `ENGINE-NOT-STARTED`, `IMAGE-MISSING`,
    `NO-CONTAINER-ENGINE`) or `NeedsRights`, with what to do.
    """
    return _WAYS[_keeping(command)].start(command, log_path, mark)


def attend(identity: Identity, log_path: Path) -> None:
    """Take on an engine that an earlier daemon started: what it says goes on to `log_path`."""
    _WAYS[identity.kept_as].attend(identity, log_path)


def alive(identity: Identity) -> bool:
    """Whether this very engine still runs."""
    return _WAYS[identity.kept_as].alive(identity)


def exit_status(identity: Identity) -> int | None:
    """How it ended, a signal as a negative number (or 128 and its number); `None` is unknown."""
    return _WAYS[identity.kept_as].exit_status(identity)


def memory_killed(identity: Identity) -> bool | None:
    """Whether it was killed for lack of memory, as far as its keeper tells."""
    return _WAYS[identity.kept_as].memory_killed(identity)


def seen(identity: Identity) -> Seen | None:
    """What a running engine was really started with; `None` when it is gone."""
    return _WAYS[identity.kept_as].seen(identity)


def stop(identity: Identity, *, grace_s: float = 10.0) -> int | None:
    """End the engine and all it started, dead ones' remains too: ask, wait `grace_s`, insist.

    Returns the exit status where it is known. Stopping what is already gone is fine. Raises
    `ApplianceError` (`ENGINE-UNKILLABLE`) when it cannot be ended.
    """
    return _WAYS[identity.kept_as].stop(identity, grace_s=grace_s)


def end_strays(mark: Mark) -> None:
    """End what an engine that is gone left behind in sessions of its own.

    Units and containers leave nothing. Raises `ApplianceError` (`ENGINE-UNKILLABLE`).
    """
    process.end_strays(mark)


def marked(state: Path) -> list[Marked]:
    """Everything that bears the mark of the appliance at `state`, each engine once."""
    found = [one for way in _WAYS.values() if way is not process for one in way.marked(state)]
    kept = {one.identity.pid for one in found}
    return found + [one for one in process.marked(state) if one.identity.pid not in kept]


def _keeping(command: Startable) -> Keeping:
    if command.kind == "container":
        return "container"
    return "unit" if units.available() else "process"
