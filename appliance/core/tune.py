"""tune/1: which settings were measured on this box, and which were kept."""

from __future__ import annotations

from typing import Literal

from appliance.core.errors import Interrupted
from appliance.core.i18n import say
from appliance.core.inventory import Document

Goal = Literal["throughput", "first-token"]


class Trial(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.trial/1"):
    """One setting and what it gave; `fault` instead of figures where it did not serve."""

    settings: dict[str, str]
    decode_tps_one: float | None = None
    decode_tps_all: float | None = None
    first_token_s: float | None = None
    seconds: float
    fault: str | None = None


class Tune(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.tune/1"):
    """The end of `tune`: `trials` in the order they were made, the first as it was before.

    `load_s` is what one start takes, where that is known.
    """

    deployment: str
    variant: str
    goal: Goal
    users: int
    trials: list[Trial]
    kept: dict[str, str]
    changed: bool
    seconds: float
    load_s: float | None = None


def broken_off() -> Interrupted:
    """What whoever ends a run is told: nothing of what it measured is kept."""
    return Interrupted(
        say("interrupted"),
        hint=say("what is served goes on being served; the same command measures anew"),
    )
