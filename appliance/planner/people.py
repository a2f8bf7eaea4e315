"""From people to slots, and back: how many conversations go on at once.

A person asks, reads and thinks: a request lasts the prompt and the answer, then there is a pause.
By Little's law the requests at work are people * request / (request + pause).
"""

from __future__ import annotations

import math

from appliance.planner.memory import Setup
from appliance.planner.model import Model
from appliance.planner.rules import rules
from appliance.planner.speed import Machine, decode_step_s, prompt_s


def request_s(model: Model, machine: Machine, setup: Setup, streams: int) -> float:
    """Seconds a request takes when `streams` of them are at work."""
    people = rules().people
    step = decode_step_s(model, machine, setup, streams)
    return people.answer_tokens * step + prompt_s(model, machine, people.prompt_tokens) * streams


def streams_of(users: int, model: Model, machine: Machine, setup: Setup) -> int:
    """Requests at work when `users` people chat; more people make each request longer."""
    streams = 1
    for _ in range(8):
        busy = request_s(model, machine, setup, streams)
        wanted = max(1, math.ceil(users * busy / (busy + rules().people.think_s)))
        if wanted <= streams:
            return streams
        streams = wanted
    return min(streams, users)


def capacity(model: Model, machine: Machine, setup: Setup, replicas: int) -> tuple[int, float]:
    """How many people can chat when every slot is at work, and the tokens a second each sees."""
    busy = request_s(model, machine, setup, setup.slots)
    people = setup.slots * replicas * (busy + rules().people.think_s) / busy
    return int(people), 1 / decode_step_s(model, machine, setup, setup.slots)


def context_of(wished: int | None, model: Model) -> int:
    """Tokens of one conversation: as wished, else what such a model needs; a multiple of 256."""
    people = rules().people
    usual = people.context_reasoning if model.reasoning else people.context_default
    tokens = min(wished or usual, model.context_max or usual)
    return -(-tokens // 256) * 256
