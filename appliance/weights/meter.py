"""Progress for people: at most four times a second, speed over the last ten seconds."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from appliance.core.errors import ApplianceError
from appliance.core.progress import OnProgress
from appliance.core.pull import Progress, PullPhase

_WINDOW_S = 10.0
_INTERVAL_S = 0.25


class Meter:
    """Counts the bytes of one job of `total` bytes; any thread may add and show."""

    def __init__(
        self,
        on_progress: OnProgress,
        total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.source: str | None = None
        self.fetched = 0
        self.tell = on_progress
        self._clock = clock
        self._phase: PullPhase = "resolve"
        self._file: str | None = None
        self._done = 0
        self._awaited: dict[str, ApplianceError | None] = {}
        self._lock = threading.Lock()
        self._showing = threading.RLock()
        self._shown_at = float("-inf")
        self._history: deque[tuple[float, int]] = deque()

    def enter(self, phase: PullPhase, file: str | None = None) -> None:
        """Begin a phase; always shown."""
        with self._lock:
            self._phase, self._file = phase, file
            self._history.clear()
        self.show(force=True)

    def add(self, size: int) -> None:
        """Bytes that just came."""
        with self._lock:
            self._done += size
            self.fetched += size

    def reuse(self, size: int) -> None:
        """Bytes that were here already (negative: that turned out not to be)."""
        with self._lock:
            self._done += size
            self._history.clear()

    def advance(self, phase: PullPhase, done: int, source: object) -> None:
        """Bytes done so far, where somebody else brings them."""
        with self._lock:
            self._phase, self._done, self.source = phase, done, str(source)
        self.show()

    def waits(self, what: str, why: ApplianceError | None) -> None:
        """`what` is under way; `why` nothing of it can come now, `None` where it can."""
        with self._lock:
            self._awaited[what] = why

    def ends(self, what: str) -> None:
        """`what` is no longer under way."""
        with self._lock:
            self._awaited.pop(what, None)

    def _waiting(self) -> str | None:
        """Why nothing comes, where that goes for everything that is under way."""
        reasons = [str(why) for why in self._awaited.values() if why]
        return reasons[0] if reasons and len(reasons) == len(self._awaited) else None

    def restart(self) -> None:
        """Count from zero."""
        with self._lock:
            self._done = 0
            self._history.clear()

    def speed(self) -> float | None:
        """Bytes per second over the last ten seconds, `None` before there is a measurement."""
        if len(self._history) < 2:
            return None
        (first_at, first), (last_at, last) = self._history[0], self._history[-1]
        return max(0.0, (last - first) / (last_at - first_at)) if last_at > first_at else None

    def show(self, *, force: bool = False) -> None:
        """Tell the outside, when it is time to."""
        with self._showing:
            now = self._clock()
            if force or now - self._shown_at >= _INTERVAL_S:
                self._shown_at = now
                with self._lock:
                    progress = self._progress(now)
                self.tell(progress)

    def _progress(self, now: float) -> Progress:
        self._history.append((now, self._done))
        while now - self._history[0][0] > _WINDOW_S:
            self._history.popleft()
        waiting = self._waiting()
        bps = None if waiting else self.speed()
        left = None if self.total is None else max(0, self.total - self._done)
        done = self._done if self.total is None else min(self._done, self.total)
        return Progress(
            phase=self._phase,
            file=self._file,
            done=done,
            total=self.total,
            bps=bps,
            eta_s=left / bps if bps and left is not None else None,
            source=self.source,
            waiting=waiting,
        )
