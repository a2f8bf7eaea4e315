"""What the keeper of a replica needs of the server that it runs on."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from appliance.core.i18n import Text
from appliance.core.inventory import Card
from appliance.core.paths import Paths
from appliance.core.status import Hold
from appliance.node.state import State


class Surroundings(Protocol):
    """What a replica needs of the server it runs on."""

    paths: Paths
    state: State

    def cards_of(self, card_ids: Collection[str]) -> list[Card]:
        """The cards to start on. Raises `ApplianceError` unless all are there."""
        ...

    def hold_on(self, card_ids: Collection[str]) -> tuple[str, Hold] | None:
        """The first of these cards that must not be used, and why."""
        ...

    def publish(self) -> None:
        """Tell the gateway who serves now."""
        ...

    def keep_evidence(self, code: str, cards: Collection[str], reason: Text) -> str | None:
        """Keep what can be seen now for whoever looks into it; returns where."""
        ...
