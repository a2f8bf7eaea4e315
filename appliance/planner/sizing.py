"""Memory of one engine on its cards: what it takes, what is there, whether it fits."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from itertools import pairwise

import msgspec

from appliance.catalog.architecture import Architecture
from appliance.catalog.models import MIB
from appliance.core.plan import CardMemory, Memory
from appliance.engines.recipes import Recipe
from appliance.planner import safetensors
from appliance.planner.layers import layers_of, output_mib
from appliance.planner.memory import Setup, compute_mib, host_compute_mib, kv_mib
from appliance.planner.model import Model
from appliance.planner.placement import Place
from appliance.planner.rules import rules

PROCESS_MIB = 350.0
"""Host memory of an engine's own process, with the driver's libraries in it."""
WIDEST_EXPERTS = 0.4
"""The largest of a layer's three expert matrices, which a card holds a copy of while it reads a
prompt with experts that are in host memory: of all three, in a recipe that mixes types."""


def size(
    model: Model, recipe: Recipe, place: Place, setup: Setup, cards: int, host_layers: int = 0
) -> Memory:
    """What `model` takes in `setup` on the first `cards` cards of `place`.

    The first `host_layers` layers keep their experts in host memory.
    """
    if place.is_host and model.is_tensor_parallel:
        return _on_memory_node(model, place, setup)
    if place.is_host:
        return _on_host(model, recipe, place, setup)
    if model.is_tensor_parallel:
        return _on_ranks(model, recipe, place, setup, cards)
    return _in_layers(model, recipe, place, setup, cards, host_layers)


def fits(memory: Memory, model: Model) -> bool:
    """Whether every card keeps its margin free. Unknown memory never fits."""
    margin = margin_of(model)
    return all(
        card.available_mib is not None and card.total_mib <= margin(card.available_mib)
        for card in memory.per_card
    )


def margin_of(model: Model) -> Callable[[float], float]:
    """How much of a card may be used. V4's margin and that of ranks are in their overhead."""
    counted = model.architecture.compress_ratios or model.is_tensor_parallel
    share = 1.0 if counted else 1 - rules().memory.margin_pct / 100
    return lambda available: available * share


def _on_host(model: Model, recipe: Recipe, place: Place, setup: Setup) -> Memory:
    entry = _card_memory(
        place,
        0,
        weights=model.tensor_mib,
        kv=kv_mib(model.architecture, setup),
        compute=compute_mib(model.architecture, setup, on_card=False),
        overhead=rules().memory.cpu_overhead_mib + recipe.limits.prompt_cache_mib,
    )
    return Memory(per_card=[entry], host_mib=entry.total_mib, method="formula")


def _on_memory_node(model: Model, place: Place, setup: Setup) -> Memory:
    """VLLM on the processor: it binds its threads and memory to one node, here one socket."""
    a, nodes = model.architecture, place.host.cpu.sockets or 1
    entry = _card_memory(
        place,
        0,
        weights=safetensors.host_weights_mib(model),
        kv=safetensors.host_kv_mib(a, setup),
        compute=safetensors.host_activation_mib(a, setup),
        overhead=rules().memory.vllm_cpu_mib + a.vocab * rules().memory.vllm_cpu_word_kib / 1024,
    )
    room = None if place.available_mib is None else place.available_mib / nodes
    entry = msgspec.structs.replace(entry, available_mib=room)
    return Memory(per_card=[entry], host_mib=entry.total_mib, method="formula")


