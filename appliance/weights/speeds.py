"""How fast each source of a pull sends, measured on the bytes that are wanted anyway."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

_SPAN_S = 3.0
_STEP_S = 0.2


class _Record:
    """What one source sent while it was asked for something."""

    def __init__(self) -> None:
        self.open = 0
        self.total = 0
        self.bps: float | None = None
        self.marks: deque[tuple[float, int]] = deque()

    def mark(self, now: float) -> None:
        if not self.marks or now - self.marks[-1][0] >= _STEP_S:
            self.marks.append((now, self.total))
            while now - self.marks[0][0] > _SPAN_S and len(self.marks) > 2:
                self.marks.popleft()

    def measure(self, now: float) -> float | None:
        """Over the last seconds in use; what it was then, where it is not in use."""
        if self.open and self.marks and now - self.marks[0][0] >= _STEP_S:
            since, before = self.marks[0]
            self.bps = (self.total - before) / (now - since)
        return self.bps


class Speeds:
    """Bytes per second by source. Any thread may use it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._lock = threading.Lock()

    def opened(self, label: str) -> None:
        """Something is asked of this source."""
        with self._lock:
            record = self._records.setdefault(label, _Record())
            if not record.open:
                record.marks.clear()
            record.open += 1
            record.mark(self._clock())

    def closed(self, label: str) -> None:
        """It sends no more of that."""
        with self._lock:
            record = self._records[label]
            record.measure(self._clock())
            record.open -= 1

    def add(self, label: str, size: int) -> None:
        """Bytes that just came."""
        with self._lock:
            record = self._records[label]
            record.total += size
            record.mark(self._clock())

    def bps(self, label: str) -> float | None:
        """`None` for a source that has not been tried."""
        with self._lock:
            record = self._records.get(label)
            return record.measure(self._clock()) if record else None

    def total(self, label: str) -> int:
        """Bytes that came from there so far."""
        with self._lock:
            record = self._records.get(label)
            return record.total if record else 0

    def open(self, label: str) -> int:
        """Requests under way there."""
        with self._lock:
            record = self._records.get(label)
            return record.open if record else 0
