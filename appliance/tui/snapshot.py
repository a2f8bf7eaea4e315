"""What the screens draw: everything the daemon said at one moment, and how old it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from appliance.core.errors import ApplianceError
from appliance.core.history import History
from appliance.core.i18n import _
from appliance.core.inventory import Card, Inventory
from appliance.core.sample import CardSample, Sample
from appliance.core.status import CardStatus, DeploymentStatus, Hold, JobStatus, Status
from appliance.node.wishes import Event
from appliance.tui.words import CARD_STATES, HEALTH_WORDS, HOLDS, HOT, STALE, UNKNOWN, Word


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
    hold: Hold | None = None

    @property
    def label(self) -> str:
        """How people on site call it: the driver's index, or `cpu`, else its id; with the server
        in front where the id names one (`node-07/…`).
        """
        if self.vendor == "cpu":
            return "cpu"
        server, slash, _rest = self.id.rpartition("/")
        number = self.id if self.index is None else str(self.index)
        return f"{server}:{number}" if slash and self.index is not None else number

    @property
    def hot(self) -> bool:
        """Whether it is so warm that it slows itself down, by its own limit."""
        reading = self.reading
        if self.stale or reading is None or reading.temp_c is None or reading.temp_warn_c is None:
            return False
        return reading.temp_c >= reading.temp_warn_c

    @property
    def title(self) -> str:
        """How a sentence calls it."""
        return self.label if self.vendor == "cpu" else _("card {card}").format(card=self.label)

    @property
    def word(self) -> Word:
        """The worst that is known of it."""
        if self.state != "ok":
            return CARD_STATES.get(self.state, UNKNOWN)
        if self.hold and self.hold.kind == "quarantine":
            return HOLDS["quarantine"]
        if self.stale:
            return STALE
        if self.reading is None:
            return UNKNOWN
        if self.reading.health in ("warning", "critical"):
            return HEALTH_WORDS[self.reading.health]
        if self.hot:
            return HOT
        if self.reading.throttle:
            return CARD_STATES["degraded"]
        return HOLDS["maintenance"] if self.hold else CARD_STATES["ok"]

    @property
    def rank(self) -> tuple[int, str, str, int]:
        """Sorts the worst first, then server by server in the order of the driver."""
        order = ("fail", "unknown", "warn", "moving", "ok")
        worst = order.index(self.word.style) if self.word.style in order else 1
        return (worst, *self.place)

    @property
    def place(self) -> tuple[str, str, int]:
        """Sorts by server, vendor and the driver's number."""
        server = self.id.rpartition("/")[0]
        return (server, self.vendor, self.index if self.index is not None else 10**6)


@dataclass(frozen=True)
class Snapshot:
    """One look at the daemon. `down_s`: for how long it has not answered; `None` when it does."""

    taken: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: Status | None = None
    inventory: Inventory | None = None
    sample: Sample | None = None
    events: tuple[Event, ...] = ()
    jobs: tuple[JobStatus, ...] = ()
    error: ApplianceError | None = None
    down_s: float | None = None
    start_s: float = 0.0
    stale_after_s: float = 3.0
    history: History | None = None
    """Of what the screen in front draws as graphs."""

    @property
    def starting(self) -> bool:
        """Never seen yet, and no longer silent than it may take to start."""
        return self.status is None and (self.down_s is None or self.down_s < self.start_s)

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
        return self._cards

    @cached_property
    def _cards(self) -> list[CardRow]:
        readings = {r.id: r for r in self.sample.cards} if self.sample else {}
        if self.down_s is not None:
            readings = {}
        known = self.inventory.cards if self.inventory else []
        holds = {c.id: c.hold for c in self.status.cards} if self.status else {}
        rows = [self._row(card, readings.get(card.id), holds.get(card.id)) for card in known]
        listed = {row.id for row in rows}
        for card in self.status.cards if self.status else []:
            if card.id not in listed:
                reading = readings.get(card.id) or (card.sample if self.down_s is None else None)
                rows.append(self._row(card, reading, card.hold))
        return rows

    def _row(
        self, card: Card | CardStatus, reading: CardSample | None, hold: Hold | None
    ) -> CardRow:
        age = self.sample_age_s + (reading.age_s if reading else 0.0)
        return CardRow(
            id=card.id,
            vendor=card.vendor,
            name=card.name,
            index=card.index,
            state=card.state,
            reading=reading,
            age_s=age,
            stale=reading is not None and age > self.stale_after_s,
            card=card if isinstance(card, Card) else None,
            hold=hold,
        )

    def card(self, card_id: str | None) -> CardRow | None:
        """The card with this id."""
        return next((row for row in self.cards() if row.id == card_id), None)

    def worst_first(self) -> list[CardRow]:
        """The cards, those that need somebody on top."""
        return self._worst_first

    @cached_property
    def _worst_first(self) -> list[CardRow]:
        return sorted(self.cards(), key=lambda row: row.rank)
