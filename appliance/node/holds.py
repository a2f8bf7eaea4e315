"""The cards that are held here, in memory for those who look often, on disk for everybody else."""

from __future__ import annotations

import threading
from collections.abc import Collection

from msgspec import structs

from appliance.core.errors import DoesNotFit, UsageError
from appliance.core.holds import load_holds, save_holds
from appliance.core.i18n import say
from appliance.core.paths import Paths
from appliance.core.status import Hold


class CardHolds:
    """Which cards must not be used, and why. Safe to use from several threads."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._lock = threading.Lock()
        self._holds = load_holds(paths)

    def all(self) -> dict[str, Hold]:
        """Every hold, by the id of its card."""
        return self._holds

    def on(self, card_ids: Collection[str]) -> tuple[str, Hold] | None:
        """The first of these cards that is held."""
        holds = self._holds
        return next(((card, holds[card]) for card in card_ids if card in holds), None)

    def hold(self, card_id: str, hold: Hold) -> None:
        """Hold a card from now on, also after a restart. Raises `DoesNotFit` on a full disk."""
        with self._lock:
            self._put({**self._holds, card_id: hold})

    def add_evidence(self, card_id: str, hold: Hold, evidence: str) -> None:
        """Say where the evidence of a hold is; a card that was released meanwhile stays released.

        Raises `DoesNotFit` on a full disk.
        """
        with self._lock:
            if self._holds.get(card_id) == hold:
                told = structs.replace(hold, evidence=evidence)
                self._put({**self._holds, card_id: told})

    def release(self, card_id: str) -> None:
        """Let a card be used again. Raises `UsageError` for one that is not held."""
        with self._lock:
            if card_id not in self._holds:
                raise UsageError(
                    say("{card} is not held", card=card_id),
                    hint=say("see `appliance cards list`"),
                    code="CARD-NOT-HELD",
                )
            self._put({card: hold for card, hold in self._holds.items() if card != card_id})

    def _put(self, holds: dict[str, Hold]) -> None:
        """In force at once; what cannot be written down is said after it is in force."""
        self._holds = holds
        try:
            save_holds(self._paths, holds)
        except OSError as error:
            raise DoesNotFit(
                say("the hold is in force but not written down: {error}", error=error.strerror),
                hint=say("free some space on the disk of {path}", path=self._paths.state),
                code="DISK-FULL",
            ) from error
