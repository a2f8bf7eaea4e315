"""sample/1: how the cards are doing right now."""

from __future__ import annotations

from typing import Literal

from appliance.core.inventory import Document

HealthWord = Literal["ok", "warning", "critical"]


class Pcie(Document, frozen=True, kw_only=True):
    """The link as it is trained now, and the best it can do."""

    gen: int | None = None
    width: int | None = None
    gen_max: int | None = None
    width_max: int | None = None


class CardProcess(Document, frozen=True, kw_only=True):
    """A process that holds memory of a card; `replica` is the engine of ours that it belongs to."""

    pid: int
    memory_mib: float | None = None
    command: str | None = None
    replica: str | None = None


class CardSample(Document, frozen=True, kw_only=True):
    """Readings of one card; what cannot be read is `None`, a 0 was read.

    `temp_warn_c` is where the card slows itself down, `temp_critical_c` where it switches off.
    """

    id: str
    util_pct: float | None = None
    memory_used_mib: float | None = None
    memory_total_mib: float | None = None
    temp_c: float | None = None
    temp_memory_c: float | None = None
    temp_hotspot_c: float | None = None
    temp_warn_c: float | None = None
    temp_critical_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    clock_mhz: float | None = None
    fan_pct: float | None = None
    throttle: list[str] | None = None
    ecc_uncorrected: int | None = None
    pcie: Pcie | None = None
    health: HealthWord | None = None
    processes: list[CardProcess] | None = None
    age_s: float = 0.0


class HostSample(Document, frozen=True, kw_only=True):
    """Readings of the server itself."""

    cpu_pct: float | None = None
    memory_used_mib: float | None = None
    temp_c: float | None = None


class Sample(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.sample/1"):
    """All cards and the host at `time` (RFC 3339, UTC)."""

    time: str
    cards: list[CardSample]
    host: HostSample = HostSample()
