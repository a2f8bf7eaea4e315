"""How fast: a roofline fitted to measured speeds.

One token of one stream takes the time to read the weights it uses, and a fixed time for a layer.
More streams share the reading; a mixture of experts reads more experts the more streams there are.
Constants, what they were fitted to and how far off they are is in `rules.toml`.
"""

from __future__ import annotations

import math
import re
from fnmatch import fnmatchcase

import msgspec

from appliance.catalog.architecture import Architecture
from appliance.core.cards import CardFacts
from appliance.core.inventory import Host
from appliance.core.plan import Speed
from appliance.planner.memory import Setup, kv_mib
from appliance.planner.model import Model
from appliance.planner.placement import Place
from appliance.planner.rules import CardSpeed, SpeedRange, rules
from appliance.planner.sizing import experts_mib

MB = (1 << 20) / 1e6
"""Millions of bytes in a MiB."""
ARM = frozenset({"aarch64", "arm64"})
_RATE = re.compile(r"([\d.]+) GB/s")


class Helper(msgspec.Struct, frozen=True, kw_only=True):
    """The processors beside cards, with the experts of the first `layers` layers.

    `share` is the part of all experts that they have, `link_gbs` the way to the cards.
    """

    share: float
    layers: int
    gbs: float
    gflops: float
    layer_s: float
    link_gbs: float


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What computes, as one token sees it.

    `gbs` is the usable bandwidth (10^9 bytes/s) of what it passes through, for routed experts
    `expert_gbs`, `gflops` the usable rate (10^9/s) for prompts, `layer_s` the fixed cost of a
    layer, `hop_s` of all ways between cards, `reduce_gbs` the bandwidth of sums over ranks.
    `cache_gbs` is the bandwidth for the cache where it is another: every rank reads all of MLA's,
    groups of ranks have conversations of their own. `kind` picks the range of the error,
    `prompt_chunk` is how many tokens of a prompt are read at once, `drafts` how many tokens are
    drafted and then verified with the next one.
    """

    kind: str
    gbs: float
    gflops: float
    layer_s: float
    expert_gbs: float | None = None
    hop_s: float = 0.0
    reduce_gbs: float | None = None
    cache_gbs: float | None = None
    prompt_chunk: int | None = None
    drafts: int = 0
    helper: Helper | None = None


def machine_for(
    model: Model,
    place: Place,
    cards: int,
    host_layers: int = 0,
    ranks: int | None = None,
    drafts: int = 0,
) -> Machine:
    """What computes when `model` runs on the first `cards` cards of `place`.

    `ranks` of them share a layer, without it all; `drafts` is how many tokens the engine drafts
    for each, where it splits layers over the cards.
    """
    a = model.architecture
    if place.is_host:
        host = _one_socket(place.host) if model.is_tensor_parallel else place.host
        return machine_of_host(a, host, place.facts)
    if model.is_tensor_parallel:
        split = machine_of_ranks(model, cards, place.arch, place.facts, ranks or cards)
        return msgspec.structs.replace(split, drafts=drafts)
    alone = machine_of_layers(a, cards, place.arch, place.facts)
    if not host_layers:
        return alone
    helper = _helper(model, place.host, place.host_facts, host_layers)
    return msgspec.structs.replace(alone, helper=helper, kind="offload")


def speed_of(model: Model, machine: Machine, setup: Setup, busy: int, replicas: int) -> Speed:
    """One stream alone, and `busy` at once on each of `replicas`."""
    one = 1 / decode_step_s(model, machine, setup)
    together = busy / decode_step_s(model, machine, setup, busy) * replicas
    prompt = rules().people.prompt_tokens
    seconds = prompt_s(model, machine, prompt, setup.ubatch)
    first = seconds + 1 / one
    error, prompts = range_of(machine), rules().speed.prompt_range
    return Speed(
        decode_tps_one=round(one, 1),
        decode_tps_all=round(together, 1),
        prefill_tps=round(prompt / seconds, 1),
        first_token_s=round(first, 2),
        method="roofline",
        decode_tps_one_range=(round(one * error.low, 1), round(one * error.high, 1)),
        decode_tps_all_range=(round(together * error.low, 1), round(together * error.high, 1)),
        first_token_s_range=(round(first / prompts.high, 2), round(first / prompts.low, 2)),
    )


def range_of(machine: Machine) -> SpeedRange:
    """Between which multiples of a prediction nine of ten measurements are."""
    return rules().speed.range[machine.kind]


def machine_of_layers(
    a: Architecture, cards: int, arch: str | None, facts: CardFacts | None
) -> Machine:
    """Cards that share the layers out: one works at a time, so more cards are not faster."""
    speed, card = rules().speed, _card_speed(arch)
    layer_s = max(card.layer_s, _moe_layer_s(a))
    hop_s = speed.large_hop_s if is_large(a) else speed.hop_s
    return Machine(
        kind="expert" if a.is_moe else "dense",
        gbs=1 / (card.overhead / _bandwidth_gbs(facts) + card.gb_s),
        gflops=_prompt_gflops(a, card, facts),
        layer_s=layer_s,
        hop_s=hop_s * (cards - 1),
    )


def _card_speed(arch: str | None) -> CardSpeed:
    """How llama.cpp reads on cards of this architecture; of an unknown one the usual way."""
    entries = rules().speed.card
    return next(entry for entry in entries if fnmatchcase(arch or "", entry.arch))


def _moe_layer_s(a: Architecture) -> float:
    speed = rules().speed
    if is_large(a):
        return speed.large_layer_s
    return speed.moe_layer_s if a.is_moe else 0.0


def machine_of_ranks(
    model: Model, cards: int, arch: str | None, facts: CardFacts | None, ranks: int
) -> Machine:
    """Cards that share each layer (tensor parallel), in groups of `ranks`."""
    a, tensor = model.architecture, rules().speed.tensor
    card = next(entry for entry in tensor.card if fnmatchcase(arch or "", entry.arch))
    small = model.quant in tensor.small_quants
    together = _bandwidth_gbs(facts) * cards
    linked, reduce_gbs = _link(facts)
    reduce_s = tensor.linked_reduce_s if linked else tensor.reduce_s
    shared = a.is_mla or bool(a.compress_ratios)
    return Machine(
        kind=_rank_kind(a),
        gbs=together * ranks / cards * tensor.bandwidth_share,
        expert_gbs=together * (tensor.small_expert_share if small else tensor.expert_share),
        cache_gbs=together * (card.mla_share / ranks if shared else tensor.bandwidth_share),
        gflops=_rank_gflops(a, facts, small=small) * cards,
        layer_s=max(card.layer_least_s, _rank_layer_s(a, small=small) * card.layer_factor)
        + (2 * reduce_s if cards > 1 else 0.0),
        reduce_gbs=reduce_gbs if cards > 1 else None,
        prompt_chunk=tensor.prompt_chunk,
    )


def _rank_kind(a: Architecture) -> str:
    if a.is_indexed:
        return "indexed-ranks"
    return "ranks" if a.is_moe else "dense-ranks"


def _rank_layer_s(a: Architecture, *, small: bool) -> float:
    """The fixed cost of a layer, before what is particular to the card."""
    tensor = rules().speed.tensor
    if a.is_indexed:
        return tensor.indexed_layer_s
    if is_large(a):
        return tensor.small_large_layer_s if small else tensor.large_layer_s
    return tensor.layer_s


def _rank_gflops(a: Architecture, facts: CardFacts | None, *, small: bool) -> float:
    """What one card computes of prompts, 10^9/s."""
    tensor = rules().speed.tensor
    rate = (facts.fp16_tflops if facts else None) or _assumed_tflops(facts)
    large = tensor.small_large_share if small else tensor.large_share
    return rate * 1e3 * tensor.fp16_share * (large if is_large(a) else 1.0)


def _link(facts: CardFacts | None) -> tuple[bool, float]:
    """Whether cards have links of their own, and 10^9 bytes/s of a sum over them."""
    tensor, words = rules().speed.tensor, (facts.interconnect if facts else None) or "PCIe"
    named = words.split(";")[0]
    if "PCIe" in named or "unified" in named:
        return False, tensor.reduce_gbs
    rate = _RATE.search(named)
    return True, float(rate[1]) * tensor.link_share if rate else tensor.linked_reduce_gbs


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
    rate = cores * cpu.core_gflops * (cpu.moe_gflops_share if a.is_moe else 1.0)
    by_cores = cores * (cpu.arm_core_gbs if arm else cpu.core_gbs)
    layer_s = cpu.large_layer_s if is_large(a) else cpu.layer_s
    return Machine(kind="host", gbs=min(together, by_cores), gflops=rate, layer_s=layer_s)


def _one_socket(host: Host) -> Host:
    """The part of the server that vLLM takes: it binds its threads and memory to one node."""
    cpu, sockets = host.cpu, host.cpu.sockets or 1
    alone = msgspec.structs.replace(cpu, sockets=1, cores=cpu.cores and cpu.cores // sockets)
    return msgspec.structs.replace(host, cpu=alone)


def _helper(model: Model, host: Host, facts: CardFacts | None, layers: int) -> Helper:
    cpu, all_of_them = rules().speed.cpu, experts_mib(model, model.architecture.layers)
    alone = machine_of_host(model.architecture, host, facts)
    return Helper(
        share=experts_mib(model, layers) / all_of_them if all_of_them else 0.0,
        layers=layers,
        gbs=alone.gbs,
        gflops=alone.gflops,
        layer_s=cpu.helper_layer_s,
        link_gbs=cpu.helper_link_gbs,
    )


def is_large(a: Architecture) -> bool:
    """V2.5, V3, R1, V4: a mixture of experts with low-rank queries."""
    return a.is_moe and a.q_lora is not None


def _bandwidth_gbs(facts: CardFacts | None) -> float:
    return (facts.bandwidth_gbs if facts else None) or rules().speed.assumed_bandwidth_gbs


def _assumed_tflops(facts: CardFacts | None) -> float:
    return rules().speed.assumed_tflops_per_gbs * _bandwidth_gbs(facts)


def _prompt_gflops(a: Architecture, card: CardSpeed, facts: CardFacts | None) -> float:
    """llama.cpp's rate for prompts; by bandwidth where the compute is not known."""
    speed = rules().speed
    if facts and facts.fp8_int8_tops:
        rate = facts.fp8_int8_tops * card.prefill_share
    elif facts and facts.fp16_tflops and facts.fp16_tflops > 1:
        rate = facts.fp16_tflops * speed.prefill_fp16_share
    else:
        rate = _assumed_tflops(facts) * speed.prefill_fp16_share
    if is_large(a):
        rate *= speed.prefill_large_share
    elif a.is_moe:
        rate *= speed.prefill_moe_share
    return rate * 1e3


