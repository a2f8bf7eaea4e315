"""What a long job tells while it runs; the last thing it tells is its own document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from appliance.core.inventory import Document
from appliance.core.pull import Progress
from appliance.core.status import Note

PhaseName = Literal["detect", "plan", "fetch", "build", "load", "prove"]


class Phase(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.phase/1"):
    """A phase of `up` begins (`done=False`) or has ended, with one line for people."""

    phase: PhaseName
    done: bool
    text: str


class Notice(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.note/1"):
    """A note as soon as it is known."""

    note: Note


JobEvent = Phase | Notice | Progress
Emit = Callable[[JobEvent], None]
