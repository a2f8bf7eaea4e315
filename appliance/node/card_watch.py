"""Watching the cards that serve: one that goes bad serves nobody within seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.inventory import Card
from appliance.core.sample import CardSample
from appliance.core.status import Hold
from appliance.node.holds import CardHolds
from appliance.node.keeper import Keeper
from appliance.node.quarantine import CardJudge, Verdict
from appliance.node.replicas import Replicas
from appliance.node.state import now
from appliance.telemetry.sampler import Sampler

log = logging.getLogger(__name__)
_EVERY_S = 1.0
_LOOK_AGAIN_S = 3.0
_WELL = ("ok", "degraded")


class CardWatch(Keeper):
    """Looks at the cards in use every second, and takes bad ones out of service."""

    def __init__(self, replicas: Replicas, holds: CardHolds, sampler: Sampler) -> None:
        super().__init__("card-watch", every_s=_EVERY_S)
        self._replicas = replicas
        self._holds = holds
        self._sampler = sampler
        self._judges: dict[str, CardJudge] = {}
        self._looked_at = 0.0

    def tick(self) -> None:
        """Judge every card that deployments use and that is not held yet."""
        in_use = self._replicas.cards_in_use()
        held = self._holds.all()
        self._judges = {card: j for card, j in self._judges.items() if card in in_use - held.keys()}
        if not in_use:
            return
        sample = self._replicas.recent.look()
        readings = {card.id: card for card in sample.cards}
        cards = self._cards(in_use - held.keys(), readings)
        for card_id, card in cards.items():
            judge = self._judges.setdefault(card_id, CardJudge())
            verdict = judge.judge(card, readings.get(card_id), time.monotonic())
            if verdict:
                del self._judges[card_id]  # who releases it a moment later wants it judged afresh
                self._take_out(card_id, verdict)

    def failed(self, error: ApplianceError) -> None:
        """Look again in a second."""
        log.warning("the cards cannot be watched: %s", error)

    def _cards(self, card_ids: set[str], readings: dict[str, CardSample]) -> dict[str, Card | None]:
        """The cards as the inventory has them.

        What is wrong with one is only believed of an inventory that was looked at for it: an older
        one may be of before the card came back. One look every few seconds is enough.
        """
        known = {card_id: self._sampler.inventory().card(card_id) for card_id in card_ids}
        doubtful = {
            card_id
            for card_id, card in known.items()
            if is_silent(readings.get(card_id)) or card is None or card.state not in _WELL
        }
        if not doubtful:
            return known
        if time.monotonic() - self._looked_at < _LOOK_AGAIN_S:
            return {card_id: known[card_id] for card_id in card_ids - doubtful}
        self._looked_at = time.monotonic()
        inventory = self._sampler.inventory(fresh=True)
        return {card_id: inventory.card(card_id) for card_id in card_ids}

    def _take_out(self, card_id: str, verdict: Verdict) -> None:
        """Traffic off first; then what can be seen is kept, before anybody resets the card."""
        hold = Hold(kind="quarantine", since=now(), code=verdict.code, reason=str(verdict.reason))
        with _in_force_all_the_same():
            self._holds.hold(card_id, hold)
        self._replicas.publish()
        text = say("taken out of service: {reason}", reason=verdict.reason)
        self._replicas.state.record("fail", verdict.code, card_id, text)
        evidence = self._replicas.keep_evidence(verdict.code, [card_id], verdict.reason)
        if evidence:
            with _in_force_all_the_same():
                self._holds.add_evidence(card_id, hold, evidence)


@contextmanager
def _in_force_all_the_same() -> Iterator[None]:
    """A hold that a full disk keeps from being written down holds nevertheless."""
    try:
        yield
    except ApplianceError as error:
        log.warning("%s", error)


def is_silent(reading: CardSample | None) -> bool:
    """Whether a card tells nothing of itself any more."""
    if reading is None:
        return True
    told = (reading.util_pct, reading.memory_used_mib, reading.temp_c, reading.power_w)
    return all(value is None for value in told)
