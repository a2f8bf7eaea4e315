"""Long work of the daemon as the screens see it: one frozen state after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.i18n import _
from appliance.core.pull import Progress

Stream = Callable[[], Iterator[dict[str, Any]]]


@dataclass(frozen=True)
class JobState:
    """A job: its phases so far (name, text, done), where the file on its way is, how it ended."""

    id: str
    title: str
    phases: tuple[tuple[str, str, bool], ...] = ()
    progress: Progress | None = None
    handle: str | None = None
    """What the daemon calls it: with this it can be ended."""
    notes: tuple[tuple[str, str], ...] = ()
    result: dict[str, Any] | None = None
    error: ApplianceError | None = None

    @property
    def running(self) -> bool:
        """Neither ended nor failed."""
        return self.result is None and self.error is None


def advance(state: JobState, document: dict[str, Any]) -> JobState:
    """The state after one document of the stream; unknown ones change nothing."""
    schema = document.get("schema")
    if schema == "appliance.job/1":
        return replace(state, handle=str(document.get("id", "")) or None)
    if schema == "appliance.phase/1":
        return _phase(state, document)
    if schema == "appliance.progress/1":
        return replace(state, progress=msgspec.convert(document, Progress))
    if schema == "appliance.note/1":
        note = document.get("note") or {}
        return replace(state, notes=(*state.notes, (note.get("code", ""), note.get("text", ""))))
    if schema in ("appliance.up/1", "appliance.pull/1"):
        return replace(state, result=document, progress=None)
    return state


def _phase(state: JobState, document: dict[str, Any]) -> JobState:
    name = str(document.get("phase", ""))
    entry = (name, str(document.get("text", "")), bool(document.get("done")))
    others = tuple(phase for phase in state.phases if phase[0] != name)
    return replace(state, phases=(*others, entry), progress=None if entry[2] else state.progress)


def start(state: JobState, stream: Stream, tell: Callable[[JobState], None]) -> None:
    """Run `stream` in a thread that no exit waits for; `tell` gets every new state."""
    threading.Thread(target=_run, args=(state, stream, tell), daemon=True).start()


def _run(state: JobState, stream: Stream, tell: Callable[[JobState], None]) -> None:
    tell(state)
    try:
        for document in stream():
            state = advance(state, document)
            tell(state)
        if state.running:
            raise ApplianceError(_("the daemon ended without a result"))
    except (ApplianceError, msgspec.MsgspecError) as error:
        known = error if isinstance(error, ApplianceError) else ApplianceError(str(error))
        tell(replace(state, error=known))
