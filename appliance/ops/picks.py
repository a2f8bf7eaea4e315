"""The planner's three picks, and which choice an operator means by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from appliance.core.plan import Choice, Pick

PICKS: tuple[str, ...] = get_args(Pick)


def picked(choices: Sequence[Choice], pick: str | None) -> Choice:
    """The choice that is the `pick`; the best one where no pick is named or none is marked."""
    return next((choice for choice in choices if pick and choice.pick == pick), choices[0])


def three(choices: Sequence[Choice]) -> list[Choice]:
    """The choices worth showing: the planner's picks, else the best of three families."""
    marked = [choice for pick in PICKS for choice in choices if choice.pick == pick]
    if marked:
        return marked
    best: dict[str, Choice] = {}
    for choice in choices:
        best.setdefault(choice.model, choice)
    return list(best.values())[:3]