def decode_step_s(
    model: Model, machine: Machine, setup: Setup, streams: int = 1, tokens: int | None = None
) -> float:
    """Seconds in which each of `streams` conversations gets its next token.

    `tokens` are in each conversation's cache; without it what people fill on average.
    """
    a = model.architecture
    verified = streams * (1 + machine.drafts)
    plain, routed = read_mib(model, verified)
    helper, in_host = machine.helper, 0.0
    if helper:
        in_host, routed = routed * helper.share, routed * (1 - helper.share)
    cache = streams * _cache_mib(model, setup, tokens) / (machine.cache_gbs or machine.gbs)
    reading = plain / machine.gbs + routed / (machine.expert_gbs or machine.gbs) + cache
    multiply = verified * 2 * a.active_b / machine.gflops
    step = max(reading * MB / 1e3, multiply) + a.layers * machine.layer_s + machine.hop_s
    if machine.reduce_gbs:
        step += a.layers * 2 * verified * a.hidden * 4 / (machine.reduce_gbs * 1e9)
    if helper:
        step += in_host * MB / 1e3 / helper.gbs + helper.layers * helper.layer_s
    draft = rules().speed.draft
    kept = sum(draft.accepted**position for position in range(1 + machine.drafts))
    return (step + machine.drafts * draft.token_s) / kept


