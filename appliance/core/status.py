"""status/1 and up/1: what runs, and what `up` ended with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from appliance.core.inventory import Document, Inventory
from appliance.core.sample import CardSample, Sample

ReplicaState = Literal["starting", "ready", "busy", "degraded", "failed", "quarantined", "stopped"]
SERVING: frozenset[str] = frozenset({"ready", "busy"})


class DaemonStatus(Document, frozen=True, kw_only=True):
    """The node daemon; `None` values when it does not run."""

    pid: int | None = None
    version: str | None = None
    since: str | None = None


class Listener(Document, frozen=True, kw_only=True):
    """A socket of ours that somebody could connect to."""

    what: str
    address: str
    port: int | None
    tls: bool = False


class ReplicaStatus(Document, frozen=True, kw_only=True):
    """One engine process (`pid`) on `cards`."""

    id: str
    pid: int | None
    cards: list[str]
    state: ReplicaState
    port: int | None
    reason: str | None = None
    since: str | None = None
    restarts: int = 0
    load_pct: float | None = None
    load_eta_s: float | None = None
    requests_running: int | None = None
    requests_waiting: int | None = None
    decode_tps: float | None = None
    kv_used_pct: float | None = None


class DeploymentStatus(Document, frozen=True, kw_only=True):
    """One wish and what became of it.

    `requests_total` counts since the gateway started; `first_token_s` is the last minute's mean.
    `served_as` is the model name that clients ask for, where it is another deployment's: the
    counts of that name are told there.
    """

    id: str
    model: str
    variant: str
    engine: str
    state: ReplicaState
    reason: str | None
    replicas: list[ReplicaStatus]
    endpoint: str | None
    context: int | None = None
    slots: int | None = None
    requests_total: int | None = None
    first_token_s: float | None = None
    served_as: str | None = None

    @property
    def name(self) -> str:
        """The model name that clients ask for."""
        return self.served_as or self.id


class Hold(Document, frozen=True, kw_only=True):
    """A card that is not to be used: taken out by a person, or by us for what was seen on it."""

    kind: Literal["maintenance", "quarantine"]
    since: str
    code: str
    reason: str
    evidence: str | None = None


class CardStatus(Document, frozen=True, kw_only=True):
    """A card of the inventory with its newest readings."""

    id: str
    vendor: str
    index: int | None = None
    name: str | None
    state: str
    sample: CardSample | None = None
    hold: Hold | None = None


def card_statuses(
    inventory: Inventory, sample: Sample, holds: Mapping[str, Hold]
) -> list[CardStatus]:
    """Every card with its newest readings, and why it is not to be used where it is held.

    A held card that the inventory has lost sight of is told all the same: it can be released.
    """
    readings = {card.id: card for card in sample.cards}
    present = {card.id for card in inventory.cards}
    gone = [
        CardStatus(id=card, vendor="unknown", name=None, state="lost", hold=hold)
        for card, hold in holds.items()
        if card not in present
    ]
    return gone + [
        CardStatus(
            id=card.id,
            vendor=card.vendor,
            index=card.index,
            name=card.name,
            state=card.state,
            sample=readings.get(card.id),
            hold=holds.get(card.id),
        )
        for card in inventory.cards
    ]


JobState = Literal["running", "paused", "ended"]


class JobStatus(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.job/1"):
    """Long work of the daemon: first line of its stream, told again when `state` changes.

    `done` of `total` bytes; `why` it ended, where it did not end well. `waiting`: why
    a running one does not get on now; it goes on by itself once that has passed.
    """

    id: str
    kind: str
    subject: str
    state: JobState
    done: int | None = None
    total: int | None = None
    since: str
    why: str | None = None
    waiting: str | None = None


class Note(Document, frozen=True, kw_only=True):
    """A thing the operator must know; `code` is stable."""

    code: str
    text: str


class Status(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.status/1"):
    """Everything that runs here; `jobs` are those that have not ended, `notes` what is in the way
    of more than one model, such as a full disk.
    """

    daemon: DaemonStatus
    listeners: list[Listener]
    deployments: list[DeploymentStatus]
    cards: list[CardStatus]
    jobs: list[JobStatus] = []
    notes: list[Note] = []


class Proof(Document, frozen=True, kw_only=True):
    """What the model was asked, what it said, and how fast."""

    prompt: str
    answer: str
    first_token_s: float
    decode_tps: float | None


class Seconds(Document, frozen=True, kw_only=True):
    """How long each phase of `up` took."""

    detect: float = 0.0
    plan: float = 0.0
    fetch: float = 0.0
    build: float = 0.0
    load: float = 0.0


class Up(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.up/1"):
    """The end of `up`. `key` is shown once, when it is made."""

    deployment: str
    model: str
    variant: str
    engine: str
    cards: list[str]
    endpoint: str
    key: str | None
    proof: Proof
    seconds: Seconds
    notes: list[Note] = []
