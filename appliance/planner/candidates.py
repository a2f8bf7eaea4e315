"""One model, one engine, one kind of card: the best to be made of them, or why nothing can."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.core.i18n import say
from appliance.core.plan import Choice, Memory, Rejection, Speed, Wish
from appliance.engines.recipes import Recipe
from appliance.planner.measured import needs_engine, with_engine
from appliance.planner.memory import Setup
from appliance.planner.model import Model
from appliance.planner.people import capacity, context_of, streams_of
from appliance.planner.placement import Place
from appliance.planner.rules import rules
from appliance.planner.safetensors import divides
from appliance.planner.sizing import fits, size
from appliance.planner.speed import (
    Machine,
    decode_step_s,
    machine_of_host,
    machine_of_layers,
    machine_of_ranks,
    prompt_s,
)
from appliance.planner.starts import refusal, rejection

CARD_COUNTS_IN_PARALLEL = (1, 2, 4, 8, 16)


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
    context = context_of(wish.context, model)
    for cards in _card_counts(model, recipe, place):
        machine = machine_for(model, place, cards)
        setup = Setup(context=context, slots=1)
        streams = streams_of(wish.users, model, machine, setup)
        replicas = _replicas(place, cards, streams)
        slots = _slots(wish, recipe, streams, replicas)
        found = _largest_that_fits(wish, model, recipe, place, cards, context, slots)
        if found:
            setup, memory = found
            return _candidate(
                wish, model, recipe, place, setup, memory, machine, streams, replicas, slots
            )
    return _too_big(wish, model, recipe, place, context)


def _is_tensor(model: Model) -> bool:
    return model.format == "safetensors"


def _card_counts(model: Model, recipe: Recipe, place: Place) -> Iterator[int]:
    """How many cards to try, few first: fewer cards are faster per card and leave room."""
    if place.is_host:
        yield 1
        return
    most = min(len(place.cards), recipe.limits.max_cards or len(place.cards))
    for count in range(_least_cards(model, place), most + 1):
        if not _is_tensor(model) or _divides(model, count):
            yield count


def _least_cards(model: Model, place: Place) -> int:
    """Fewer cards could not even hold the weights."""
    weights = model.tensor_mib - model.embedding_mib
    return math.ceil(weights / place.available_mib) if place.available_mib else 1


def _divides(model: Model, ranks: int) -> bool:
    return ranks in CARD_COUNTS_IN_PARALLEL and divides(model.architecture, ranks)


def machine_for(model: Model, place: Place, cards: int) -> Machine:
    """What computes when `model` runs on the first `cards` cards of `place`."""
    a = model.architecture
    if place.is_host:
        return machine_of_host(a, place.host, place.facts)
    if _is_tensor(model):
        return machine_of_ranks(a, cards, place.facts)
    return machine_of_layers(a, cards, place.arch, place.facts)


def _replicas(place: Place, cards: int, streams: int) -> int:
    """More replicas where there are cards for them and more than a few requests at once."""
    possible = 1 if place.is_host else len(place.cards) // cards
    return max(1, min(possible, math.ceil(streams / 4)))


def _slots(wish: Wish, recipe: Recipe, streams: int, replicas: int) -> int:
    """Conversations of one replica: those at work, and one more so that nobody waits for long."""
    spare = 1 if wish.users > 1 else 0
    wanted = math.ceil(streams / replicas) + spare
    most = min(recipe.limits.max_slots or rules().people.slots_max, rules().people.slots_max)
    return max(1, min(wanted, most, wish.users))


def _largest_that_fits(
    wish: Wish, model: Model, recipe: Recipe, place: Place, cards: int, context: int, slots: int
) -> tuple[Setup, Memory] | None:
    """All slots with all the context; else a smaller cache, fewer slots, less context."""
    for tokens in _contexts(wish, context):
        for count in _slot_counts(slots):
            for kv_type in _kv_types(model, recipe):
                setup = Setup(context=tokens * count, slots=count, kv_type=kv_type)
                memory = size(model, recipe, place, setup, cards)
                if fits(memory, model):
                    return setup, memory
    return None


def _kv_types(model: Model, recipe: Recipe) -> tuple[str, ...]:
    """The full cache, then one of 8 bits where the engine has it and it is not small anyway."""
    small = model.architecture.is_mla or bool(model.architecture.compress_ratios)
    return ("f16",) if small or "q8_0" not in recipe.limits.kv_types else ("f16", "q8_0")


def _contexts(wish: Wish, context: int) -> Iterator[int]:
    yield context
    least = rules().people.context_min
    while wish.context is None and context > least:
        context = max(least, context // 2)
        yield context


def _slot_counts(slots: int) -> Iterator[int]:
    while slots > 1:
        yield slots
        slots = slots * 2 // 3
    yield 1


def _candidate(
    wish: Wish,
    model: Model,
    recipe: Recipe,
    place: Place,
    setup: Setup,
    memory: Memory,
    machine: Machine,
    streams: int,
    replicas: int,
    slots: int,
) -> Candidate:
    busy = max(1, min(math.ceil(streams / replicas), setup.slots))
    speed = speed_of(model, machine, setup, busy, replicas)
    cards = len(memory.per_card)
    tensor = cards if _is_tensor(model) else 1
    used = place.cards[: cards * replicas]
    choice = Choice(
        model=model.id,
        variant=model.variant,
        engine=recipe.engine,
        recipe=recipe.id,
        cards=[card.id for card in used],
        tensor_parallel=tensor,
        pipeline_parallel=1 if tensor > 1 else cards,
        replicas=replicas,
        context=setup.context // setup.slots,
        slots=setup.slots,
        kv_type=setup.kv_type,
        ubatch=setup.ubatch,
        fits=True,
        memory=memory,
        speed=speed,
    )
    people, people_tps = capacity(model, machine, setup, replicas)
    usable = (speed.decode_tps_one or 0.0) >= rules().speed.usable_tps and (
        speed.first_token_s or 0.0
    ) <= rules().people.patience_s
    shared = 1 / decode_step_s(model, machine, setup, busy)
    enough = setup.slots >= slots and setup.context >= context_of(wish.context, model)
    return Candidate(
        model=model,
        recipe=recipe,
        place=place,
        choice=choice,
        people=people,
        people_tps=people_tps,
        meets_wish=enough and shared >= rules().speed.usable_tps,
        usable=usable,
    )


def speed_of(model: Model, machine: Machine, setup: Setup, busy: int, replicas: int) -> Speed:
    """One stream alone, and `busy` at once on each of `replicas`."""
    one = 1 / decode_step_s(model, machine, setup, 1)
    together = busy / decode_step_s(model, machine, setup, busy) * replicas
    prompt = rules().people.prompt_tokens
    seconds = prompt_s(model, machine, prompt)
    return Speed(
        decode_tps_one=round(one, 1),
        decode_tps_all=round(together, 1),
        prefill_tps=round(prompt / seconds, 1),
        first_token_s=round(seconds + 1 / one, 2),
        method="roofline",
    )


def sized(one: Candidate, cache: Path) -> Candidate:
    """`one` with the engine's own figures where a formula is only a fit."""
    choice = one.choice
    if choice.tensor_parallel > 1 or not needs_engine(one.model.architecture):
        return one
    setup = Setup(context=choice.context * choice.slots, slots=choice.slots)
    memory = with_engine(choice.memory, one.model, setup, cache)
    choice = msgspec.structs.replace(choice, memory=memory, fits=fits(memory, one.model))
    return msgspec.structs.replace(one, choice=choice)


def _too_big(wish: Wish, model: Model, recipe: Recipe, place: Place, context: int) -> Rejection:
    """What the smallest setup would take, and what is there."""
    if place.available_mib is None:
        return rejection(
            model,
            recipe.engine,
            "MEMORY-UNKNOWN",
            say("how much memory {card} has is not known", card=place.name),
            say("check `appliance detect`: the driver does not tell the memory of this card"),
        )
    least = context if wish.context else min(context, rules().people.context_min)
    counts = list(_card_counts(model, recipe, place)) or [1]
    memory = size(model, recipe, place, Setup(context=least), counts[-1])
    needs = sum(card.total_mib for card in memory.per_card) / 1024
    has = place.available_mib * counts[-1] / 1024
    return rejection(
        model,
        recipe.engine,
        "TOO-BIG",
        say("needs {needs:.1f} GiB, there are {has:.1f} GiB", needs=needs, has=has),
        say("choose a smaller model or a smaller quantization, or add memory"),
    )
