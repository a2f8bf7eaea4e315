"""From people to requests, and back: what a crowd makes of a machine.

People ask, read the answer, think, and ask again: a closed queueing network of N people who think
for Z seconds, and a station whose rate depends on how many requests are at work. Its states are a
birth-death chain: with n requests in it, the next one arrives at (N - n) / Z and the next one ends
at mu(n), what so many requests at once get done on this machine. Both are product form, so only the
means matter, not the distributions. See Lazowska, Zahorjan, Graham, Sevcik, "Quantitative System
Performance" (1984, public), chapters 5 (interactive systems), 6 and 8 (load-dependent stations).

One request of n at work on a replica takes T(n) = answer * step(n) + n * P: every step gives each
one a token, and every prompt, read in P seconds, holds all of them up once. More than fit into the
slots wait in a queue.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import msgspec

from appliance.core.plan import Wish
from appliance.planner.memory import Setup
from appliance.planner.model import Model
from appliance.planner.rules import Habits, rules
from appliance.planner.speed import Machine, decode_step_s, prompt_s

MOST_IN_DETAIL = 1000
"""People up to whom chance matters; a larger crowd is as steady as its mean."""
MOST_PEOPLE = 20_000


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """What each of `users` people sees on average: seconds to the first word, tokens a second."""

    users: int
    first_word_s: float
    tps: float


class Station(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """`replicas` engines, each set up alike, that share the requests evenly."""

    model: Model
    machine: Machine
    setup: Setup
    replicas: int
    habits: Habits

    @property
    def places(self) -> int:
        """Requests that can be at work at once."""
        return self.setup.slots * self.replicas

    @cached_property
    def prompt_s(self) -> float:
        """Seconds in which one prompt is read."""
        return prompt_s(self.model, self.machine, self.habits.prompt_tokens)

    @cached_property
    def _steps_s(self) -> Sequence[float]:
        counts = range(1, self.setup.slots + 1)
        return [decode_step_s(self.model, self.machine, self.setup, n) for n in counts]

    def step_s(self, busy: float) -> float:
        """Seconds a token takes with `busy` requests at work on one replica."""
        return self._steps_s[min(self.setup.slots, max(1, math.ceil(busy))) - 1]

    @cached_property
    def _rates(self) -> Sequence[float]:
        """Requests that one replica ends in a second, with 0, 1, 2 … at work."""
        times = [
            self.habits.answer_tokens * step + busy * self.prompt_s
            for busy, step in enumerate(self._steps_s, 1)
        ]
        return [0.0, *(busy / time for busy, time in enumerate(times, 1))]

    def rate(self, requests: int) -> float:
        """Requests that end in a second while so many are at work or wait."""
        each, more = divmod(min(requests, self.places), self.replicas)
        few = (self.replicas - more) * self._rates[each]
        return few + more * self._rates[each + 1] if more else few


def habits_of(wish: Wish) -> Habits:
    """What the wish assumes of people: its own numbers, else those of its style."""
    people = rules().people
    usual = people.style.get(wish.style) or Habits(
        people.prompt_tokens, people.answer_tokens, people.think_s
    )
    return Habits(
        wish.prompt_tokens or usual.prompt_tokens,
        wish.answer_tokens or usual.answer_tokens,
        usual.think_s if wish.think_time_s is None else wish.think_time_s,
    )


def experience(station: Station, users: int) -> Crowd:
    """What `users` people see on average."""
    working, waiting, rate = _means(station, users)
    busy = working / station.replicas
    queue_s = waiting / rate
    answer_s = working / rate - station.prompt_s
    load = min(0.99, rate / station.replicas * station.prompt_s)
    others_s = station.prompt_s * load / (2 * (1 - load))
    first_word_s = queue_s + others_s + station.prompt_s + station.step_s(busy)
    tps = min(1 / station.step_s(1), station.habits.answer_tokens / max(answer_s, 1e-9))
    return Crowd(users=users, first_word_s=first_word_s, tps=tps)


def _means(station: Station, users: int) -> tuple[float, float, float]:
    """Requests at work, requests waiting, requests ended in a second, on average."""
    if users > MOST_IN_DETAIL:
        return _steady(station, users)
    pause = max(station.habits.think_s, 1e-3)
    weight, total, working, waiting, rate = 1.0, 1.0, 0.0, 0.0, 0.0
    for n in range(1, users + 1):
        ending = station.rate(n)
        weight *= (users - n + 1) / pause / ending
        if weight > 1e200:
            weight, total, working = weight * 1e-200, total * 1e-200, working * 1e-200
            waiting, rate = waiting * 1e-200, rate * 1e-200
        total += weight
        working += weight * min(n, station.places)
        waiting += weight * max(0, n - station.places)
        rate += weight * ending
    return working / total, waiting / total, rate / total


def _steady(station: Station, users: int) -> tuple[float, float, float]:
    """The same where arrivals and ends balance: the limit of a large crowd."""
    pause = max(station.habits.think_s, 1e-3)
    most = station.rate(station.places)
    if users - station.places > pause * most:
        return station.places, users - station.places - pause * most, most
    low, high = 0, station.places
    while low < high:
        middle = (low + high) // 2
        if station.rate(middle) * pause < users - middle:
            low = middle + 1
        else:
            high = middle
    return low, 0.0, station.rate(low)


def limits_of(wish: Wish, station: Station) -> tuple[float, float]:
    """Longest wait for the first word, slowest tokens a second, that people put up with.

    A wish that says nothing takes a slow machine as it is: twice the wait of one person alone.
    """
    alone_s = station.prompt_s + station.step_s(1)
    longest_s = wish.first_word_s or max(rules().people.first_word_s, 2 * alone_s)
    return longest_s, min(rules().speed.usable_tps, 0.5 / station.step_s(1))


def carried(wish: Wish, station: Station) -> Crowd | None:
    """The largest crowd within the limits of `wish`; `None` where one person is too many."""
    longest_s, slowest_tps = limits_of(wish, station)

    def content(users: int) -> bool:
        crowd = experience(station, users)
        return crowd.first_word_s <= longest_s and crowd.tps >= slowest_tps

    users = largest(content)
    return experience(station, users) if users else None


def largest(holds: Callable[[int], bool], most: int = MOST_PEOPLE) -> int:
    """The largest number up to `most` that `holds`, by doubling and halving; 0 where 1 does not."""
    low, high = 0, 1
    while high < most and holds(high):
        low, high = high, high * 2
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def streams_of(users: int, model: Model, machine: Machine, setup: Setup, habits: Habits) -> int:
    """Requests at work when `users` people chat and none has to wait for a slot."""
    prompt = prompt_s(model, machine, habits.prompt_tokens)
    streams = 1
    for _ in range(8):
        step = decode_step_s(model, machine, setup, streams)
        busy_s = habits.answer_tokens * step + prompt * streams
        wanted = max(1, math.ceil(users * busy_s / (busy_s + habits.think_s)))
        if wanted <= streams:
            return streams
        streams = wanted
    return min(streams, users)


def context_of(wish: Wish, model: Model) -> int:
    """Tokens of one conversation: as wished, else what such a model needs; a multiple of 256."""
    people, habits = rules().people, habits_of(wish)
    usual = people.context_reasoning if model.reasoning else people.context_default
    usual = max(usual, habits.prompt_tokens + 2 * habits.answer_tokens)
    tokens = min(wish.context or usual, model.context_max or usual)
    return -(-tokens // 256) * 256
