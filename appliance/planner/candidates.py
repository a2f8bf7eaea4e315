"""One model, one engine, one kind of card: the best to be made of them, or why nothing can."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from appliance.core.i18n import Text, say
from appliance.core.plan import Choice, Memory, People, Rejection, Speed, Wish
from appliance.engines.recipes import Recipe, load_recipes
from appliance.planner.matching import Fit, Match
from appliance.planner.measured import with_engine
from appliance.planner.memory import Setup
from appliance.planner.model import Model
from appliance.planner.observed import as_observed, observation
from appliance.planner.people import (
    MOST_PEOPLE,
    Crowd,
    Station,
    carried,
    contents,
    experience,
    habits_of,
    largest,
)
from appliance.planner.placement import Place
from appliance.planner.rules import rules
from appliance.planner.sizing import fits
from appliance.planner.speed import decode_step_s, machine_for, speed_of
from appliance.planner.starts import refusal, rejection

WRECKED = 12.0
"""Points that a quantization costs from which on it is a last resort."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A choice with what it is ordered by; `crowd` is what the wished number of people sees."""

    model: Model
    recipe: Recipe
    place: Place
    choice: Choice
    station: Station
    crowd: Crowd
    meets_wish: bool
    usable: bool
    shortened: bool
    """Whether the model cannot have the context that was wished for."""
    wished_context: int
    wished_first_word_s: float
    stored: bool = False
    everywhere: bool = False
    """Whether every one of several kinds of cards here could serve its family."""

    @property
    def order(self) -> tuple[bool, bool, bool, bool, bool, float]:
        """Bigger is better: a bearable speed, on a card, the wish, a place to get it, sound, worth.

        That the processor could do it, too, is no reason to leave the cards idle.
        """
        on_card, sound = not self.place.is_host, self.model.damage < WRECKED
        return (self.usable, on_card, self.meets_wish, self.available, sound, self.worth)

    @property
    def available(self) -> bool:
        """Whether it is here, or a place to fetch it from is known."""
        return self.stored or self.model.downloadable

    @property
    def worth(self) -> float:
        """Capability, and a little for noticeable speed, for being here, for being official, for
        leaving no card idle.
        """
        speed = rules().speed
        tps = min(self.choice.speed.decode_tps_one or 0.0, speed.enough_tps)
        gain = speed.worth_of_twice * math.log2(max(tps, 0.1) / speed.usable_tps)
        people = rules().people
        stored = people.worth_of_stored if self.stored else 0.0
        official = people.worth_of_official if self.model.official else 0.0
        shared = people.worth_of_every_card if self.everywhere else 0.0
        late = math.log2(max(1.0, self.crowd.first_word_s / people.first_word_s))
        cache = rules().quality.get(f"cache-{self.choice.kv_type}", 0.0)
        score = self.model.score - cache + gain + stored + official + shared
        return score - late * people.worth_of_wait


def candidate(wish: Wish, model: Model, recipe: Recipe, place: Place) -> Candidate | Rejection:
    """The best way of `recipe` to serve `model` at `place`, or the reason why there is none."""
    refused = refusal(model, recipe, place)
    if refused:
        return refused
    match = Match(wish=wish, model=model, recipe=recipe, place=place)
    fit = match.best_fit()
    return _candidate(match, fit) if fit else _too_big(match)


def candidates(
    wish: Wish, models: Sequence[Model], recipes: Sequence[Recipe], where: Sequence[Place]
) -> tuple[list[Candidate], list[Rejection]]:
    """Every model with every engine at every place: what works, and why the rest does not."""
    found: list[Candidate] = []
    rejected: list[Rejection] = []
    pairs = [
        (recipe, place) for place in where for recipe in recipes if recipe.takes(place.typical)
    ]
    for model in models:
        engines = [pair for pair in pairs if model.format in pair[0].formats]
        if not engines:
            rejected.append(_no_engine(model, where))
        for recipe, place in engines:
            outcome = candidate(wish, model, recipe, place)
            if isinstance(outcome, Candidate):
                found.append(outcome)
            else:
                rejected.append(outcome)
    return found, rejected


def _no_engine(model: Model, where: Sequence[Place]) -> Rejection:
    return rejection(
        model,
        "",
        "NO-ENGINE",
        say(
            "no engine here serves {format} on {cards}",
            format=model.format,
            cards=", ".join(dict.fromkeys(place.name for place in where)),
        ),
        _engine_to_install(model, where)
        or say("choose a GGUF variant, or see `appliance engines list`"),
    )


def _engine_to_install(model: Model, where: Sequence[Place]) -> Text | None:
    """How an engine for it comes here that is offered only once it is installed."""
    for recipe in load_recipes():
        takes = [place for place in where if recipe.takes(place.typical) and _holds(place, model)]
        able = model.format in recipe.formats and recipe.environment and not recipe.instead_of
        if able and any(refusal(model, recipe, place) is None for place in takes):
            return say("appliance engines install {environment}", environment=recipe.environment)
    return None


def _holds(place: Place, model: Model) -> bool:
    return model.tensor_mib < (place.available_mib or 0.0) * len(place.cards)


def people_of(wish: Wish, one: Candidate, *, most: bool) -> People | None:
    """What `one` means to people; with `most`, also how many it could be planned for."""
    crowd = carried(wish, one.station)
    if crowd is None:
        return None
    return People(
        users=crowd.users,
        first_word_s=round(crowd.first_word_s, 1),
        words_per_s=round(crowd.tps * rules().people.words_per_token, 1),
        most_users=max(crowd.users, most_users(wish, one)) if most else None,
    )


