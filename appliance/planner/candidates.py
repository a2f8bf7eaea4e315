"""One model, one engine, one kind of card: the best to be made of them, or why nothing can."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from appliance.core.i18n import say
from appliance.core.plan import Choice, Rejection, Speed, Wish
from appliance.engines.recipes import Recipe
from appliance.planner.matching import Fit, Match
from appliance.planner.measured import needs_engine, with_engine
from appliance.planner.memory import Setup
from appliance.planner.model import Model
from appliance.planner.people import capacity
from appliance.planner.placement import Place
from appliance.planner.rules import rules
from appliance.planner.sizing import fits
from appliance.planner.speed import decode_step_s, speed_of
from appliance.planner.starts import refusal, rejection


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A choice with what it is ordered by, and how many `people` could chat at what speed."""

    model: Model
    recipe: Recipe
    place: Place
    choice: Choice
    people: int
    people_tps: float
    meets_wish: bool
    usable: bool
    shortened: bool
    """Whether the model cannot have the context that was wished for."""
    stored: bool = False

    @property
    def order(self) -> tuple[bool, bool, bool, float]:
        """Bigger is better: a bearable speed, the wish, a place to get it, then its worth."""
        return (self.usable, self.meets_wish, self.stored or self.model.downloadable, self.worth)

    @property
    def worth(self) -> float:
        """Capability, a little for speed up to what people notice, a little for being here."""
        speed = rules().speed
        tps = min(self.choice.speed.decode_tps_one or 0.0, speed.enough_tps)
        gain = speed.worth_of_twice * math.log2(max(tps, 0.1) / speed.usable_tps)
        stored = rules().people.worth_of_stored if self.stored else 0.0
        cache = rules().quality.get(f"cache-{self.choice.kv_type}", 0.0)
        return self.model.score - cache + gain + stored


def candidate(wish: Wish, model: Model, recipe: Recipe, place: Place) -> Candidate | Rejection:
    """The best way of `recipe` to serve `model` at `place`, or the reason why there is none."""
    refused = refusal(model, recipe, place)
    if refused:
        return refused
    match = Match(wish=wish, model=model, recipe=recipe, place=place)
    fit = match.best_fit()
    return _candidate(match, fit) if fit else _too_big(match)


def sized(one: Candidate, cache: Path) -> Candidate:
    """`one` with the engine's own figures where a formula is only a fit."""
    choice = one.choice
    if one.model.is_tensor_parallel or not needs_engine(one.model.architecture):
        return one
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
    model, load, setup = match.model, fit.load, fit.setup
    busy = min(load.busy, setup.slots)
    speed = speed_of(model, load.machine, setup, busy, load.replicas)
    people, people_tps = capacity(model, load.machine, setup, load.replicas)
    wanted = match.wish.context or match.context
    everybody = setup.slots >= load.slots and setup.context // setup.slots >= wanted
    shared_tps = 1 / decode_step_s(model, load.machine, setup, busy)
    return Candidate(
        model=model,
        recipe=match.recipe,
        place=match.place,
        choice=_choice(match, fit, speed),
        people=people,
        people_tps=people_tps,
        meets_wish=everybody and shared_tps >= rules().speed.usable_tps,
        usable=_is_bearable(speed),
        shortened=match.context < (match.wish.context or 0),
    )


def _is_bearable(speed: Speed) -> bool:
    """Whether one person alone would wait for it."""
    tps, wait_s = speed.decode_tps_one or 0.0, speed.first_token_s or 0.0
    return tps >= rules().speed.usable_tps and wait_s <= rules().people.patience_s


def _choice(match: Match, fit: Fit, speed: Speed) -> Choice:
    cards = len(fit.memory.per_card)
    used = match.place.cards[: cards * fit.load.replicas]
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
            say("check `appliance detect`: the driver does not tell the memory of this card"),
        )
    memory = match.smallest_memory()
    needs = sum(card.total_mib for card in memory.per_card) / 1024
    has = available * len(memory.per_card) / 1024
    return rejection(
        match.model,
        match.recipe.engine,
        "TOO-BIG",
        say("needs {needs:.1f} GiB, there are {has:.1f} GiB", needs=needs, has=has),
        say("choose a smaller model or a smaller quantization, or add memory"),
    )
