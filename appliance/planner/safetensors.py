"""What vLLM and its kin take of each card, for safetensors weights.

They fill a card up to `gpu_memory_utilization`: weights of its rank, the peak of a profiling run,
and all the rest as cache. So the question is not what it takes but how many tokens are left.
Weights are split over tensor ranks, but for what has no heads or columns to split by; the cache of
MLA is on every rank whole, because there is one vector a token; grouped keys are split until one
head is left.
"""

from __future__ import annotations

import msgspec

from appliance.catalog.architecture import Architecture
from appliance.catalog.models import MIB
from appliance.planner.layers import routed_share
from appliance.planner.memory import Setup
from appliance.planner.model import Model
from appliance.planner.rules import rules

MLA_FP8_BYTES = 656
"""vLLM's packed entry of MLA (`fp8_ds_mla`): 512 FP8, four scales, 64 BF16 of position."""
INDEXER_BYTES = 132
"""An entry of the lightning indexer: 128 FP8 and a scale."""
COMPRESSED_BYTES = 584
"""V4's entry: 448 FP8 with their scales, 64 BF16 of position."""
V4_FIXED_MIB = 155.0
"""Of a layer of V4, for any context: windows and compressor states of all requests. 6.5 GiB over 43
layers; vllm issues 44376 and 51041 leave 3.4 to 7.2 GiB once the tokens are taken off."""
LARGE_CARD_MIB = 70 * 1024
LARGE_BATCH, SMALL_BATCH = 8192, 2048
"""Tokens of a profiling run (`max_num_batched_tokens`), by the memory of a card."""
HOST_BLOCK = 128
"""Tokens of a block of vLLM's cache on the processor."""
GRAPHS_MIB, GRAPHS_LAYER_MIB = 256.0, 12.0
SAMPLED_ROWS = 256
"""Requests whose scores the profiling run samples from, in F32 and a sorted copy."""


def rank_weights_mib(model: Model, ranks: int, cards: int | None = None) -> float:
    """Weights of one rank: of what is on every rank the whole, of the rest its part.

    Of more `cards` than ranks each group of them has the same, and all together the experts.
    """
    a, everywhere = model.architecture, cards or ranks
    share = replicated_b(a) / a.parameters_b
    routed = routed_share(a) if everywhere > ranks else 0.0
    return model.tensor_mib * (share + (1 - share - routed) / ranks + routed / everywhere)


def replicated_b(a: Architecture) -> float:
    """Parameters (10^9) that every rank has: low-rank ways in, routers, indexers, compressors."""
    down = (a.q_lora or 0) + (a.kv_lora or 0) + (a.rope_dim or 0 if a.is_mla else 0)
    if a.compress_ratios:
        down += (a.head_dim or 0) * 3
    each = a.hidden * (down + (a.experts or 0))
    if a.indexer_heads and a.indexer_dim and a.q_lora:
        each += a.indexer_dim * (a.hidden + a.q_lora * a.indexer_heads)
    return a.layers * each / 1e9


def rank_kv_mib(a: Architecture, setup: Setup, ranks: int) -> float:
    """The cache of one rank for `setup.context` tokens over all conversations."""
    if a.compress_ratios:
        return _compressed_mib(a, setup)
    if a.indexer_dim:
        return a.layers * setup.context * (MLA_FP8_BYTES + INDEXER_BYTES) / MIB
    if a.is_mla:
        return a.layers * setup.context * 2 * ((a.kv_lora or 0) + (a.rope_dim or 0)) / MIB
    heads = max(1, a.kv_heads // ranks)
    size = a.head_dim or a.hidden // a.heads
    return a.layers * setup.context * 2 * heads * size * 2 / MIB


V41_ENTRY_BYTES = 288 + 68
"""V4.1's cached entry: 512 FP4, the indexer's 128, and scales (technical report, 2.4.4)."""


def _compressed_mib(a: Architecture, setup: Setup) -> float:
    if a.kv_sources:
        token = sum(V41_ENTRY_BYTES / a.compress_ratios[layer] for layer in a.kv_sources)
        return setup.context * token / MIB + a.layers * V4_FIXED_MIB
    dense, sparse = a.compress_ratios.count(4), a.compress_ratios.count(128)
    token = dense * (COMPRESSED_BYTES + INDEXER_BYTES) / 4 + sparse * COMPRESSED_BYTES / 128
    return setup.context * token / MIB + a.layers * V4_FIXED_MIB


def activation_mib(a: Architecture, card_mib: float | None, ranks: int) -> float:
    """Peak of the profiling run and the graphs of one rank."""
    batch = LARGE_BATCH if (card_mib or 0) >= LARGE_CARD_MIB else SMALL_BATCH
    width = 6 * a.hidden + 3 * a.feed_forward / ranks
    if a.experts_used and a.expert_feed_forward:
        width += a.experts_used * (2 * a.hidden + 3 * a.expert_feed_forward / ranks)
    scores = SAMPLED_ROWS * a.vocab * 8
    return (2 * batch * width + scores) / MIB + GRAPHS_MIB + GRAPHS_LAYER_MIB * a.layers


def host_weights_mib(model: Model) -> float:
    """Weights as vLLM on the processor keeps them: it packs matrices for its kernels, and of the
    embedding and the output matrix (one where they are tied) it keeps what it packed, too.
    """
    copies = 1 if model.architecture.tied_embeddings else 2
    return model.tensor_mib + copies * model.embedding_mib


def host_kv_mib(a: Architecture, setup: Setup) -> float:
    """The cache that vLLM on the processor is told to keep: whole blocks, and one that is spare."""
    blocks = setup.slots * -(-setup.context // setup.slots // HOST_BLOCK) + 1
    whole = msgspec.structs.replace(setup, context=blocks * HOST_BLOCK)
    return rank_kv_mib(a, whole, ranks=1)


def host_activation_mib(a: Architecture, setup: Setup) -> float:
    """States of the longest batch, and the scores of a token for each conversation, in F32."""
    width = 6 * a.hidden + 3 * a.feed_forward
    return 4 * (SMALL_BATCH * width + 2 * setup.slots * a.vocab) / MIB


def divides(model: Model, ranks: int) -> bool:
    """Whether heads, and whole blocks of what shares a scale, can be dealt out to so many ranks."""
    a = model.architecture
    grouped = a.is_mla or max(a.kv_heads, ranks) % min(a.kv_heads, ranks) == 0
    block = rules().block.get(model.quant, 1) if a.is_moe or model.quant != "fp8" else 1
    return a.heads % ranks == 0 and grouped and (a.feed_forward // ranks) % block == 0
