"""history/1: what a card did over a minute, an hour, a day, thirty days."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from appliance.core.inventory import Document

Span = Literal["1m", "1h", "1d", "30d"]
SPANS: tuple[Span, ...] = get_args(Span)


class Steps(msgspec.Struct, frozen=True):
    """How a span is divided: `count` steps of `step_s` seconds."""

    count: int
    step_s: int

    @property
    def seconds(self) -> int:
        """The length of the span."""
        return self.count * self.step_s


STEPS: dict[Span, Steps] = {
    "1m": Steps(60, 1),
    "1h": Steps(240, 15),
    "1d": Steps(288, 300),
    "30d": Steps(720, 3600),
}


class Range(Document, frozen=True, kw_only=True):
    """The least, the mean and the most of what was read within a step."""

    min: float
    mean: float
    max: float


class HistoryPoint(Document, frozen=True, kw_only=True):
    """One step; a reading that was never there is `None`."""

    util_pct: Range | None = None
    memory_used_mib: Range | None = None
    temp_c: Range | None = None
    power_w: Range | None = None
    clock_mhz: Range | None = None


READINGS: tuple[str, ...] = HistoryPoint.__struct_fields__


class History(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.history/1"):
    """The steps of a span, oldest first; the last one is under way. `None` is a gap.

    `card` is a card's id, `host` for the server itself, or `all` for the mean of its cards.
    `until` is the end of the last step (RFC 3339, UTC).
    """

    card: str
    span: Span
    step_s: int
    until: str
    points: list[HistoryPoint | None]
