"""plan/1: what could run where, what it takes, how fast it will be, and what cannot."""

from __future__ import annotations

from typing import Literal

from appliance.core.inventory import Document


class Wish(Document, frozen=True, kw_only=True):
    """What the operator asked for. `context` is the tokens of one conversation."""

    model: str | None = None
    users: int = 1
    context: int | None = None


class CardMemory(Document, frozen=True, kw_only=True):
    """Memory on one card (or, with the id `cpu`, in the host)."""

    id: str
    weights_mib: float
    kv_mib: float
    compute_mib: float
    overhead_mib: float
    total_mib: float
    available_mib: float | None


class Memory(Document, frozen=True, kw_only=True):
    """`method` is `engine` where the engine itself sized it, `formula` otherwise."""

    per_card: list[CardMemory]
    host_mib: float
    method: Literal["engine", "formula"]


class Speed(Document, frozen=True, kw_only=True):
    """Predicted (or, with the method `measured`, observed) speed."""

    decode_tps_one: float | None = None
    decode_tps_all: float | None = None
    prefill_tps: float | None = None
    first_token_s: float | None = None
    method: str = "roofline"


class Choice(Document, frozen=True, kw_only=True):
    """One thing that could run. The engine's n_ctx is `context * slots`."""

    model: str
    variant: str
    engine: str
    recipe: str
    cards: list[str]
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    replicas: int = 1
    context: int
    slots: int
    kv_type: str = "f16"
    ubatch: int = 512
    fits: bool
    memory: Memory
    speed: Speed
    disk_mib: float | None = None
    download_mib: float | None = None
    why: list[str] = []


class Rejection(Document, frozen=True, kw_only=True):
    """Something that will not run here, with the reason and the way out."""

    variant: str
    engine: str
    code: str
    reason: str
    advice: str


class Plan(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.plan/1"):
    """Choices, best first."""

    wish: Wish
    choices: list[Choice]
    rejected: list[Rejection] = []
