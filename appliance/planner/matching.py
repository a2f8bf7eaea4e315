"""A model, an engine and a kind of card: how they could be set up, best first."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator

import msgspec

from appliance.core.plan import Memory, Wish
from appliance.engines.classes import drafts_of
from appliance.engines.recipes import Recipe
from appliance.planner.memory import Setup
from appliance.planner.model import Model
from appliance.planner.observed import learnt
from appliance.planner.people import context_of, habits_of, streams_of
from appliance.planner.placement import Place
from appliance.planner.rules import rules
from appliance.planner.safetensors import divides
from appliance.planner.sizing import fits, size
from appliance.planner.speed import Machine, machine_for

RANKS = (1, 2, 4, 8, 16)
HOST_UBATCH = 2048
"""Tokens of a prompt for which experts are brought over from the host: more share the way."""
STREAMS_PER_REPLICA = 4
"""Requests at once from which a second replica is better than longer waits at the first."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Who works: `slots` conversations on each of `replicas`, of which `streams` ask at once."""

    machine: Machine
    streams: int
    replicas: int
    slots: int

    @property
    def busy(self) -> int:
        """Requests at once on one replica."""
        return math.ceil(self.streams / self.replicas)


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A setup that fits, and the load it is for; `host_layers` keep their experts in the host."""

    load: Load
    setup: Setup
    memory: Memory
    host_layers: int = 0


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What may go together."""

    wish: Wish
    model: Model
    recipe: Recipe
    place: Place

    @property
    def context(self) -> int:
        """Tokens of one conversation that are wished for, or usual."""
        return context_of(self.wish, self.model)

    @property
    def drafts(self) -> int:
        """Tokens that the engine drafts for each."""
        return drafts_of(self.model.id, self.recipe.engine, self.recipe.command, self.place.arch)

    def best_fit(self) -> Fit | None:
        """On as few cards as hold all that is wished, else on as few as it fits on at all."""
        reduced = None
        for cards in self.card_counts():
            fit = self._fit_on(cards)
            if fit and self._is_whole(fit):
                return fit
            reduced = reduced or fit
        return reduced or self._with_host()

    def _fit_on(self, cards: int) -> Fit | None:
        if self._memory_on(self._smallest(), cards) is None:
            return None
        load = self._load(cards)
        for setup in self._setups(load.slots):
            if memory := self._memory_on(setup, cards):
                return Fit(load=load, setup=setup, memory=memory)
        return None

    def _memory_on(self, setup: Setup, cards: int) -> Memory | None:
        """What it takes, if there is room for it."""
        memory = size(self.model, self.recipe, self.place, setup, cards)
        return memory if fits(memory, self.model) and self.host_has_room(memory) else None

    def _smallest(self) -> Setup:
        """The setup that takes least of all."""
        return Setup(context=min(self._contexts()), kv_type=self._kv_types()[-1])

    def _with_host(self) -> Fit | None:
        """One card, and as many layers' experts in host memory as the card has no room for."""
        a, host_mib = self.model.architecture, self.place.host_available_mib or math.inf
        together = (self.place.available_mib or 0.0) + host_mib
        able = self.recipe.limits.host_experts and not self.place.shares_host
        if not (a.is_moe and able and self.model.tensor_mib < together):
            return None
        for setup in self._setups(self._load(1, a.layers).slots):
            wide = msgspec.structs.replace(setup, ubatch=HOST_UBATCH)
            if self._card_has_room(wide, a.layers):
                return self._fewest_in_host(wide)
        return None

    def _fewest_in_host(self, setup: Setup) -> Fit | None:
        every = range(1, self.model.architecture.layers + 1)
        fewest = every[bisect_left(every, True, key=lambda n: self._card_has_room(setup, n))]
        memory = size(self.model, self.recipe, self.place, setup, 1, fewest)
        if not self.host_has_room(memory):
            return None
        return Fit(load=self._load(1, fewest), setup=setup, memory=memory, host_layers=fewest)

    def _card_has_room(self, setup: Setup, host_layers: int) -> bool:
        memory = size(self.model, self.recipe, self.place, setup, 1, host_layers)
        return fits(memory, self.model)

    def host_has_room(self, memory: Memory) -> bool:
        """Whether the server's own memory has what is wanted of it beside the cards."""
        has = self.place.host_available_mib
        if self.place.is_host or has is None:
            return True
        shared = sum(card.total_mib for card in memory.per_card) if self.place.shares_host else 0.0
        return memory.host_mib + shared <= has

    def _is_whole(self, fit: Fit) -> bool:
        slots, context = fit.setup.slots, fit.setup.context
        return slots >= fit.load.slots and context >= self.context * slots

    def smallest_memory(self) -> Memory:
        """The least it could take, on all cards."""
        cards = max(self.card_counts(), default=len(self.place.cards))
        return size(self.model, self.recipe, self.place, self._smallest(), cards)

    def card_counts(self) -> Iterator[int]:
        """How many cards to try, few first; not so few that they cannot hold the weights."""
        if self.place.is_host:
            yield 1
            return
        most = min(len(self.place.cards), self.recipe.limits.max_cards or len(self.place.cards))
        weights = self.model.tensor_mib - self.model.embedding_mib
        available = self.place.available_mib
        least = max(1, math.ceil(weights / available)) if available else 1
        for count in range(least, most + 1):
            if not self.model.is_tensor_parallel or self._divides(count):
                yield count

    def ranks(self, cards: int) -> int | None:
        """How many of `cards` share a layer; `None` where the engine cannot deal with so many."""
        return self.recipe.limits.ranks(cards, experts=self.model.architecture.is_moe)

    def _divides(self, cards: int) -> bool:
        ranks = self.ranks(cards) if cards in RANKS else None
        return ranks is not None and divides(self.model, ranks)

    def fits_undivided(self) -> bool:
        """Whether all cards together had room, if only the heads could be dealt out to them."""
        count = len(self.place.cards)
        if not self.model.is_tensor_parallel or self._divides(count):
            return False
        return self._memory_on(self._smallest(), count) is not None

    def _load(self, cards: int, host_layers: int = 0) -> Load:
        machine = machine_for(
            self.model, self.place, cards, host_layers, self.ranks(cards), self.drafts
        )
        machine = learnt(machine, self.model, self.recipe, self.place, cards)
        setup = Setup(context=self.context)
        habits = habits_of(self.wish)
        streams = streams_of(self.wish.users, self.model, machine, setup, habits)
        alone = self.place.is_host or host_layers
        possible = 1 if alone else len(self.place.cards) // cards
        replicas = max(1, min(possible, math.ceil(streams / STREAMS_PER_REPLICA)))
        return Load(
            machine=machine,
            streams=streams,
            replicas=replicas,
            slots=self._slots(streams, replicas),
        )

    def _slots(self, streams: int, replicas: int) -> int:
        """Those at work on average and twice their deviation: nineteen of twenty need not wait."""
        busy = math.ceil(streams / replicas)
        wanted = busy + math.ceil(2 * math.sqrt(busy)) if self.wish.users > 1 else busy
        most = rules().people.slots_max
        return max(1, min(wanted, self.recipe.limits.max_slots or most, most, self.wish.users))

    def _setups(self, slots: int) -> Iterator[Setup]:
        """All slots with all the context; else a smaller cache, fewer slots, less context."""
        for context in self._contexts():
            for count in _fewer(slots):
                for kv_type in self._kv_types():
                    yield Setup(context=context * count, slots=count, kv_type=kv_type)

    def _contexts(self) -> Iterator[int]:
        context, least = self.context, rules().people.context_min
        yield context
        while self.wish.context is None and context > least:
            context = max(least, context // 2)
            yield context

    def _kv_types(self) -> tuple[str, ...]:
        """The full cache, then one of 8 bits where the engine has it and it is not small anyway."""
        a = self.model.architecture
        small = a.is_mla or bool(a.compress_ratios)
        has_bytes = "q8_0" in self.recipe.limits.kv_types
        return ("f16", "q8_0") if has_bytes and not small else ("f16",)


def _fewer(slots: int) -> Iterator[int]:
    while slots > 1:
        yield slots
        slots = slots * 2 // 3
    yield 1
