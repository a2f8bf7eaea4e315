"""How fast: a roofline fitted to measured speeds.

One token of one stream takes the time to read the weights it uses, and a fixed time for a layer.
More streams share the reading; a mixture of experts reads more experts the more streams there are.
Constants and what they were fitted to are in `rules.toml`.
"""

from __future__ import annotations

import math

import msgspec

from appliance.catalog.architecture import Architecture
from appliance.core.cards import CardFacts
from appliance.core.inventory import Host
from appliance.core.plan import Speed
from appliance.planner.memory import Setup, kv_mib
from appliance.planner.model import Model
from appliance.planner.placement import Place
from appliance.planner.rules import rules

MB = (1 << 20) / 1e6
"""Millions of bytes in a MiB."""
ARM = frozenset({"aarch64", "arm64"})


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What computes, as one token sees it.

    `gbs` is the usable bandwidth (10^9 bytes/s) of what it passes through, `gflops` the usable rate
    (10^9/s) for prompts, `layer_s` the fixed cost of a layer, `hop_s` of all ways between cards.
    """

    gbs: float
    gflops: float
    layer_s: float
    hop_s: float = 0.0


def machine_for(model: Model, place: Place, cards: int) -> Machine:
    """What computes when `model` runs on the first `cards` cards of `place`."""
    a = model.architecture
    if place.is_host:
        return machine_of_host(a, place.host, place.facts)
    if model.is_tensor_parallel:
        return machine_of_ranks(a, cards, place.facts)
    return machine_of_layers(a, cards, place.arch, place.facts)


def speed_of(model: Model, machine: Machine, setup: Setup, busy: int, replicas: int) -> Speed:
    """One stream alone, and `busy` at once on each of `replicas`."""
    one = 1 / decode_step_s(model, machine, setup)
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


def machine_of_layers(
    a: Architecture, cards: int, arch: str | None, facts: CardFacts | None
) -> Machine:
    """Cards that share the layers out: one works at a time, so more cards are not faster."""
    speed = rules().speed
    layer_s = speed.large_layer_s if is_large(a) else speed.layer_s
    if a.is_moe and not is_large(a):
        layer_s = speed.moe_layer_s
    slowdown = speed.bandwidth_overhead
    if arch in speed.old_archs:
        slowdown, layer_s = speed.old_overhead, max(layer_s, speed.old_layer_s)
    hop_s = speed.large_hop_s if is_large(a) else speed.hop_s
    return Machine(
        gbs=_bandwidth_gbs(facts) / slowdown,
        gflops=_prompt_gflops(a, facts),
        layer_s=layer_s,
        hop_s=hop_s * (cards - 1),
    )


def machine_of_ranks(a: Architecture, cards: int, facts: CardFacts | None) -> Machine:
    """Cards that share each layer (tensor parallel)."""
    tensor = rules().speed.tensor
    rate = (facts.fp16_tflops if facts else None) or _assumed_tflops(facts)
    share = tensor.fp16_share * (tensor.large_share if is_large(a) else 1.0)
    return Machine(
        gbs=_bandwidth_gbs(facts) * cards * tensor.bandwidth_share,
        gflops=rate * 1e3 * cards * share,
        layer_s=tensor.large_layer_s if is_large(a) else tensor.layer_s,
    )


def machine_of_host(a: Architecture, host: Host, facts: CardFacts | None) -> Machine:
    """The processors of the server."""
    cpu = rules().speed.cpu
    cores = host.cpu.cores or 1
    bandwidth = (facts.bandwidth_gbs if facts else None) or cpu.assumed_bandwidth_gbs
    arm = host.arch in ARM
    share = cpu.arm_bandwidth_share if arm else cpu.bandwidth_share
    if a.is_moe:
        share = min(share, cpu.moe_bandwidth_share)
    together = bandwidth * float(host.cpu.sockets or 1) ** cpu.socket_gain * share
    rate = cores * cpu.core_gflops * (rules().speed.prefill_moe_share if a.is_moe else 1.0)
    by_cores = cores * (cpu.arm_core_gbs if arm else cpu.core_gbs)
    layer_s = cpu.large_layer_s if is_large(a) else cpu.layer_s
    return Machine(gbs=min(together, by_cores), gflops=rate, layer_s=layer_s)


def is_large(a: Architecture) -> bool:
    """V2.5, V3, R1, V4: a mixture of experts with low-rank queries."""
    return a.is_moe and a.q_lora is not None


def _bandwidth_gbs(facts: CardFacts | None) -> float:
    return (facts.bandwidth_gbs if facts else None) or rules().speed.assumed_bandwidth_gbs


def _assumed_tflops(facts: CardFacts | None) -> float:
    return rules().speed.assumed_tflops_per_gbs * _bandwidth_gbs(facts)


def _prompt_gflops(a: Architecture, facts: CardFacts | None) -> float:
    """llama.cpp's rate for prompts; by bandwidth where the compute is not known."""
    speed = rules().speed
    if facts and facts.fp8_int8_tops:
        rate = facts.fp8_int8_tops * speed.prefill_int8_share
    elif facts and facts.fp16_tflops and facts.fp16_tflops > 1:
        rate = facts.fp16_tflops * speed.prefill_fp16_share
    else:
        rate = _assumed_tflops(facts) * speed.prefill_fp16_share
    if is_large(a):
        rate *= speed.prefill_large_share
    elif a.is_moe:
        rate *= speed.prefill_moe_share
    return rate * 1e3


def decode_step_s(model: Model, machine: Machine, setup: Setup, streams: int = 1) -> float:
    """Seconds in which each of `streams` conversations gets its next token."""
    filled = min(1.0, rules().people.tokens_in_use / setup.slot_context)
    cache = kv_mib(model.architecture, setup) / setup.slots * filled
    read = read_mib(model, streams) + streams * cache
    multiply = streams * 2 * model.architecture.active_b / machine.gflops
    fixed = model.architecture.layers * machine.layer_s + machine.hop_s
    return max(read * MB / 1e3 / machine.gbs, multiply) + fixed


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
    return compute + steps * (model.architecture.layers * machine.layer_s + machine.hop_s)
