"""What vLLM and its kin take of each card, for safetensors weights.

They fill a card up to `gpu_memory_utilization`: weights of its rank, the peak of a profiling run,
and all the rest as cache. So the question is not what it takes but how many tokens are left.
Weights are split over tensor ranks; the cache of MLA is on every rank whole, because there is one
vector a token and no head to split by; grouped keys are split until one head is left.
"""

from __future__ import annotations

from appliance.catalog.architecture import Architecture
from appliance.catalog.models import MIB
from appliance.planner.memory import Setup, kv_mib
from appliance.planner.model import Model
from appliance.planner.rules import rules

FP8_MLA_BYTES = 656
"""vLLM's packed FP8 entry of MLA: 512 FP8, scales, and 64 BF16 of position."""


def rank_weights_mib(model: Model, ranks: int) -> float:
    """Weights of one rank. Embedding and head are split, too; norms are too small to count."""
    return model.tensor_mib / ranks


def rank_kv_mib(a: Architecture, setup: Setup, ranks: int) -> float:
    """The cache of one rank for `setup.context` tokens over all conversations."""
    if a.compress_ratios:
        return kv_mib(a, setup)
    if a.is_mla:
        return a.layers * setup.context * 2 * ((a.kv_lora or 0) + (a.rope_dim or 0)) / MIB
    heads = max(1, a.kv_heads // ranks)
    size = a.head_dim or a.hidden // a.heads
    return a.layers * setup.context * 2 * heads * size * 2 / MIB


def activation_mib(a: Architecture) -> float:
    """Peak of the profiling run and the graphs of one rank."""
    memory = rules().memory
    return memory.activation_expert_mib if a.is_moe else memory.activation_mib


def divides(a: Architecture, ranks: int) -> bool:
    """Whether the heads can be dealt out to this many ranks."""
    return a.heads % ranks == 0 and (
        a.is_mla or max(a.kv_heads, ranks) % min(a.kv_heads, ranks) == 0
    )
