"""A ceiling on the bytes per second of a job, so that a hospital's line stays usable."""

from __future__ import annotations

import threading
import time


class Limit:
    """`bps` bytes a second over all connections; `None` is no ceiling."""

    def __init__(self, bps: float | None = None) -> None:
        self._bps = bps
        self._free_at = 0.0
        self._lock = threading.Lock()

    def spend(self, size: int, stop: threading.Event) -> None:
        """Wait until `size` more bytes may have come, or somebody stops."""
        if self._bps is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self._bps
            wait_s = self._free_at - now
        if wait_s > 0:
            stop.wait(wait_s)
