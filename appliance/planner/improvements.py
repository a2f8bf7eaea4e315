"""What more hardware would buy: further cards of the kind, or the other cards of the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from appliance.core.i18n import say
from appliance.core.plan import Improvement, Wish
from appliance.engines.recipes import Recipe
from appliance.planner.candidates import Candidate, candidates, most_users
from appliance.planner.model import Model
from appliance.planner.picks import NOTEWORTHY
from appliance.planner.placement import Place

BETTER = 3.0
"""Points of capability that are worth buying something."""


def improvements(
    wish: Wish,
    models: Sequence[Model],
    recipes: Sequence[Recipe],
    where: Sequence[Place],
    best: Candidate,
) -> list[Improvement]:
    """What would be better than `best` with one card more, or with twice as many, and why."""
    if best.place.is_host:
        return []
    found = list(_other_cards(wish, models, recipes, where, best))
    if best.place.shares_host:
        return found
    for more in (1, len(best.place.cards)):
        place = _with_more(best.place, more)
        bought = _bought(wish, models, recipes, place, best)
        if bought:
            what = f"{more} x {best.place.name}"
            return [_improvement(what, more, best, bought, wish), *found]
    return found


def _with_more(place: Place, more: int) -> Place:
    for _ in range(more):
        place = place.with_one_more()
    return place


def _bought(
    wish: Wish,
    models: Sequence[Model],
    recipes: Sequence[Recipe],
    place: Place,
    best: Candidate,
) -> Candidate | None:
    """The best at `place`, where it is more capable or carries noticeably more people."""
    better = best.model.score + BETTER
    worth_it = [one for one in models if one.score > better or _is_kin(one, best.model)]
    found, _ = candidates(wish, worth_it, recipes, [place])
    first = max(found, key=lambda one: one.order, default=best)
    if first.model.score > better or first.meets_wish > best.meets_wish:
        return first
    same = next((one for one in found if _is_same(one, best)), None)
    if same and most_users(wish, same) > NOTEWORTHY * most_users(wish, best):
        return same
    return None


def _is_kin(one: Model, other: Model) -> bool:
    return one.id == other.id and one.score >= other.score


def _is_same(one: Candidate, other: Candidate) -> bool:
    return one.model.variant == other.model.variant and one.recipe.id == other.recipe.id


def _improvement(
    what: str, more: int, best: Candidate, bought: Candidate, wish: Wish
) -> Improvement:
    card, model = best.place.name, bought.model
    if model.variant != best.model.variant:
        text = say("{count} more {card} would serve {model}: more capable answers",
                   count=more, card=card, model=model.variant)  # fmt: skip
        if model.score <= best.model.score + BETTER:
            text = say("{count} more {card} would serve {model} and meet the whole wish",
                       count=more, card=card, model=model.variant)  # fmt: skip
    else:
        text = say(
            "{count} more {card} would carry {people} people instead of {now}",
            count=more,
            card=card,
            people=most_users(wish, bought),
            now=most_users(wish, best),
        )
    return Improvement(what=what, model=model.id, variant=model.variant, text=str(text))


def _other_cards(
    wish: Wish,
    models: Sequence[Model],
    recipes: Sequence[Recipe],
    where: Sequence[Place],
    best: Candidate,
) -> Iterator[Improvement]:
    """What cards of another kind could do beside: the same model under its name, else another."""
    for place in where:
        if place.is_host or place.cards == best.place.cards:
            continue
        same = [model for model in models if model.id == best.model.id]
        beside = _best_at(wish, same, recipes, place) or _best_at(wish, models, recipes, place)
        if beside:
            yield _beside(wish, best, beside)


def _best_at(
    wish: Wish, models: Sequence[Model], recipes: Sequence[Recipe], place: Place
) -> Candidate | None:
    found, _ = candidates(wish, models, recipes, [place])
    usable = [one for one in found if one.usable and one.available]
    return max(usable, key=lambda one: one.order, default=None)


def _beside(wish: Wish, best: Candidate, beside: Candidate) -> Improvement:
    cards = f"{len(beside.place.cards)} x {beside.place.name}"
    people, variant = most_users(wish, beside), beside.model.variant
    values = {"cards": cards, "model": variant, "people": people}
    text = say("the {cards} could serve {model} beside it to {people} people", **values)
    if beside.model.id == best.model.id:
        text = say("the {cards} could serve {model}, too, to {people} people more", **values)
    return Improvement(what=cards, model=beside.model.id, variant=variant, text=str(text))
