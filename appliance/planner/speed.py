"""How fast: a roofline fitted to measured speeds.

One token of one stream takes the time to read the weights it uses, and a fixed time for a layer.
More streams share the reading; a mixture of experts reads more experts the more streams there are.
Constants and what they were fitted to are in `rules.toml`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from appliance.core.cards import CardFacts
from appliance.core.inventory import Card, Host
from appliance.planner.memory import Setup, kv_mib
from appliance.planner.model import Model
from appliance.planner.rules import rules

MB = (1 << 20) / 1e6
"""Millions of bytes in a MiB."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What computes: seconds for reading and for multiplying, per device or together.

    `gbs` is the usable bandwidth (10^9 bytes/s) of what one token passes through at a time,
    `gflops` the usable rate (10^9/s) for prompts, `layer_s` the fixed cost of a layer.
    """

    gbs: float
    gflops: float
    layer_s: float


def machine_of_cards(
    model: Model, cards: Sequence[Card], facts: Sequence[CardFacts | None], *, tensor: bool
) -> Machine:
    """Cards that share the layers out (one works at a time), or share each layer (`tensor`)."""
    speed = rules().speed
    known = [
        (f.bandwidth_gbs if f and f.bandwidth_gbs else speed.assumed_bandwidth_gbs) for f in facts
    ]
    moe = model.architecture.is_moe
    rate = min(_prompt_gflops(fact, moe=moe) for fact in facts)
    if tensor:
        layer_s = speed.tensor.moe_layer_s if moe else speed.tensor.layer_s
        share = speed.tensor.bandwidth_share
        return Machine(gbs=sum(known) * share, gflops=rate * len(cards), layer_s=layer_s)
    slowdown = speed.bandwidth_overhead
    if any(_arch(card, fact) in speed.old_archs for card, fact in zip(cards, facts, strict=True)):
        slowdown = speed.old_card_overhead
    layer_s = speed.moe_layer_s if moe else speed.layer_s
    average = len(known) / sum(1 / gbs for gbs in known)
    return Machine(gbs=average / slowdown, gflops=rate, layer_s=layer_s)


def machine_of_host(model: Model, host: Host, facts: CardFacts | None) -> Machine:
    """The processors of the server."""
    cpu = rules().speed.cpu
    sockets = host.cpu.sockets or 1
    cores = host.cpu.cores or 1
    bandwidth = (facts.bandwidth_gbs if facts else None) or cpu.assumed_bandwidth_gbs
    moe = model.architecture.is_moe
    together = bandwidth * sockets * (cpu.moe_bandwidth_share if moe else cpu.bandwidth_share)
    rate = cores * cpu.core_gflops * (rules().speed.prefill_moe_share if moe else 1.0)
    return Machine(gbs=min(together, cores * cpu.core_gbs), gflops=rate, layer_s=cpu.layer_s)


def _arch(card: Card, facts: CardFacts | None) -> str | None:
    return card.arch or (facts.arch if facts else None)


def _prompt_gflops(facts: CardFacts | None, *, moe: bool) -> float:
    speed = rules().speed
    if facts and facts.fp8_int8_tops:
        rate = facts.fp8_int8_tops * speed.prefill_int8_share
    elif facts and facts.fp16_tflops:
        rate = facts.fp16_tflops * speed.prefill_fp16_share
    else:
        rate = 0.02 * ((facts.bandwidth_gbs if facts else None) or speed.assumed_bandwidth_gbs)
    return rate * 1e3 * (speed.prefill_moe_share if moe else 1.0)


def decode_step_s(model: Model, machine: Machine, setup: Setup, streams: int = 1) -> float:
    """Seconds in which each of `streams` conversations gets its next token."""
    per_stream_kv = kv_mib(model.architecture, setup) / setup.slots * 0.5
    read = read_mib(model, streams) + streams * per_stream_kv
    multiply = streams * 2 * model.architecture.active_b / machine.gflops
    layers = model.architecture.layers * machine.layer_s
    return max(read * MB / 1e3 / machine.gbs, multiply) + layers


def read_mib(model: Model, streams: int = 1) -> float:
    """Weights that one step reads: without the token embedding, of experts only those in use."""
    a = model.architecture
    weights = model.tensor_mib - model.embedding_mib
    if not (a.experts and a.experts_used):
        return weights
    idle = (1 - a.experts_used / a.experts) ** streams
    one = a.active_b / a.parameters_b
    routed = (1 - one) / (1 - a.experts_used / a.experts)
    return weights * ((1 - routed) + routed * (1 - idle))


def prompt_s(model: Model, machine: Machine, tokens: int) -> float:
    """Seconds until a prompt has been read."""
    compute = tokens * 2 * model.architecture.active_b / machine.gflops
    steps = math.ceil(tokens / 512)
    return compute + steps * model.architecture.layers * machine.layer_s
