"""Several sources of the same content: who is asked next, who is left alone, who is out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

import msgspec

from appliance.core.errors import ApplianceError
from appliance.weights.faults import SourceFault
from appliance.weights.sources.base import RemoteFile, Source

logger = logging.getLogger(__name__)
_MAX_WAIT_S = 60.0
_LONGEST_WAIT_S = 900.0
"""A server that wants more patience than this is given up."""


class Offer(msgspec.Struct, frozen=True):
    """A source, and the file as that source describes it."""

    source: Source
    file: RemoteFile


class Chain:
    """The offers of one file, best first. Threads share it.

    A fault costs an offer a pause (doubling from `backoff_s`, or what the server asked for), in
    which the next offer is used. `attempts` faults in a row with next to nothing in between, as
    many chunks with wrong bytes, or a lasting fault, end it. Faults of connections opened before
    the last fault count as the same.
    """

    def __init__(self, offers: Sequence[Offer], *, attempts: int, backoff_s: float) -> None:
        self._offers = list(offers)
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._faults: dict[str, int] = {}
        self._wrong: dict[str, int] = {}
        self._free_at: dict[str, float] = {}
        self._faulted_at: dict[str, float] = {}
        self._last: ApplianceError | None = None
        self._lock = threading.Lock()

    def next(self) -> tuple[Offer, float]:
        """The offer to use, and the seconds to wait before. Raises the last error when none is."""
        with self._lock:
            if not self._offers:
                raise self._last or RuntimeError("a chain of no offers")
            now = time.monotonic()
            best = min(self._offers, key=lambda offer: max(now, self._free(offer)))
            return best, max(0.0, self._free(best) - now)

    def _free(self, offer: Offer) -> float:
        return self._free_at.get(offer.source.label, 0.0)

    def connections(self) -> int:
        """How many connections the offer in use can feed."""
        with self._lock:
            return self._offers[0].source.connections if self._offers else 0

    def good(self, offer: Offer) -> None:
        """A fair number of bytes came."""
        with self._lock:
            self._faults.pop(offer.source.label, None)

    def fault(self, offer: Offer, fault: SourceFault, opened_at: float) -> None:
        """It went wrong; the error is kept for when nothing is left."""
        label = offer.source.label
        with self._lock:
            self._last = fault.error
            self._wrong[label] = self._wrong.get(label, 0) + fault.wrong
            too_long = fault.wait_s > _LONGEST_WAIT_S
            if fault.lasting or too_long or self._wrong[label] >= self._attempts:
                self._drop(label)
                return
            now = time.monotonic()
            if opened_at < self._faulted_at.get(label, float("-inf")):
                return
            self._faulted_at[label] = now
            count = self._faults[label] = self._faults.get(label, 0) + 1
            if count >= self._attempts:
                self._drop(label)
            elif not fault.stale or count > 1:
                pause = fault.wait_s or min(_MAX_WAIT_S, self._backoff_s * 2 ** (count - 1))
                self._free_at[label] = now + pause
        logger.info("source %s: %s", label, fault)

    def postpone(self, label: str) -> None:
        """Ask this source only when there is no other."""
        with self._lock:
            self._offers.sort(key=lambda offer: offer.source.label == label)

    def _drop(self, label: str) -> None:
        self._offers = [offer for offer in self._offers if offer.source.label != label]