def most_users(wish: Wish, one: Candidate) -> int:
    """For how many people `one` could be planned on all of its place."""

    def serves(users: int) -> bool:
        asked = msgspec.structs.replace(wish, users=users)
        outcome = candidate(asked, one.model, one.recipe, one.place)
        return isinstance(outcome, Candidate) and outcome.meets_wish

    return largest(serves, MOST_PEOPLE)


def sized(one: Candidate, cache: Path) -> Candidate:
    """`one` with the engine's own figures; unchanged where it cannot be asked."""
    choice = one.choice
    setup = Setup(
        context=choice.context * choice.slots,
        slots=choice.slots,
        kv_type=choice.kv_type,
        ubatch=choice.ubatch,
    )
    memory = with_engine(choice.memory, one.model, setup, cache)
    choice = msgspec.structs.replace(choice, memory=memory, fits=fits(memory, one.model))
    return msgspec.structs.replace(one, choice=choice)


def _candidate(match: Match, fit: Fit) -> Candidate:
    model, load, setup, wish = match.model, fit.load, fit.setup, match.wish
    station = Station(
        model=model,
        machine=load.machine,
        setup=setup,
        replicas=load.replicas,
        habits=habits_of(wish),
    )
    busy = min(load.busy, setup.slots)
    speed = speed_of(model, load.machine, setup, busy, load.replicas)
    first_s = station.prompt_s + station.step_s(1)
    speed = _observed(msgspec.structs.replace(speed, first_token_s=round(first_s, 2)), match, fit)
    crowd = experience(station, wish.users)
    wished_context = wish.context or match.context
    long_enough = setup.context // setup.slots >= wished_context
    return Candidate(
        model=model,
        recipe=match.recipe,
        place=match.place,
        choice=_choice(match, fit, speed),
        station=station,
        crowd=crowd,
        meets_wish=long_enough and contents(wish, station, crowd),
        usable=_is_bearable(speed),
        shortened=match.context < (wish.context or 0),
        wished_context=wished_context,
        wished_first_word_s=wish.first_word_s or rules().people.first_word_s,
    )


def _observed(speed: Speed, match: Match, fit: Fit) -> Speed:
    """`speed` as it was measured here, if it was; then also what had been foretold."""
    cards = len(fit.memory.per_card)
    seen = observation(match.model, match.recipe, match.place, cards)
    if seen is None:
        return speed
    foretold = machine_for(
        match.model, match.place, cards, fit.host_layers, match.ranks(cards), match.drafts
    )
    setup = Setup(context=seen.context * seen.slots, slots=seen.slots)
    return as_observed(speed, seen, 1 / decode_step_s(match.model, foretold, setup))


def _is_bearable(speed: Speed) -> bool:
    """Whether one person alone would wait for it, also where the prediction was too hopeful."""
    slowest, _ = speed.decode_tps_one_range or (speed.decode_tps_one or 0.0, 0.0)
    tps, wait_s = slowest, speed.first_token_s or 0.0
    return tps >= rules().speed.usable_tps and wait_s <= rules().people.patience_s


def _choice(match: Match, fit: Fit, speed: Speed) -> Choice:
    cards = len(fit.memory.per_card)
    used = match.place.taken(cards, fit.load.replicas)
    tensor = match.model.is_tensor_parallel
    return Choice(
        model=match.model.id,
        variant=match.model.variant,
        engine=match.recipe.engine,
        recipe=match.recipe.id,
        cards=[card.id for card in used],
        tensor_parallel=cards if tensor else 1,
        pipeline_parallel=1 if tensor else cards,
        replicas=fit.load.replicas,
        context=fit.setup.context // fit.setup.slots,
        slots=fit.setup.slots,
        kv_type=fit.setup.kv_type,
        ubatch=fit.setup.ubatch,
        fits=True,
        memory=fit.memory,
        speed=speed,
        host_layers=fit.host_layers,
        form=match.model.form,
    )


def _too_big(match: Match) -> Rejection:
    """What the smallest setup would take, and what is there."""
    available = match.place.available_mib
    if available is None:
        return rejection(
            match.model,
            match.recipe.engine,
            "MEMORY-UNKNOWN",
            say("how much memory {card} has is not known", card=match.place.name),
            say("give the memory of the host in the inventory")
            if match.place.is_host
            else say("check `appliance detect`: the driver does not tell the memory of this card"),
        )
    if match.fits_undivided():
        return _indivisible(match)
    memory = match.smallest_memory()
    if fits(memory, match.model) and not match.host_has_room(memory):
        return _host_too_small(match, memory)
    needs = sum(card.total_mib for card in memory.per_card) / 1024
    has = available * len(memory.per_card) / 1024
    return rejection(
        match.model,
        match.recipe.engine,
        "TOO-BIG",
        say("needs {needs:.1f} GiB, there are {has:.1f} GiB", needs=needs, has=has),
        say("choose a smaller model or a smaller quantization, or add memory"),
    )


def _host_too_small(match: Match, memory: Memory) -> Rejection:
    cards = sum(card.total_mib for card in memory.per_card) if match.place.shares_host else 0.0
    return rejection(
        match.model,
        match.recipe.engine,
        "TOO-BIG",
        say(
            "needs {needs:.1f} GiB of the server's memory, there are {has:.1f} GiB",
            needs=(memory.host_mib + cards) / 1024,
            has=(match.place.host_available_mib or 0.0) / 1024,
        ),
        say("choose a smaller model or a smaller quantization, or add memory"),
    )


def _indivisible(match: Match) -> Rejection:
    cards = len(match.place.cards)
    return rejection(
        match.model,
        match.recipe.engine,
        "CARDS-INDIVISIBLE",
        say(
            "{heads} heads and blocks of weights cannot be dealt out evenly to {cards} cards",
            heads=match.model.architecture.heads,
            cards=cards,
        ),
        say("use 2, 4, 8 or 16 cards, or a GGUF variant, whose layers are dealt out"),
    )
