"""Long work of the daemon as the screens see it: one frozen state after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.i18n import _
from appliance.core.progress import Cancel, OnProgress
from appliance.core.pull import Progress
from appliance.core.tune import Trial
from appliance.node.wishes import UpOptions
from appliance.tui.words import tokens_per_second

_LAST = ("appliance.up/1", "appliance.pull/1", "appliance.tune/1")
LocalWork = Callable[[OnProgress, Cancel], str]
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
    paused: bool = False
    end: Callable[[], object] | None = None
    """Ends what runs in here and not in the daemon."""
    consent: UpOptions | None = None
    """What was asked for, to be asked again with the operator's yes to the processor."""
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
        handle = str(document.get("id", "")) or None
        return replace(state, handle=handle, paused=document.get("state") == "paused")
    if schema == "appliance.phase/1":
        return _phase(state, document)
    if schema == "appliance.progress/1":
        return replace(state, progress=msgspec.convert(document, Progress))
    if schema == "appliance.note/1":
        note = document.get("note") or {}
        return replace(state, notes=(*state.notes, (note.get("code", ""), note.get("text", ""))))
    if schema == "appliance.trial/1":
        return _trial(state, msgspec.convert(document, Trial))
    if schema in _LAST:
        return replace(state, result=document, progress=None)
    return state


def _trial(state: JobState, trial: Trial) -> JobState:
    settings = " ".join(f"{name}={value}" for name, value in trial.settings.items())
    if trial.fault:
        text = f"{settings}: {trial.fault}"
    else:
        text = _("{settings}: {speed} together, first word after {seconds:.1f} s").format(
            settings=settings,
            speed=tokens_per_second(trial.decode_tps_all),
            seconds=trial.first_token_s or 0.0,
        )
    return replace(state, phases=(*state.phases, (f"trial {len(state.phases)}", text, True)))


def _phase(state: JobState, document: dict[str, Any]) -> JobState:
    name = str(document.get("phase", ""))
    entry = (name, str(document.get("text", "")), bool(document.get("done")))
    others = tuple(phase for phase in state.phases if phase[0] != name)
    return replace(state, phases=(*others, entry), progress=None if entry[2] else state.progress)


def here(state: JobState, work: LocalWork, tell: Callable[[JobState], None]) -> None:
    """Run `work` in a thread of this program; it ends with the program, or at `JobState.end`."""
    cancel = Cancel()
    state = replace(state, end=cancel.set)

    def progressed(progress: Progress) -> None:
        tell(replace(state, progress=progress))

    def run() -> None:
        tell(state)
        try:
            text = work(progressed, cancel)
        except ApplianceError as error:
            tell(replace(state, error=error))
        else:
            tell(replace(state, result={"text": text}))

    threading.Thread(target=run, daemon=True).start()


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
