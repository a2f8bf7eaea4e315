"""Threads that keep something running, and that no fault ends."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say

log = logging.getLogger(__name__)


class Keeper(ABC):
    """A thread that calls `tick` every `every_s` seconds until it is told to leave."""

    def __init__(self, name: str, *, every_s: float) -> None:
        self._every_s = every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def tick(self) -> None:
        """Look, and do what is due."""

    @abstractmethod
    def failed(self, error: ApplianceError) -> None:
        """`tick` could not do what was due."""

    @property
    def leaving(self) -> bool:
        """Whether it was told to leave."""
        return self._end.is_set()

    def start(self) -> None:
        """Begin to keep it."""
        self._thread.start()

    def leave(self) -> None:
        """Keep it no longer, and let it run."""
        self._end.set()

    def join(self, timeout_s: float | None = None) -> None:
        """Return when the thread has ended, or `timeout_s` later."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self.tick()
            except ApplianceError as error:
                self.failed(error)
            except Exception as error:
                log.exception("%s", self._thread.name)
                self.failed(
                    ApplianceError(
                        say("internal fault: {error}", error=repr(error)), code="INTERNAL"
                    )
                )
            self._end.wait(self._every_s)
