"""The cards, read now and then: every second while somebody looks, every five otherwise."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import msgspec

from appliance.core.history import History, Span
from appliance.core.inventory import Inventory
from appliance.core.sample import CardSample, Sample
from appliance.core.topology import Topology
from appliance.hardware.box import open_box
from appliance.hardware.sources import LiveSource
from appliance.hardware.topology import topology
from appliance.telemetry.history import CardHistory

log = logging.getLogger(__name__)
_WATCHED_S = 1.0
_UNWATCHED_S = 5.0
_ATTENTION_S = 10.0
_LOOK_AGAIN_S = 60.0


class Sampler:
    """A thread with the box open; the newest sample carries its age, and all of them make history.

    When a card falls silent, or speaks again, the inventory is looked at afresh.
    """

    def __init__(self, state: Path) -> None:
        self._box = open_box(state=state)
        self._history = CardHistory(state / "history")
        self._lock = threading.Lock()  # one question to the box at a time
        self._inventory: Inventory | None = None
        self._links: Topology | None = None
        self._looked = 0.0
        self._heard: frozenset[str] | None = None
        self._sample: Sample | None = None
        self._taken = 0.0
        self._asked = self._asked_processes = float("-inf")
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
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        self._box.close()
        self._history.close()

    def inventory(self, *, fresh: bool = False) -> Inventory:
        """What is in this server; `fresh` looks again. What is known already is told at once."""
        known = self._inventory
        if known is not None and not fresh:
            return known
        with self._lock:
            if fresh or self._inventory is None:
                return self._look()
            return self._inventory

    def history(self, card: str, span: Span) -> History:
        """What a card did over a span that ends now."""
        return self._history.read(card, span, time.time())

    def topology(self) -> Topology:
        """How the cards are linked, asked once: it changes when the inventory does."""
        cards = self.inventory().accelerators()
        if self._links is None or [place.id for place in self._links.cards] != [
            card.id for card in cards
        ]:
            source = LiveSource()
            self._links = topology(cards, source.ask, source.sys_root)
        return self._links

    def sample(self, *, processes: bool = False) -> Sample:
        """The newest readings; asking keeps them coming every second, with `processes` those too
        (from the next sample on).
        """
        self._asked = time.monotonic()
        if processes:
            self._asked_processes = self._asked
        self._wake.set()
        taken = self._sample
        if taken is None:
            return self._take()
        age = round(time.monotonic() - self._taken, 2)
        cards = [msgspec.structs.replace(c, age_s=c.age_s + age) for c in taken.cards]
        return msgspec.structs.replace(taken, cards=cards)

    def _look(self) -> Inventory:
        self._looked = time.monotonic()
        self._inventory = self._box.inventory()
        return self._inventory

    def _take(self) -> Sample:
        with self._lock:
            if self._inventory is None:
                self._look()
            processes = time.monotonic() - self._asked_processes < _ATTENTION_S
            sample = self._box.sample(processes=processes)
            self._look_if_news(frozenset(card.id for card in sample.cards if _speaks(card)))
            self._sample, self._taken = sample, time.monotonic()
        self._history.add(sample, time.time())
        return sample

    def _look_if_news(self, heard: frozenset[str]) -> None:
        if self._heard is None:
            self._heard = heard
        elif heard != self._heard and time.monotonic() - self._looked > _LOOK_AGAIN_S:
            self._look()
            self._heard = heard

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


def _speaks(card: CardSample) -> bool:
    readings = (card.util_pct, card.memory_used_mib, card.temp_c, card.power_w, card.clock_mhz)
    return any(reading is not None for reading in readings)
