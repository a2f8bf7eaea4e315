"""Long work, told line by line: phases, notes, and of a file every twentieth part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from appliance.core.i18n import _
from appliance.tui.basic_lines import Lines
from appliance.tui.jobs import JobState, advance
from appliance.tui.words import duration, size


def follow(lines: Lines, state: JobState, documents: Iterator[dict[str, Any]]) -> JobState:
    """The last state of the job; raises what ended it early."""
    for document in documents:
        before, state = state, advance(state, document)
        _tell(lines, before, state)
    return state


def _tell(lines: Lines, before: JobState, now: JobState) -> None:
    for _name, text, done in now.phases:
        if not done and text not in [known for _known, known, _done in before.phases]:
            lines.tell(text)
    for code, text in now.notes[len(before.notes) :]:
        lines.tell(f"{code}: {text}")
    progress, old = now.progress, before.progress
    if progress and progress.waiting and progress.waiting != (old and old.waiting):
        lines.tell(_("waiting: {why}").format(why=progress.waiting))
    if progress is None or not progress.total:
        return
    part = (progress.done or 0) * 20 // progress.total
    if old is None or (old.done or 0) * 20 // progress.total != part:
        left = "" if progress.eta_s is None else f", {duration(progress.eta_s)}"
        amount = f"{size(progress.done)} / {size(progress.total)}"
        lines.tell(f"  {amount}, {size(progress.bps)}/s{left}")
