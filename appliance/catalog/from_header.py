"""The architecture numbers of a model that is not in the catalogue, from its GGUF header."""

from __future__ import annotations

from typing import NoReturn

from appliance.catalog.architecture import Architecture
from appliance.catalog.gguf import GgufHeader
from appliance.core.errors import VerificationFailed
from appliance.core.i18n import say


def architecture_of(header: GgufHeader) -> Architecture:
    """What a plan needs to know. Raises `VerificationFailed` where the header does not say it."""
    experts = header.number("expert_count") or None
    kv_lora = header.number("attention.kv_lora_rank")
    compress_ratios = _compress_ratios(header)
    return Architecture(
        id=header.name or header.architecture,
        gguf=header.architecture,
        hf="",
        parameters_b=header.parameters * header.parts / 1e9,
        active_b=_active_b(header, experts),
        layers=_needed(header, "block_count"),
        hidden=_needed(header, "embedding_length"),
        heads=_needed(header, "attention.head_count"),
        kv_heads=header.number("attention.head_count_kv")
        or _needed(header, "attention.head_count"),
        head_dim=None if kv_lora else header.number("attention.key_length"),
        feed_forward=header.number("feed_forward_length") or 0,
        vocab=_vocabulary(header),
        context_train=header.number("context_length") or 0,
        norm_epsilon=header.real("attention.layer_norm_rms_epsilon") or 0.0,
        rope_base=header.real("rope.freq_base") or 0.0,
        tied_embeddings=all(tensor.name != "output.weight" for tensor in header.tensors),
        q_lora=header.number("attention.q_lora_rank"),
        kv_lora=kv_lora,
        yarn_factor=header.real("rope.scaling.factor"),
        rope_dim=header.number("rope.dimension_count") if kv_lora or compress_ratios else None,
        nope_dim=_nope_dim(header) if kv_lora else None,
        value_dim=_value_dim(header) if kv_lora else None,
        legacy_cache=any(tensor.name.endswith("attn_kv_b.weight") for tensor in header.tensors),
        experts=experts,
        experts_used=header.number("expert_used_count") if experts else None,
        experts_shared=header.number("expert_shared_count") if experts else None,
        expert_feed_forward=header.number("expert_feed_forward_length") if experts else None,
        expert_gating=header.number("expert_gating_func") if experts else None,
        expert_bias=any(tensor.name.endswith("exp_probs_b.bias") for tensor in header.tensors),
        dense_layers=header.number("leading_dense_block_count") or 0,
        indexer_heads=header.number("attention.indexer.head_count"),
        indexer_dim=header.number("attention.indexer.key_length"),
        indexer_top_k=header.number("attention.indexer.top_k"),
        sliding_window=header.number("attention.sliding_window"),
        compress_ratios=compress_ratios,
        o_groups=header.number("attention.output_group_count"),
        o_lora=header.number("attention.output_lora_rank"),
        hyper_connections=header.number("hyper_connection.count"),
        hash_layers=header.number("hash_layer_count"),
    )


def _nope_dim(header: GgufHeader) -> int:
    key = header.number("attention.key_length_mla") or _needed(header, "attention.key_length")
    return key - _needed(header, "rope.dimension_count")


def _value_dim(header: GgufHeader) -> int:
    mla = header.number("attention.value_length_mla")
    return mla or _needed(header, "attention.value_length")


def _active_b(header: GgufHeader, experts: int | None) -> float:
    """Parameters that one token reads: all, but of the routed experts only those used."""
    routed = sum(
        tensor.shape[0] * tensor.shape[1] * tensor.shape[2]
        for tensor in header.tensors
        if len(tensor.shape) == 3 and tensor.name.endswith("_exps.weight")
    )
    used = (header.number("expert_used_count") or 0) / experts if experts else 0.0
    return (header.parameters - routed * (1 - used)) * header.parts / 1e9


def _vocabulary(header: GgufHeader) -> int:
    named = header.number("vocab_size") or header.tokenizer.words
    if named:
        return named
    embedding = next((t for t in header.tensors if t.name == "token_embd.weight"), None)
    return embedding.shape[1] if embedding and len(embedding.shape) > 1 else 0


def _compress_ratios(header: GgufHeader) -> list[int]:
    values = header.metadata.get(f"{header.architecture}.attention.compress_ratios")
    if not isinstance(values, tuple):
        return []
    layers = header.number("block_count") or 0
    return [value for value in values if isinstance(value, int)][:layers]


def _needed(header: GgufHeader, key: str) -> int:
    value = header.number(key)
    if not value:
        _incomplete(header, key)
    return value


def _incomplete(header: GgufHeader, key: str) -> NoReturn:
    raise VerificationFailed(
        say("the GGUF header does not say {key}", key=f"{header.architecture}.{key}"),
        hint=say("use a GGUF file that llama.cpp's own converter wrote"),
        code="BAD-GGUF",
    )
