"""When a dead engine is started again: soon, slowly, or once something has changed."""

from __future__ import annotations

import time
from pathlib import Path

from appliance.core.i18n import Text, say
from appliance.supervisor.backoff import Backoff
from appliance.supervisor.diagnosis import Again
from appliance.supervisor.loading import files_of

SLOWLY_S = 60.0
_LOOK_S = 2.0
Fingerprint = tuple[tuple[str, int, int], ...]


class Restarts:
    """The restarts of one replica since it last answered, and when the next one is due.

    Three deaths the same way are the last of their kind: what may pass by itself is tried again
    every minute, anything else once the model's files have changed.
    """

    def __init__(self, model: Path) -> None:
        self._model = model
        self._backoff = Backoff()
        self._at = 0.0
        self._look_at = 0.0
        self._until_not: Fingerprint | None = None

    @property
    def deaths(self) -> int:
        """Deaths since the last answer."""
        return self._backoff.deaths

    def died(self, way: str, again: Again) -> bool:
        """Note a death; whether the same try has now failed often enough."""
        delay = self._backoff.died(way)
        stuck = self._backoff.hopeless and again != "soon"
        self._until_not = fingerprint(self._model) if stuck and again == "changed" else None
        self._at = time.monotonic() + (max(delay, SLOWLY_S) if stuck else delay)
        return stuck

    def answered(self) -> None:
        """What was before does not count any more."""
        self._backoff.answered()

    def due(self) -> bool:
        """Whether to start it now."""
        if self._until_not is None:
            return time.monotonic() >= self._at
        return self._changed()

    def _changed(self) -> bool:
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + _LOOK_S
        if fingerprint(self._model) == self._until_not:
            return False
        self._until_not = None
        self._backoff.answered()
        return True


def again_after(code: str) -> Again:
    """What another try is worth where nothing is known but how the end was noticed."""
    return "slowly" if code == "ENGINE-DEAD" else "soon"


def next_try(cause: Text, hint: Text, again: Again) -> Text:
    """Why there is no fourth identical try at once, and what leads to one."""
    if again == "changed":
        return say(
            "{cause} (three times the same way; it is tried again when the model's files change "
            "or `appliance up` is run). {hint}",
            cause=cause,
            hint=hint,
        )
    return say(
        "{cause} (three times the same way; it is tried again every minute). {hint}",
        cause=cause,
        hint=hint,
    )


def fingerprint(model: Path) -> Fingerprint:
    """Names, sizes and times of a model's files."""
    try:
        seen = [(file, file.stat()) for file in files_of(model)]
    except OSError:
        return ()
    return tuple((file.name, status.st_size, status.st_mtime_ns) for file, status in seen)
