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
    found, _ = candidates(wish, models, recipes, [place])
    first = max(found, key=lambda one: one.order, default=best)
    if first.model.score > best.model.score + BETTER or first.meets_wish > best.meets_wish:
        return first
    same = next((one for one in found if _is_same(one, best)), None)
    if same and most_users(wish, same) > NOTEWORTHY * most_users(wish, best):
        return same
    return None


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
    """The same model on the cards of another kind, under the same name."""
    same = [model for model in models if model.id == best.model.id]
    for place in where:
        if place.is_host or place.cards == best.place.cards:
            continue
        found, _ = candidates(wish, same, recipes, [place])
        usable = [one for one in found if one.usable]
        if not usable:
            continue
        beside = max(usable, key=lambda one: one.order)
        text = say(
            "{model} could run on the {count} x {card} as well ({engine}), under the same name: "
            "{people} people more",
            model=best.model.id,
            count=len(place.cards),
            card=place.name,
            engine=beside.recipe.engine,
            people=most_users(wish, beside),
        )
        yield Improvement(
            what=f"{len(place.cards)} x {place.name}",
            model=beside.model.id,
            variant=beside.model.variant,
            text=str(text),
        )
