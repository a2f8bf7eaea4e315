"""The header of a model that is not here: from its architecture numbers alone.

Names, shapes and keys are those that llama.cpp loads for `llama`, `qwen2`, `qwen3`, `deepseek2`,
`deepseek32` and `deepseek4`; all large tensors are F16, so the sizes of cache and compute buffers
can be asked of the engine (they hardly depend on how the weights are stored).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.catalog.architecture import Architecture
from appliance.catalog.gguf_write import Value, header_bytes, write_sparse

Shape = tuple[int, ...]
Described = tuple[str, Shape, str]


def write_composed(path: Path, architecture: Architecture) -> None:
    """Write the sparse F16 file of `architecture`; `KeyError` for one that cannot be composed."""
    header, size = header_bytes(metadata(architecture), tensors(architecture))
    write_sparse(path, header, size)


def composable(architecture: Architecture) -> bool:
    """Whether a header can be composed for this architecture."""
    return architecture.gguf in _LAYERS


def metadata(architecture: Architecture) -> dict[str, Value]:
    """The keys that the engine wants."""
    name = architecture.gguf
    values: dict[str, Value] = {
        "general.architecture": name,
        "general.file_type": 1,
        "tokenizer.ggml.model": "no_vocab",
    }
    values.update({f"{name}.{key}": value for key, value in _shape_keys(architecture).items()})
    return values


def _shape_keys(a: Architecture) -> dict[str, Value]:
    keys: dict[str, Value] = {
        "vocab_size": a.vocab,
        "block_count": a.layers,
        "context_length": a.context_train,
        "embedding_length": a.hidden,
        "feed_forward_length": a.feed_forward,
        "attention.head_count": a.heads,
        "attention.head_count_kv": a.kv_heads,
        "attention.layer_norm_rms_epsilon": a.norm_epsilon,
        "rope.freq_base": a.rope_base,
    }
    if a.head_dim:
        keys |= {"attention.key_length": a.head_dim, "attention.value_length": a.head_dim}
    if a.rope_dim:
        keys["rope.dimension_count"] = a.rope_dim
    if a.q_lora:
        keys["attention.q_lora_rank"] = a.q_lora
    if a.yarn_factor:
        keys |= {"rope.scaling.type": "yarn", "rope.scaling.factor": a.yarn_factor}
        keys["rope.scaling.original_context_length"] = int(a.context_train / a.yarn_factor)
    return keys | _mla_keys(a) | _expert_keys(a) | _indexer_keys(a) | _compression_keys(a)


def _mla_keys(a: Architecture) -> dict[str, Value]:
    if not (a.kv_lora and a.rope_dim and a.nope_dim and a.value_dim):
        return {}
    return {
        "attention.kv_lora_rank": a.kv_lora,
        "attention.key_length": a.kv_lora + a.rope_dim,
        "attention.value_length": a.kv_lora,
        "attention.key_length_mla": a.nope_dim + a.rope_dim,
        "attention.value_length_mla": a.value_dim,
        "rope.scaling.yarn_log_multiplier": 0.1,
    }


def _expert_keys(a: Architecture) -> dict[str, Value]:
    if not (a.experts and a.experts_used and a.expert_feed_forward and a.expert_gating):
        return {}
    return {
        "leading_dense_block_count": a.dense_layers,
        "expert_count": a.experts,
        "expert_used_count": a.experts_used,
        "expert_shared_count": a.experts_shared or 0,
        "expert_feed_forward_length": a.expert_feed_forward,
        "expert_weights_scale": 2.5,
        "expert_weights_norm": True,
        "expert_gating_func": a.expert_gating,
    }


def _indexer_keys(a: Architecture) -> dict[str, Value]:
    if not (a.indexer_heads and a.indexer_dim and a.indexer_top_k):
        return {}
    return {
        "attention.indexer.head_count": a.indexer_heads,
        "attention.indexer.key_length": a.indexer_dim,
        "attention.indexer.top_k": a.indexer_top_k,
    }


def _compression_keys(a: Architecture) -> dict[str, Value]:
    if not (a.sliding_window and a.o_groups and a.o_lora and a.hyper_connections):
        return {}
    return {
        "attention.sliding_window": a.sliding_window,
        "attention.output_group_count": a.o_groups,
        "attention.output_lora_rank": a.o_lora,
        "attention.compress_ratios": a.compress_ratios,
        "attention.compress_rope_freq_base": 160000.0,
        "hyper_connection.count": a.hyper_connections,
        "hyper_connection.sinkhorn_iterations": 20,
        "hyper_connection.epsilon": 1e-6,
        "hash_layer_count": a.hash_layers or 0,
        "swiglu_clamp_exp": [10.0] * a.layers,
        "swiglu_clamp_shexp": [10.0] * a.layers,
        "embedding_length_out": a.hidden * a.hyper_connections,
    }


def tensors(architecture: Architecture) -> Iterator[Described]:
    """Name, shape and type of every tensor, in the order of the layers."""
    a = architecture
    layer_tensors = _LAYERS[a.gguf]
    yield "token_embd.weight", (a.hidden, a.vocab), "f16"
    yield "output_norm.weight", (a.hidden,), "f32"
    if not a.tied_embeddings:
        yield "output.weight", (a.hidden, a.vocab), "f16"
    if a.rope_factors:
        yield "rope_freqs.weight", (a.rope_factors,), "f32"
    if a.hyper_connections:
        yield from _hyper_connections(a, "output_hc_", a.hyper_connections, scales=1)
    for layer in range(a.layers):
        for name, shape, kind in layer_tensors(a, layer):
            yield f"blk.{layer}.{name}", shape, kind


def _matrix(name: str, *shape: int) -> Described:
    return f"{name}.weight", shape, "f16"


def _exact(name: str, *shape: int) -> Described:
    return name, shape, "f32"


def _gqa_layer(a: Architecture, _layer: int) -> Iterator[Described]:
    size = a.head_dim or a.hidden // a.heads
    queries, keys = a.heads * size, a.kv_heads * size
    yield _exact("attn_norm.weight", a.hidden)
    yield _matrix("attn_q", a.hidden, queries)
    yield _matrix("attn_k", a.hidden, keys)
    yield _matrix("attn_v", a.hidden, keys)
    yield _matrix("attn_output", queries, a.hidden)
    if a.gguf == "qwen2":
        yield _exact("attn_q.bias", queries)
        yield _exact("attn_k.bias", keys)
        yield _exact("attn_v.bias", keys)
    if a.gguf == "qwen3":
        yield _exact("attn_q_norm.weight", size)
        yield _exact("attn_k_norm.weight", size)
    yield from _dense_feed_forward(a)


def _dense_feed_forward(a: Architecture) -> Iterator[Described]:
    yield _exact("ffn_norm.weight", a.hidden)
    yield _matrix("ffn_gate", a.hidden, a.feed_forward)
    yield _matrix("ffn_up", a.hidden, a.feed_forward)
    yield _matrix("ffn_down", a.feed_forward, a.hidden)


def _mla_layer(a: Architecture, layer: int) -> Iterator[Described]:
    kv_lora, rope = a.kv_lora or 0, a.rope_dim or 0
    nope, value = a.nope_dim or 0, a.value_dim or 0
    queries = a.heads * (nope + rope)
    yield _exact("attn_norm.weight", a.hidden)
    if a.q_lora:
        yield _exact("attn_q_a_norm.weight", a.q_lora)
        yield _matrix("attn_q_a", a.hidden, a.q_lora)
        yield _matrix("attn_q_b", a.q_lora, queries)
    else:
        yield _matrix("attn_q", a.hidden, queries)
    yield _exact("attn_kv_a_norm.weight", kv_lora)
    yield _matrix("attn_kv_a_mqa", a.hidden, kv_lora + rope)
    yield _matrix("attn_k_b", nope, kv_lora, a.heads)
    yield _matrix("attn_v_b", kv_lora, value, a.heads)
    yield _matrix("attn_output", a.heads * value, a.hidden)
    if a.indexer_heads:
        yield from _indexer(a)
    if layer < a.dense_layers:
        yield from _dense_feed_forward(a)
    else:
        yield _exact("ffn_norm.weight", a.hidden)
        yield from _experts(a)
        if a.expert_bias:
            yield _exact("exp_probs_b.bias", a.experts or 0)


def _indexer(a: Architecture) -> Iterator[Described]:
    size, heads = a.indexer_dim or 0, a.indexer_heads or 0
    yield _exact("indexer.k_norm.weight", size)
    yield _exact("indexer.k_norm.bias", size)
    yield _matrix("indexer.proj", a.hidden, heads)
    yield _matrix("indexer.attn_k", a.hidden, size)
    yield _matrix("indexer.attn_q_b", a.q_lora or 0, heads * size)


def _experts(a: Architecture) -> Iterator[Described]:
    experts, size = a.experts or 0, a.expert_feed_forward or 0
    shared = size * (a.experts_shared or 0)
    yield _exact("ffn_gate_inp.weight", a.hidden, experts)
    yield _matrix("ffn_gate_exps", a.hidden, size, experts)
    yield _matrix("ffn_up_exps", a.hidden, size, experts)
    yield _matrix("ffn_down_exps", size, a.hidden, experts)
    yield _matrix("ffn_gate_shexp", a.hidden, shared)
    yield _matrix("ffn_up_shexp", a.hidden, shared)
    yield _matrix("ffn_down_shexp", shared, a.hidden)


def _v4_layer(a: Architecture, layer: int) -> Iterator[Described]:
    size, q_lora = a.head_dim or 0, a.q_lora or 0
    groups, o_lora, hyper = a.o_groups or 1, a.o_lora or 0, a.hyper_connections or 0
    yield _exact("attn_norm.weight", a.hidden)
    yield _exact("attn_sinks.weight", a.heads)
    yield _matrix("attn_q_a", a.hidden, q_lora)
    yield _exact("attn_q_a_norm.weight", q_lora)
    yield _matrix("attn_q_b", q_lora, a.heads * size)
    yield _matrix("attn_kv", a.hidden, size)
    yield _exact("attn_kv_a_norm.weight", size)
    yield _matrix("attn_output_a", a.heads * size // groups, o_lora * groups)
    yield _matrix("attn_output_b", groups * o_lora, a.hidden)
    for part in ("hc_attn_", "hc_ffn_"):
        yield from _hyper_connections(a, part, (2 + hyper) * hyper, scales=3)
    if ratio := a.compress_ratios[layer]:
        yield from _compressor(a, "attn_compressor", size, ratio)
        if ratio == 4:
            indexer, heads = a.indexer_dim or 0, a.indexer_heads or 0
            yield _matrix("indexer.proj", a.hidden, heads)
            yield _matrix("indexer.attn_q_b", q_lora, heads * indexer)
            yield from _compressor(a, "indexer_compressor", indexer, ratio)
    if layer < (a.hash_layers or 0):
        yield "ffn_gate_tid2eid.weight", (a.experts_used or 0, a.vocab), "i32"
    else:
        yield _exact("exp_probs_b.bias", a.experts or 0)
    yield _exact("ffn_norm.weight", a.hidden)
    yield from _experts(a)


def _hyper_connections(a: Architecture, part: str, mixes: int, scales: int) -> Iterator[Described]:
    yield _matrix(f"{part}fn", (a.hyper_connections or 0) * a.hidden, mixes)
    yield _exact(f"{part}base.weight", mixes)
    yield _exact(f"{part}scale.weight", scales)


def _compressor(a: Architecture, part: str, size: int, ratio: int) -> Iterator[Described]:
    """Compressors of ratio 4 overlap: they are twice as wide."""
    width = size * (2 if ratio == 4 else 1)
    yield _matrix(f"{part}_kv", a.hidden, width)
    yield _matrix(f"{part}_gate", a.hidden, width)
    yield _matrix(f"{part}_ape", width, ratio)
    yield _exact(f"{part}_norm.weight", size)


_LAYERS: dict[str, Callable[[Architecture, int], Iterator[Described]]] = {
    "llama": _gqa_layer,
    "qwen2": _gqa_layer,
    "qwen3": _gqa_layer,
    "deepseek2": _mla_layer,
    "deepseek32": _mla_layer,
    "deepseek4": _v4_layer,
}
