"""Several sources of the same content: who is asked next, who is left alone, who is out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence

import msgspec

from appliance.core.errors import ApplianceError
from appliance.weights.faults import SourceFault
from appliance.weights.sources.base import RemoteFile, Source
from appliance.weights.speeds import Speeds

logger = logging.getLogger(__name__)
_MAX_WAIT_S = 60.0
_DOUBLINGS = 10
_LONGEST_WAIT_S = 900.0
"""A server that wants more patience than this is given up."""
_MUCH_FASTER = 2.0
"""How much faster another source must be to leave one mid-file."""
_TRIAL_BYTES = 16 * 1024 * 1024


class Offer(msgspec.Struct, frozen=True):
    """A source, and the file as that source describes it."""

    source: Source
    file: RemoteFile


class _Row:
    """The faults of a source with next to nothing in between; `firm` ones do not end by themselves.

    `why`: what the last one was, where that may.
    """

    def __init__(self, since: float) -> None:
        self.since = since
        self.count = 0
        self.firm = 0
        self.why: ApplianceError | None = None

    def add(self, fault: SourceFault) -> None:
        self.count += 1
        self.firm += not fault.passing
        self.why = fault.error if fault.passing else None


def pause_s(backoff_s: float, count: int) -> float:
    """Seconds to wait after that many faults in a row: they double, to a minute at most."""
    return min(_MAX_WAIT_S, backoff_s * (1 << min(count - 1, _DOUBLINGS)))


class Chain:
    """The offers of one file. Threads share it.

    With `trial_s`, offers whose speed is unknown are all used at first, for that long at most; then
    the fastest is, until it is less than half as fast as another one was seen to be.

    A fault costs an offer a pause (doubling from `backoff_s`, or what the server asked for), in
    which the next offer is used. `attempts` faults in a row with next to nothing in between, as
    many chunks with wrong bytes, or a lasting fault, end it. Faults of connections opened before
    the last fault count as the same. Passing faults end it only after `patience_s`.
    """

    def __init__(
        self,
        offers: Sequence[Offer],
        *,
        attempts: int,
        backoff_s: float,
        speeds: Speeds | None = None,
        trial_s: float = 0.0,
        patience_s: float = 0.0,
    ) -> None:
        self._all = list(offers)
        self._offers = list(offers)
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._patience_s = patience_s
        self._speeds = speeds or Speeds()
        self._trial_until = time.monotonic() + trial_s if self._rivals() else float("-inf")
        self._row: dict[str, _Row] = {}
        self._wrong: dict[str, int] = {}
        self._free_at: dict[str, float] = {}
        self._faulted_at: dict[str, float] = {}
        self._lasting: set[str] = set()
        self._suspicion: Mapping[str, int] = {}
        self._current: str | None = None
        self._last: ApplianceError | None = None
        self._lock = threading.Lock()

    def next(self) -> tuple[Offer, float]:
        """The offer to use, and the seconds to wait before. Raises the last error when none is."""
        with self._lock:
            if not self._offers:
                raise self._last or RuntimeError("a chain of no offers")
            now = time.monotonic()
            usable = self._least_suspect()
            free = [offer for offer in usable if self._free(offer) <= now]
            if not free:
                soonest = min(usable, key=self._free)
                return soonest, self._free(soonest) - now
            return self._best(free, now), 0.0

    def _best(self, free: Sequence[Offer], now: float) -> Offer:
        rivals = [offer for offer in free if not offer.source.sequential] or free
        if self._on_trial(now):
            return min(rivals, key=lambda offer: self._speeds.open(offer.source.label))
        best = max(rivals, key=self._bps)
        current = next((o for o in rivals if o.source.label == self._current), None)
        if current is not None and self._bps(best) <= self._bps(current) * _MUCH_FASTER:
            return current
        if self._current is not None and current is not None:
            logger.info("%s is slow, %s is not", self._current, best.source.label)
        self._current = best.source.label
        return best

    def _bps(self, offer: Offer) -> float:
        return self._speeds.bps(offer.source.label) or 0.0

    def _rivals(self) -> bool:
        """Whether there are several sources to choose from, one of them not yet tried."""
        labels = [offer.source.label for offer in self._all if not offer.source.sequential]
        return len(labels) > 1 and any(self._speeds.bps(label) is None for label in labels)

    def _on_trial(self, now: float) -> bool:
        if now >= self._trial_until:
            return False
        labels = [offer.source.label for offer in self._offers if not offer.source.sequential]
        if all(self._speeds.total(label) >= _TRIAL_BYTES for label in labels):
            self._trial_until = float("-inf")
            return False
        return True

    def on_trial(self) -> bool:
        """Whether sources are still being compared."""
        with self._lock:
            return self._on_trial(time.monotonic())

    def leaves(self, offer: Offer) -> bool:
        """Whether a transfer from this offer should end: another one is much faster."""
        with self._lock:
            now = time.monotonic()
            if len(self._offers) < 2 or offer.source.sequential or self._on_trial(now):
                return False
            free = [o for o in self._least_suspect() if self._free(o) <= now]
            if offer not in free:
                return False
            return self._best(free, now).source.label != offer.source.label

    def _free(self, offer: Offer) -> float:
        return self._free_at.get(offer.source.label, 0.0)

    def connections(self) -> int:
        """How many connections the offers left can feed."""
        with self._lock:
            return max((offer.source.connections for offer in self._offers), default=0)

    def good(self, offer: Offer) -> None:
        """A fair number of bytes came."""
        with self._lock:
            self._row.pop(offer.source.label, None)

    def awaited(self) -> ApplianceError | None:
        """What the offers wait for, where every one failed more than once in a row."""
        with self._lock:
            rows = [self._row.get(offer.source.label) for offer in self._offers]
            reasons = [row.why for row in rows if row and row.count > 1 and row.why]
            return reasons[0] if reasons and len(reasons) == len(rows) else None

    def fault(self, offer: Offer, fault: SourceFault, opened_at: float) -> None:
        """It went wrong; the error is kept for when nothing is left."""
        label = offer.source.label
        with self._lock:
            self._last = fault.error
            self._wrong[label] = self._wrong.get(label, 0) + fault.wrong
            too_long = fault.wait_s > _LONGEST_WAIT_S
            if fault.lasting or too_long:
                self._lasting.add(label)
            if label in self._lasting or self._wrong[label] >= self._attempts:
                self._drop(label)
                return
            now = time.monotonic()
            if opened_at < self._faulted_at.get(label, float("-inf")):
                return
            self._faulted_at[label] = now
            row = self._row.setdefault(label, _Row(now))
            row.add(fault)
            patient = now - row.since < self._patience_s
            if (row.firm if patient else row.count) >= self._attempts:
                self._drop(label)
            elif not fault.stale or row.count > 1:
                self._free_at[label] = now + (fault.wait_s or pause_s(self._backoff_s, row.count))
        logger.info("source %s: %s", label, fault)

    def again(self, suspicion: Mapping[str, int]) -> None:
        """Another pass: of the offers not gone for good only those that are least suspect.

        `suspicion`: by label, how much of what was wrong came from there.
        """
        with self._lock:
            self._offers = [o for o in self._all if o.source.label not in self._lasting]
            self._suspicion = suspicion
            self._row.clear()
            self._wrong.clear()
            self._current = None

    def _least_suspect(self) -> list[Offer]:
        levels = [self._suspicion.get(offer.source.label, 0) for offer in self._offers]
        pairs = zip(self._offers, levels, strict=True)
        return [offer for offer, level in pairs if level == min(levels)]

    def _drop(self, label: str) -> None:
        self._offers = [offer for offer in self._offers if offer.source.label != label]