def _cache_mib(model: Model, setup: Setup, tokens: int | None) -> float:
    """What a step reads of one conversation's cache."""
    filled = min(1.0, (tokens or rules().people.tokens_in_use) / setup.slot_context)
    return kv_mib(model.architecture, setup) / setup.slots * filled


def read_mib(model: Model, streams: int = 1) -> tuple[float, float]:
    """Weights that one step reads: those that every token uses (without the token embedding), and
    routed experts, of which more are in use the more tokens there are. Of lookup tables (V4.1) it
    reads next to nothing.
    """
    a = model.architecture
    computed_b = a.parameters_b - (a.engram_b or 0.0)
    weights = (model.tensor_mib - model.embedding_mib) * computed_b / a.parameters_b
    if not (a.experts and a.experts_used):
        return weights, 0.0
    idle = (1 - a.experts_used / a.experts) ** streams
    one = a.active_b / computed_b
    routed = (1 - one) / (1 - a.experts_used / a.experts)
    return weights * (1 - routed), weights * routed * (1 - idle)


def prompt_s(model: Model, machine: Machine, tokens: int, ubatch: int = 512) -> float:
    """Seconds until a prompt has been read, `ubatch` tokens at once where the machine does not say.

    Experts in host memory are brought to the card for every micro-batch, or the processors
    multiply with them, whichever is sooner.
    """
    a, steps = model.architecture, math.ceil(tokens / (machine.prompt_chunk or ubatch))
    compute = tokens * 2 * a.active_b / machine.gflops
    seconds = compute + steps * (a.layers * machine.layer_s + machine.hop_s)
    if helper := machine.helper:
        brought = steps * experts_mib(model, helper.layers) * MB / 1e3 / helper.link_gbs
        there = tokens * 2 * a.active_b * helper.share / helper.gflops
        seconds += min(brought, there)
    return seconds
