"""The three choices worth showing: best quality, balanced, fastest, and what each gives up."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from appliance.core.i18n import Text, say
from appliance.core.plan import People, Pick
from appliance.planner.candidates import Candidate
from appliance.planner.wording import pace

MOST_GIVEN_UP = 15.0
"""Points of capability below the best from where a fast choice is no choice any more."""
SLOW_TPS = 25.0
"""A best choice below it makes people ask what a fast one would be: then twice as much may go."""
MOST_DAMAGED = 5.0
"""Points that a quantization may cost: whoever wants speed takes a smaller model, not a wreck."""
NOTEWORTHY = 1.25
"""A ratio of speeds or people from which somebody notices."""
_FAST_ENOUGH_TPS = 60.0


def picks_of(ordered: Sequence[Candidate], *, named: bool) -> dict[Pick, Candidate]:
    """The picks among `ordered` (best first); fewer where one choice is best at several things.

    They differ in the kind of model, or, where the model is `named`, in the variant.
    """
    usable = [one for one in ordered if one.usable]
    if not usable:
        return {}
    quality = usable[0]
    picks: dict[Pick, Candidate] = {"quality": quality}
    faster = [one for one in usable if _is_rival(one, quality)]
    if not faster:
        return picks
    fastest = max(faster, key=_tps)
    picks["fastest"] = fastest
    known = {_name(one, named=named) for one in (quality, fastest)}
    between = [one for one in faster if _name(one, named=named) not in known]
    if between:
        picks["balanced"] = max(between, key=_balance)
    return picks


def _is_rival(one: Candidate, quality: Candidate) -> bool:
    """Whether it is noticeably faster, as good for the wish, and not much less capable."""
    most = MOST_GIVEN_UP * (2 if _tps(quality) < SLOW_TPS else 1)
    close = quality.model.score - one.model.score <= most
    sound = one.model.damage <= max(MOST_DAMAGED, quality.model.damage)
    as_good = (one.meets_wish, one.available) >= (quality.meets_wish, quality.available)
    return close and sound and as_good and _tps(one) > NOTEWORTHY * _tps(quality)


def _name(one: Candidate, *, named: bool) -> str:
    return one.model.variant if named else one.model.architecture.id


def _tps(one: Candidate) -> float:
    return one.choice.speed.decode_tps_one or 0.0


def _balance(one: Candidate) -> float:
    return one.model.score + min(_tps(one), _FAST_ENOUGH_TPS) / 3


def role_of(pick: Pick) -> Text:
    """What a pick is good for."""
    return {
        "quality": say("best quality that fits and meets the wish"),
        "balanced": say("balanced between quality and speed"),
        "fastest": say("fastest, with less capable answers"),
    }[pick]


def gives_up(
    one: Candidate, picks: Mapping[Pick, Candidate], people: Mapping[Pick, People]
) -> list[str]:
    """What `one` lacks beside the other picks."""
    others = list(picks.values())
    texts = [
        *_capability(one, max(others, key=lambda other: other.model.score)),
        *_speed(one, max(others, key=_tps)),
        *_people(next(people[pick] for pick in picks if picks[pick] is one), people.values()),
    ]
    return [str(text) for text in texts]


def _capability(one: Candidate, best: Candidate) -> Iterator[Text]:
    gap = best.model.score - one.model.score
    if gap >= 15:
        yield say("its answers are much less capable than those of {model}", model=best.model.title)
    elif gap >= 5:
        yield say("its answers are less capable than those of {model}", model=best.model.title)
    elif gap >= 1:
        yield say("its answers are a little less capable than those of {model}",
                  model=best.model.title)  # fmt: skip


def _speed(one: Candidate, fastest: Candidate) -> Iterator[Text]:
    if _tps(fastest) > NOTEWORTHY * _tps(one):
        yield say("{mine} instead of {best}", mine=pace(_tps(one)), best=pace(_tps(fastest)))


def _people(mine: People, all_of_them: Collection[People]) -> Iterator[Text]:
    most = max(each.most_users or each.users for each in all_of_them)
    own = mine.most_users or mine.users
    if most > NOTEWORTHY * own:
        yield say("at most {mine} instead of {most} people", mine=own, most=most)
