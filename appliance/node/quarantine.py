"""Judging cards: which must not serve any more (`quarantine.toml`)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

from appliance.core.i18n import Text, say
from appliance.core.inventory import Card
from appliance.core.sample import CardSample
from appliance.hardware.cards import facts
from appliance.hardware.problems import DEFAULT_CRITICAL_C


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reason; what is not named does not matter to it."""

    code: str
    states: list[str] = []
    rises: str | None = None
    above_critical: bool = False
    health: list[str] = []
    throttle: list[str] = []
    for_s: float = 0.0


class Verdict(msgspec.Struct, frozen=True):
    """Why a card must not serve."""

    code: str
    reason: Text


class _File(msgspec.Struct, forbid_unknown_fields=True):
    rule: list[Rule]


@cache
def rules() -> list[Rule]:
    """All rules, the gravest first."""
    text = files("appliance.node").joinpath("quarantine.toml").read_bytes()
    return msgspec.toml.decode(text, type=_File).rule


class CardJudge:
    """Judges one card from what is seen of it over time."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._first: dict[str, int] = {}

    def judge(self, card: Card | None, sample: CardSample | None, now: float) -> Verdict | None:
        """`card` is `None` where the inventory has it no more; `now` in monotonic seconds."""
        for rule in rules():
            reason = self._holds(rule, card, sample)
            if reason is None:
                self._since.pop(rule.code, None)
            elif now - self._since.setdefault(rule.code, now) >= rule.for_s:
                return Verdict(rule.code, reason)
        return None

    def _holds(self, rule: Rule, card: Card | None, sample: CardSample | None) -> Text | None:
        state = card.state if card else "missing"
        if state in rule.states:
            note = card.notes[0] if card and card.notes else None
            return say("the card is {state}: {note}", state=state, note=note) if note else say(
                "the card is {state}", state=state
            )  # fmt: skip
        if sample is None or card is None:
            return None
        return (
            self._rise(rule, sample)
            or _heat(rule, card, sample)
            or _health(rule, sample)
            or _throttling(rule, sample)
        )

    def _rise(self, rule: Rule, sample: CardSample) -> Text | None:
        count = getattr(sample, rule.rises) if rule.rises else None
        if rule.rises is None or count is None:
            return None
        first = self._first.setdefault(rule.rises, count)
        if count <= first:
            self._first[rule.rises] = count  # a reset begins anew
            return None
        return say("uncorrectable memory errors: {count} (was {first})", count=count, first=first)


def _heat(rule: Rule, card: Card, sample: CardSample) -> Text | None:
    if not rule.above_critical or sample.temp_c is None:
        return None
    kind = facts(card)
    limit = (kind.temp_critical_c if kind else None) or DEFAULT_CRITICAL_C
    if sample.temp_c < limit:
        return None
    return say("{temp} °C, its limit is {limit} °C", temp=sample.temp_c, limit=limit)


def _health(rule: Rule, sample: CardSample) -> Text | None:
    if sample.health is None or sample.health not in rule.health:
        return None
    return say("the driver reports health {word}", word=sample.health)


def _throttling(rule: Rule, sample: CardSample) -> Text | None:
    words = [word for word in sample.throttle or [] if word in rule.throttle]
    if not words:
        return None
    return say("slowed down hard: {words}", words=", ".join(words))
