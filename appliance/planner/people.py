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
from itertools import accumulate

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
    """What each of `users` people sees on average: seconds to the first word, tokens a second.

    `queued` is the share of questions that find every slot taken.
    """

    users: int
    first_word_s: float
    tps: float
    queued: float


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


class _Means(msgspec.Struct, frozen=True):
    """Requests at work and waiting, requests ended in a second, share of arrivals that wait."""

    working: float
    waiting: float
    rate: float
    queued: float


def experience(station: Station, users: int) -> Crowd:
    """What `users` people see on average."""
    means = _steady(station, users) if users > MOST_IN_DETAIL else _exact(station, users)
    load = min(0.99, means.rate / station.replicas * station.prompt_s)
    others_s = station.prompt_s * load / (2 * (1 - load))
    step_s = station.step_s(means.working / station.replicas)
    answer_s = means.working / means.rate - station.prompt_s
    return Crowd(
        users=users,
        first_word_s=means.waiting / means.rate + others_s + station.prompt_s + step_s,
        tps=min(1 / station.step_s(1), station.habits.answer_tokens / max(answer_s, 1e-9)),
        queued=means.queued,
    )


def _exact(station: Station, users: int) -> _Means:
    """The means over the chain's states; an arrival comes in state n as often as N - n think."""
    states, places = range(users + 1), station.places
    share = _shares(station, users)
    arriving = sum(share[n] * (users - n) for n in states)
    full = sum(share[n] * (users - n) for n in states[places:])
    return _Means(
        working=sum(share[n] * min(n, places) for n in states),
        waiting=sum(share[n] * (n - places) for n in states[places:]),
        rate=sum(share[n] * station.rate(n) for n in states),
        queued=full / arriving if arriving else 0.0,
    )


def _shares(station: Station, users: int) -> list[float]:
    """How much of the time the station holds 0, 1, 2 … requests."""
    pause = max(station.habits.think_s, 1e-3)
    ratios = (math.log((users - n + 1) / pause / station.rate(n)) for n in range(1, users + 1))
    logs = list(accumulate(ratios, initial=0.0))
    most = max(logs)
    weights = [math.exp(each - most) for each in logs]
    total = sum(weights)
    return [weight / total for weight in weights]


def _steady(station: Station, users: int) -> _Means:
    """The same where arrivals and ends balance: the limit of a large crowd."""
    pause = max(station.habits.think_s, 1e-3)
    most = station.rate(station.places)
    if users - station.places > pause * most:
        waiting = users - station.places - pause * most
        return _Means(station.places, waiting, most, queued=1.0)
    low = largest(lambda n: station.rate(n) * pause < users - n, station.places) + 1
    spare = (station.places - low) / math.sqrt(2 * low)
    return _Means(low, 0.0, station.rate(low), queued=math.erfc(spare) / 2)


def contents(
    wish: Wish, station: Station, crowd: Crowd, *, longest_s: float = 0.0, slowest_tps: float = 1e9
) -> bool:
    """Whether a crowd gets its first word and its words in time, and hardly anybody has to queue.

    `longest_s` and `slowest_tps` are what a slow machine is forgiven.
    """
    people = rules().people
    bearable = people.thinking_tps if station.model.reasoning else rules().speed.usable_tps
    longest_s = max(longest_s, wish.first_word_s or people.first_word_s)
    in_time = crowd.first_word_s <= longest_s and crowd.tps >= min(slowest_tps, bearable)
    return in_time and crowd.queued <= people.queued_most


def carried(wish: Wish, station: Station) -> Crowd | None:
    """The largest crowd that `station` carries; `None` where one person is too many.

    A slow machine is taken as it is: with twice the wait and half the speed of one person alone.
    """
    alone = experience(station, 1)

    def content(users: int) -> bool:
        return contents(
            wish,
            station,
            experience(station, users),
            longest_s=0.0 if wish.first_word_s else 2 * alone.first_word_s,
            slowest_tps=alone.tps / 2,
        )

    users = largest(content, MOST_PEOPLE)
    return experience(station, users) if users else None


def largest(holds: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` that `holds`, by doubling and halving; 0 where 1 does not."""
    low, high = 0, 1
    while high <= most and holds(high):
        low, high = high, high * 2
    high = min(high, most + 1)
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
