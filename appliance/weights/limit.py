"""A ceiling on the bytes per second of a job, so that a hospital's line stays usable."""

from __future__ import annotations

import datetime
import re
import threading
import time
from collections.abc import Callable

import msgspec

from appliance.core.errors import UsageError
from appliance.core.i18n import say

_PART = re.compile(
    r"(?P<size>\d+(?:\.\d+)?)(?P<unit>[kKmMgG]?)(?:@(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d))?"
)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


class Ceiling(msgspec.Struct, frozen=True):
    """`bps` bytes a second between two times of the day (local time, over midnight too)."""

    bps: float
    start: datetime.time = datetime.time.min
    end: datetime.time = datetime.time.min

    def holds(self, now: datetime.time) -> bool:
        """Whether it is that time of the day; equal times mean all day."""
        if self.start < self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end


def parse_limit(text: str) -> list[Ceiling]:
    """Read `50M` (bytes a second) or `10M@08:00-18:00,100M`: the first that holds counts.

    Raises `UsageError`.
    """
    ceilings = []
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        try:
            if match is None or not float(match["size"]):
                raise ValueError(part)
            bps = float(match["size"]) * _UNITS[match["unit"].lower()]
            hours = [datetime.time.fromisoformat(match[name] or "00:00") for name in ("from", "to")]
        except ValueError as error:
            raise UsageError(
                say("not a speed limit: {text}", text=text),
                hint=say("write 50M, or 10M@08:00-18:00,100M for limits by the hour"),
                code="BAD-LIMIT",
            ) from error
        ceilings.append(Ceiling(bps, *hours))
    return ceilings


def _time_of_day() -> datetime.time:
    return datetime.datetime.now().astimezone().time()


class Limit:
    """Bytes a second over all connections of a job; without ceilings there is no limit."""

    def __init__(
        self,
        ceilings: list[Ceiling] | None = None,
        time_of_day: Callable[[], datetime.time] = _time_of_day,
    ) -> None:
        self._ceilings = ceilings or []
        self._time_of_day = time_of_day
        self._free_at = 0.0
        self._lock = threading.Lock()

    def bps(self) -> float | None:
        """The ceiling at this time of the day."""
        if not self._ceilings:
            return None
        now = self._time_of_day()
        return next((ceiling.bps for ceiling in self._ceilings if ceiling.holds(now)), None)

    def spend(self, size: int, stop: threading.Event) -> None:
        """Wait until `size` more bytes may have come, or somebody stops."""
        bps = self.bps()
        if bps is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / bps
            wait_s = self._free_at - now
        if wait_s > 0:
            stop.wait(wait_s)