def _in_layers(
    model: Model, recipe: Recipe, place: Place, setup: Setup, cards: int, host_layers: int
) -> Memory:
    """Layers dealt out as llama.cpp does: the output matrix counts as one more, the last."""
    a = model.architecture
    output, body = _parts_mib(model)
    layers = layers_of(a, model.quant)
    in_host = [layer.experts * body for layer in layers[:host_layers]]
    bounds = [-(-index * (a.layers + 1) // cards) for index in range(cards + 1)]
    kv, compute = kv_mib(a, setup), compute_mib(a, setup, on_card=True)
    compute += max(in_host, default=0.0) * WIDEST_EXPERTS
    overhead, entries = _overhead_mib(model, place), []
    for index, (first, last) in enumerate(pairwise(bounds)):
        mine = layers[first:last]
        weights = body * sum(layer.all for layer in mine) - sum(in_host[first:last])
        entries.append(
            _card_memory(
                place,
                index,
                weights=weights + (output if index == cards - 1 else 0.0),
                kv=kv * len(mine) / a.layers,
                compute=compute,
                overhead=overhead,
            )
        )
    host = model.embedding_mib + sum(in_host) + host_compute_mib(a, setup)
    host += PROCESS_MIB + recipe.limits.prompt_cache_mib
    return Memory(per_card=entries, host_mib=round(host, 2), method="formula")


def _parts_mib(model: Model) -> tuple[float, float]:
    """The output matrix, and all layers together. A tied embedding is on the card as a copy."""
    a = model.architecture
    output = model.output_mib or output_mib(a, model.quant, model.embedding_mib)
    layers = model.tensor_mib - model.embedding_mib
    return output, layers if a.tied_embeddings else layers - output


def experts_mib(model: Model, layers: int) -> float:
    """Experts of the first `layers` layers."""
    known = layers_of(model.architecture, model.quant)[:layers]
    return _parts_mib(model)[1] * sum(layer.experts for layer in known)


def _on_ranks(model: Model, recipe: Recipe, place: Place, setup: Setup, cards: int) -> Memory:
    """Tensor parallel: every card has the same; what is left over becomes cache, too."""
    a = model.architecture
    ranks = recipe.limits.ranks(cards, experts=a.is_moe) or cards
    unusable = (place.available_mib or 0.0) * (1 - rules().memory.gpu_memory_utilization)
    weights = safetensors.rank_weights_mib(model, ranks, cards)
    kv = safetensors.rank_kv_mib(a, _of_group(setup, cards // ranks), ranks)
    compute = safetensors.activation_mib(a, place.available_mib, ranks)
    overhead = unusable + _context_mib(place.vendor, place.arch)
    entries = [
        _card_memory(place, index, weights=weights, kv=kv, compute=compute, overhead=overhead)
        for index in range(cards)
    ]
    host = PROCESS_MIB * (1 + cards) + (tables_mib(a) if recipe.limits.host_tables else 0.0)
    return Memory(per_card=entries, host_mib=round(host, 2), method="formula")


def tables_mib(a: Architecture) -> float:
    """Lookup tables, of a byte for each parameter. Those in host memory are counted on the cards,
    too: the makers' least memory of cards is with all of the weights.
    """
    return (a.engram_b or 0.0) * 1e9 / MIB


def _of_group(setup: Setup, groups: int) -> Setup:
    """The conversations that one of several groups of cards answers."""
    slots = -(-setup.slots // groups)
    context = setup.context * slots // setup.slots
    return msgspec.structs.replace(setup, slots=slots, context=context)


@cache
def _context_mib(vendor: str, arch: str | None) -> float:
    """The driver's context and the runtime's libraries on a card."""
    memory = rules().memory
    named = (mib for known, mib in memory.context_mib.items() if fnmatchcase(arch or "", known))
    return next(named, memory.overhead_mib.get(vendor, 500.0))


def _overhead_mib(model: Model, place: Place) -> float:
    """The driver's context; for V4 also what no buffer of it shows."""
    memory, overhead = rules().memory, _context_mib(place.vendor, place.arch)
    if model.architecture.compress_ratios and place.available_mib:
        share = place.available_mib * memory.v4_margin_pct / 100
        overhead += max(memory.v4_margin_mib, share)
    return overhead


def _card_memory(
    place: Place, index: int, *, weights: float, kv: float, compute: float, overhead: float
) -> CardMemory:
    return CardMemory(
        id=place.cards[index].id,
        weights_mib=round(weights, 2),
        kv_mib=round(kv, 2),
        compute_mib=round(compute, 2),
        overhead_mib=round(overhead, 2),
        total_mib=round(weights + kv + compute + overhead, 2),
        available_mib=place.available_mib,
    )
