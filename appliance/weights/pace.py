"""How many connections a pull keeps open: found by trying, never more than a server tolerates."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from appliance.core.progress import Cancel

_FIRST = 8
_WINDOW_S = 1.0
_FASTER = 1.05
_AS_FAST = 0.98
_HOLD_S = 4.0
_LONGEST_HOLD_S = 60.0
_WINDOW_OF_HUBS_S = 300.0
"""Hubs count requests in windows of five minutes."""
_SETTLE_S = 0.3


class Pace:
    """One for all files of a pull; hill-climbing on bytes per second.

    More connections are kept while they bring 5 % more, fewer while they bring as much. What did
    not pay is tried again after a while that doubles: lines change.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.target = min(_FIRST, most)
        self._most = most
        self._clock = clock
        self._active = 0
        self._best = self.target
        self._best_bps: float | None = None
        self._up = True
        self._hold_s = _HOLD_S
        self._try_at = clock()
        self._since: tuple[float, int] | None = None
        self._ceiling = most
        self._ceiling_until = float("-inf")
        self._admitted_at = float("-inf")
        self._files = 0
        self._changed = threading.Condition()

    def enter(self) -> bool:
        """Take a connection, where there is room for one."""
        with self._changed:
            if self._active >= self._limit():
                return False
            self._active += 1
            return True

    def leave(self) -> None:
        """Give a connection back."""
        with self._changed:
            self._active -= 1
            self._changed.notify_all()

    def crowded(self) -> bool:
        """Whether one connection should go."""
        with self._changed:
            return self._active > self._limit()

    def _limit(self) -> int:
        if self._clock() < self._ceiling_until:
            return min(self.target, self._ceiling)
        return self.target

    def refused(self) -> None:
        """The server said that we ask too much: half as many for the length of its window."""
        with self._changed:
            now = self._clock()
            if now < self._ceiling_until - _WINDOW_OF_HUBS_S + _WINDOW_S:
                return  # the other connections heard the same
            self._ceiling = max(1, min(self._active, self._limit()) // 2)
            self._ceiling_until = now + _WINDOW_OF_HUBS_S
            self._since = None

    def observe(self, fetched: int) -> None:
        """Called often, with all bytes fetched so far: measures, and decides what to try next."""
        with self._changed:
            now = self._clock()
            if self._active != self.target or self._since is None:
                self._since = (now, fetched)
            elif now - self._since[0] >= _WINDOW_S:
                bps = (fetched - self._since[1]) / (now - self._since[0])
                self._since = (now, fetched)
                if bps:  # a line that is down says nothing about connections
                    self._decide(bps, now)

    def _decide(self, bps: float, now: float) -> None:
        if self.target == self._best or self._best_bps is None:
            self._best_bps = bps
            if now >= self._try_at:
                self._try()
        elif bps >= self._best_bps * (_FASTER if self._up else _AS_FAST):
            self._best, self._best_bps = self.target, bps
            self._hold_s = _HOLD_S
            self._try()
        else:
            self.target = self._best
            self._turn(now)

    def _try(self) -> None:
        step = max(1, self._best // 2)
        wanted = self._best + step if self._up else self._best - max(1, self._best // 3)
        self.target = max(1, min(self._most, wanted))
        if self.target == self._best:
            self._turn(self._clock())

    def _turn(self, now: float) -> None:
        self._up = not self._up
        self._try_at = now + self._hold_s
        self._hold_s = min(_LONGEST_HOLD_S, self._hold_s * 2)

    # -- files side by side ----------------------------------------------------------------

    @contextmanager
    def file(self, cancel: Cancel) -> Iterator[None]:
        """A file's turn: once those under way leave connections unused. Raises `Interrupted`."""
        with self._changed:
            while self._files and not self._idle():
                self._changed.wait(0.1)
                cancel.check()
            self._files += 1
            self._admitted_at = self._clock()
        try:
            yield
        finally:
            with self._changed:
                self._files -= 1
                self._changed.notify_all()

    def _idle(self) -> bool:
        settled = self._clock() - self._admitted_at >= _SETTLE_S
        return settled and self._active < self._limit()
