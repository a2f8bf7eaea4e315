"""Which cards must not serve any more, and which may."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.core.inventory import Card
from appliance.core.sample import CardSample
from appliance.node.quarantine import CardJudge, rules

CARD = Card(id="GPU-1", vendor="nvidia", index=0, name="NVIDIA H100 80GB HBM3")


def sample(**changes: Any) -> CardSample:
    values = {"id": "GPU-1", "temp_c": 60.0, "util_pct": 90.0, "ecc_uncorrected": 0, "throttle": []}
    return CardSample(**{**values, **changes})


def code_after(seconds: float, card: Card | None, reading: CardSample | None) -> str | None:
    """What the same picture leads to after so long."""
    judge = CardJudge()
    judge.judge(CARD, sample(), 0.0)
    judge.judge(card, reading, 1.0)
    verdict = judge.judge(card, reading, 1.0 + seconds)
    return verdict.code if verdict else None


def card(state: str) -> Card:
    return Card(id="GPU-1", vendor="nvidia", state=state)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "seen", "reading", "code"),
    [
        (0.0, None, None, "CARD-LOST"),
        (0.0, card("lost"), None, "CARD-LOST"),
        (1.0, card("no_driver"), None, None),
        (4.0, card("no_driver"), None, "CARD-NO-DRIVER"),
        (10.0, card("no_answer"), None, None),
        (25.0, card("no_answer"), None, "CARD-NO-ANSWER"),
        (0.0, CARD, sample(ecc_uncorrected=1), "ECC-UNCORRECTED"),
        (30.0, CARD, sample(throttle=["thermal"]), None),
        (61.0, CARD, sample(throttle=["thermal"]), "THROTTLE-THERMAL"),
        (600.0, CARD, sample(throttle=["power"]), None),
        (12.0, CARD, sample(temp_c=120.0), "TEMP-CRITICAL"),
        (31.0, CARD, sample(health="critical"), "HEALTH-WORD"),
        (600.0, CARD, sample(health="warning"), None),
        (600.0, CARD, sample(), None),
        (600.0, CARD, None, None),
    ],
)
def test_a_card_is_judged_by_what_lasts(
    seconds: float, seen: Card | None, reading: CardSample | None, code: str | None
) -> None:
    assert code_after(seconds, seen, reading) == code


def test_a_break_begins_the_time_anew() -> None:
    judge = CardJudge()
    hot = sample(throttle=["thermal"])
    for at in range(0, 50, 10):
        assert judge.judge(CARD, hot, at) is None
    assert judge.judge(CARD, sample(), 50.0) is None
    for at in range(60, 110, 10):
        assert judge.judge(CARD, hot, at) is None


def test_errors_of_long_ago_and_a_reset_counter_are_no_rise() -> None:
    judge = CardJudge()

    assert judge.judge(CARD, sample(ecc_uncorrected=7), 0.0) is None
    assert judge.judge(CARD, sample(ecc_uncorrected=0), 1.0) is None
    verdict = judge.judge(CARD, sample(ecc_uncorrected=1), 2.0)
    assert verdict is not None
    assert str(verdict.reason) == "uncorrectable memory errors: 1 (was 0)"


def test_the_reason_names_what_the_driver_said() -> None:
    lost = Card(id="GPU-1", vendor="nvidia", state="lost", notes=["Xid 79: fell off the bus"])
    verdict = CardJudge().judge(lost, None, 0.0)

    assert verdict is not None
    assert str(verdict.reason) == "the card is lost: Xid 79: fell off the bus"


def test_every_rule_can_be_reached() -> None:
    assert {rule.code for rule in rules()} == {
        "CARD-LOST", "CARD-NO-DRIVER", "CARD-NO-ANSWER", "ECC-UNCORRECTED", "TEMP-CRITICAL",
        "HEALTH-WORD", "THROTTLE-THERMAL",
    }  # fmt: skip
