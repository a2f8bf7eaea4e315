"""Memory of one engine on its cards: what it takes, what is there, whether it fits."""

from __future__ import annotations

from collections.abc import Callable

from appliance.core.plan import CardMemory, Memory
from appliance.engines.recipes import Recipe
from appliance.planner import safetensors
from appliance.planner.memory import Setup, compute_mib, kv_mib
from appliance.planner.model import Model
from appliance.planner.placement import Place
from appliance.planner.rules import rules

HOST_BUFFER_MIB = 64.0
"""Host memory of an engine on cards, besides the token embedding: its own compute buffer."""


def size(model: Model, recipe: Recipe, place: Place, setup: Setup, cards: int) -> Memory:
    """What `model` takes in `setup` on the first `cards` cards of `place`."""
    if place.is_host:
        return _on_host(model, recipe, place, setup)
    if model.is_tensor_parallel:
        return _on_ranks(model, place, setup, cards)
    return _in_layers(model, place, setup, cards)


def fits(memory: Memory, model: Model) -> bool:
    """Whether every card keeps its margin free. Unknown memory never fits."""
    margin = margin_of(model)
    return all(
        card.available_mib is not None and card.total_mib <= margin(card.available_mib)
        for card in memory.per_card
    )


def margin_of(model: Model) -> Callable[[float], float]:
    """How much of a card may be used. V4's margin is in its overhead already."""
    share = 1.0 if model.architecture.compress_ratios else 1 - rules().memory.margin_pct / 100
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


def _in_layers(model: Model, place: Place, setup: Setup, cards: int) -> Memory:
    """Layers dealt out; the output matrix counts as one, the embedding stays in the host."""
    a = model.architecture
    output = model.embedding_mib
    layer = (model.tensor_mib - model.embedding_mib - output) / a.layers
    bounds = [round(index * (a.layers + 1) / cards) for index in range(cards + 1)]
    kv, compute = kv_mib(a, setup), compute_mib(a, setup, on_card=True)
    entries = []
    for index in range(cards):
        last = index == cards - 1
        layers = min(bounds[index + 1], a.layers) - bounds[index]
        weights = layers * layer + (output if last else 0.0)
        overhead = _overhead_mib(model, place)
        entries.append(
            _card_memory(
                place,
                index,
                weights=weights,
                kv=kv * layers / a.layers,
                compute=compute,
                overhead=overhead,
            )
        )
    host = model.embedding_mib + HOST_BUFFER_MIB
    return Memory(per_card=entries, host_mib=round(host, 2), method="formula")


def _on_ranks(model: Model, place: Place, setup: Setup, cards: int) -> Memory:
    """Tensor parallel: every card has the same; what is left over becomes cache, too."""
    a = model.architecture
    unusable = (place.available_mib or 0.0) * (1 - rules().memory.gpu_memory_utilization)
    entries = [
        _card_memory(
            place,
            index,
            weights=safetensors.rank_weights_mib(model, cards),
            kv=safetensors.rank_kv_mib(a, setup, cards),
            compute=safetensors.activation_mib(a),
            overhead=max(unusable, _overhead_mib(model, place)),
        )
        for index in range(cards)
    ]
    return Memory(per_card=entries, host_mib=HOST_BUFFER_MIB, method="formula")


def _overhead_mib(model: Model, place: Place) -> float:
    """The driver's context; for V4 also what no buffer of it shows."""
    memory = rules().memory
    overhead = memory.overhead_mib.get(place.vendor, 500.0)
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
