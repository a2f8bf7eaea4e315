"""How long-running work tells the outside where it is."""

from __future__ import annotations

import threading
from collections.abc import Callable

from appliance.core.errors import Interrupted
from appliance.core.i18n import say
from appliance.core.pull import Progress

OnProgress = Callable[[Progress], None]


class Cancel:
    """A flag that long work looks at; safe to set from a signal handler or another thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the work to stop at its next safe point."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but not past a cancel; returns whether it was asked for."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise `Interrupted` when somebody asked."""
        if self.is_set():
            raise Interrupted(
                say("cancelled"), hint=say("run the same command again to go on where it stopped")
            )


class LinkedCancel(Cancel):
    """Set with `other`, or by itself: one part of a piece of work that can end alone."""

    def __init__(self, other: Cancel) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        """Whether somebody asked here or there."""
        return self._event.is_set() or self._other.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but not past the other's cancel."""
        return self._other.wait(seconds) or self._event.is_set()
