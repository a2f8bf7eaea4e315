"""The cards, read now and then: every second while somebody looks, every five otherwise."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import msgspec

from appliance.core.inventory import Inventory
from appliance.core.sample import Sample
from appliance.hardware.box import open_box

log = logging.getLogger(__name__)
_WATCHED_S = 1.0
_UNWATCHED_S = 5.0
_ATTENTION_S = 10.0


class Sampler:
    """A thread with the box open; the newest sample carries its age."""

    def __init__(self, state: Path) -> None:
        self._box = open_box(state=state)
        self._lock = threading.Lock()
        self._inventory: Inventory | None = None
        self._sample: Sample | None = None
        self._taken = 0.0
        self._asked = 0.0
        self._wake = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """Close the box, at the next pause."""
        self._end.set()
        self._wake.set()
        self._thread.join(timeout=5.0)
        self._box.close()

    def inventory(self, *, fresh: bool = False) -> Inventory:
        """What is in this server; `fresh` looks again."""
        with self._lock:
            if fresh or self._inventory is None:
                self._inventory = self._box.inventory()
            return self._inventory

    def sample(self) -> Sample:
        """The newest readings; asking keeps them coming every second."""
        self._asked = time.monotonic()
        self._wake.set()
        taken = self._sample
        if taken is None:
            return self._take()
        age = round(time.monotonic() - self._taken, 2)
        cards = [msgspec.structs.replace(c, age_s=c.age_s + age) for c in taken.cards]
        return msgspec.structs.replace(taken, cards=cards)

    def _take(self) -> Sample:
        with self._lock:
            if self._inventory is None:
                self._inventory = self._box.inventory()
            self._sample = self._box.sample()
            self._taken = time.monotonic()
            return self._sample

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._take()
            except Exception:
                log.exception("sampling failed")
            watched = time.monotonic() - self._asked < _ATTENTION_S
            self._wake.clear()
            if watched:
                self._end.wait(_WATCHED_S)
            else:
                self._wake.wait(_UNWATCHED_S)
