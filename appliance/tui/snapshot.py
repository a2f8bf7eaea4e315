"""What the screens draw: everything the daemon said at one moment, and how old it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from appliance.core.errors import ApplianceError
from appliance.core.i18n import _
from appliance.core.inventory import Card, Inventory
from appliance.core.sample import CardSample, Sample
from appliance.core.status import DeploymentStatus, Status
from appliance.node.wishes import Event
from appliance.tui.words import CARD_STATES, HEALTH_WORDS, STALE, UNKNOWN, Word


@dataclass(frozen=True)
class CardRow:
    """A card with its newest reading and the age of that reading."""

    id: str
    vendor: str
    name: str | None
    index: int | None
    state: str
    reading: CardSample | None
    age_s: float
    stale: bool
    card: Card | None = None

    @property
    def label(self) -> str:
        """How people on site call it: the driver's index, or `cpu`, else its id."""
        if self.vendor == "cpu":
            return "cpu"
        return self.id if self.index is None else str(self.index)

    @property
    def title(self) -> str:
        """How a sentence calls it."""
        return self.label if self.vendor == "cpu" else _("card {card}").format(card=self.label)

    @property
    def word(self) -> Word:
        """The worst that is known of it."""
        if self.state != "ok":
            return CARD_STATES.get(self.state, UNKNOWN)
        if self.stale:
            return STALE
        if self.reading is None:
            return UNKNOWN
        if self.reading.health in ("warning", "critical"):
            return HEALTH_WORDS[self.reading.health]
        if self.reading.throttle:
            return CARD_STATES["degraded"]
        return CARD_STATES["ok"]

    @property
    def rank(self) -> tuple[int, float, str, int]:
        """Sorts the worst first, then the hottest vendor by vendor in the order of the driver."""
        order = ("fail", "unknown", "warn", "ok")
        worst = order.index(self.word.style) if self.word.style in order else 1
        return (worst, 0.0, self.vendor, self.index if self.index is not None else 10**6)


@dataclass(frozen=True)
class Snapshot:
    """One look at the daemon. `down_s`: for how long it has not answered; `None` when it does."""

    taken: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: Status | None = None
    inventory: Inventory | None = None
    sample: Sample | None = None
    events: tuple[Event, ...] = ()
    error: ApplianceError | None = None
    down_s: float | None = None
    stale_after_s: float = 3.0

    @property
    def deployments(self) -> list[DeploymentStatus]:
        """What is wished for here; nothing is claimed while the daemon does not answer."""
        return self.status.deployments if self.status else []

    def deployment(self, deployment_id: str | None) -> DeploymentStatus | None:
        """The one with this id, else the first."""
        found = [d for d in self.deployments if d.id == deployment_id]
        return next(iter(found or self.deployments), None)

    @property
    def hostname(self) -> str:
        """The name of the server."""
        return (self.inventory.host.hostname if self.inventory else None) or ""

    @property
    def sample_age_s(self) -> float:
        """How old the newest readings are."""
        if self.sample is None:
            return 0.0
        try:
            moment = datetime.fromisoformat(self.sample.time)
        except ValueError:
            return 0.0
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (self.taken - moment).total_seconds())

    def cards(self) -> list[CardRow]:
        """Every card in the order of the inventory; readings of a silent daemon are left out."""
        readings = {r.id: r for r in self.sample.cards} if self.sample else {}
        if self.down_s is not None:
            readings = {}
        known = self.inventory.cards if self.inventory else []
        rows = [self._row(card, readings.get(card.id)) for card in known]
        listed = {row.id for row in rows}
        for card in self.status.cards if self.status else []:
            if card.id not in listed:
                reading = readings.get(card.id) or (card.sample if self.down_s is None else None)
                bare = CardRow(card.id, card.vendor, card.name, None, card.state, None, 0, False)
                rows.append(self._with(bare, reading))
        return rows

    def _row(self, card: Card, reading: CardSample | None) -> CardRow:
        state = card.state
        bare = CardRow(card.id, card.vendor, card.name, card.index, state, None, 0, False, card)
        return self._with(bare, reading)

    def _with(self, row: CardRow, reading: CardSample | None) -> CardRow:
        age = self.sample_age_s + (reading.age_s if reading else 0.0)
        stale = reading is not None and age > self.stale_after_s
        return CardRow(
            row.id, row.vendor, row.name, row.index, row.state, reading, age, stale, row.card
        )

    def worst_first(self) -> list[CardRow]:
        """The cards, those that need somebody on top."""
        return sorted(self.cards(), key=lambda row: row.rank)
