"""Numbers of config.json, as publishers write them and as nobody should."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.catalog.from_config import (
    SafetensorsSet,
    architecture_of,
    quantization_of,
)
from appliance.catalog.models import load_catalogue
from appliance.core.errors import ApplianceError, UsageError, VerificationFailed
from appliance.planner.rules import rules

QWEN2_7B: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "max_position_embeddings": 131072,
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
    "vocab_size": 152064,
}
LLAMA_8B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}
V3: dict[str, Any] = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "moe_intermediate_size": 2048,
    "moe_layer_freq": 1,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "vocab_size": 129280,
}
V2_LITE: dict[str, Any] = {
    **V3,
    "architectures": ["DeepseekV2ForCausalLM"],
    "first_k_dense_replace": 1,
    "hidden_size": 2048,
    "intermediate_size": 10944,
    "moe_intermediate_size": 1408,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "num_attention_heads": 16,
    "num_experts_per_tok": 6,
    "num_hidden_layers": 27,
    "num_nextn_predict_layers": 0,
    "q_lora_rank": None,
    "vocab_size": 102400,
}
V32: dict[str, Any] = {
    **V3,
    "architectures": ["DeepseekV32ForCausalLM"],
    "index_head_dim": 128,
    "index_n_heads": 64,
    "index_topk": 2048,
}
PUBLISHED = {
    "qwen2-7b": QWEN2_7B,
    "llama-8b": LLAMA_8B,
    "deepseek2-671b": V3,
    "deepseek2-lite": V2_LITE,
    "deepseek32": V32,
}
READ = (
    *("gguf", "layers", "hidden", "heads", "kv_heads", "feed_forward", "vocab", "context_train"),
    *("q_lora", "kv_lora", "rope_dim", "nope_dim", "value_dim", "tied_embeddings"),
    *("experts", "experts_used", "expert_feed_forward", "experts_shared", "dense_layers"),
    *("indexer_heads", "indexer_dim", "indexer_top_k"),
)


def a_set(config: dict[str, Any], **more: Any) -> SafetensorsSet:
    layers = config.get("num_hidden_layers")
    count = layers if type(layers) is int and 0 < layers <= 2000 else 1
    values: dict[str, Any] = {
        "architecture": config["architectures"][0],
        "config": config,
        "quantization": "bf16",
        "tensor_bytes": 1 << 30,
        "parameters": None,
        "layers": frozenset(range(count)),
        "template": "",
        "has_tokenizer": True,
    }
    return SafetensorsSet(**{**values, **more})


def code_of(found: SafetensorsSet) -> str | None:
    with pytest.raises(ApplianceError) as refused:
        architecture_of(found)
    assert refused.value.hint
    return refused.value.code


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_makers_publish_gives_the_catalogue_s_numbers(name: str) -> None:
    known = next(f.architecture for f in load_catalogue().families if f.architecture.id == name)

    read = architecture_of(a_set(PUBLISHED[name]))

    assert {key: getattr(read, key) for key in READ} == {key: getattr(known, key) for key in READ}
    assert read.parameters_b == pytest.approx(known.parameters_b, rel=0.005)
    assert read.active_b == pytest.approx(known.active_b, rel=0.12)  # makers round and leave out


def test_drafting_layers_beyond_the_last_are_no_layers() -> None:
    read = architecture_of(a_set(V3, layers=frozenset(range(62)), parameters=684_531_386_000))

    assert read.layers == 61


@pytest.mark.parametrize("name", ["GemmaForCausalLM", "", None, "qwen2forcausallm"])
def test_an_architecture_that_nobody_knows_is_named(name: str | None) -> None:
    found = a_set(QWEN2_7B, architecture=name)

    with pytest.raises(UsageError) as refused:
        architecture_of(found)

    assert refused.value.code == "ARCHITECTURE-UNKNOWN"
    assert (name or "names no architecture") in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", None),
        ("num_hidden_layers", 0),
        ("num_hidden_layers", -1),
        ("num_hidden_layers", 10**9),
        ("num_hidden_layers", True),
        ("num_hidden_layers", "28"),
        ("num_hidden_layers", 28.0),
        ("hidden_size", 10**30),
        ("hidden_size", [3584]),
        ("vocab_size", 0),
        ("num_key_value_heads", 29),
        ("num_key_value_heads", 5),
        ("num_attention_heads", 27),
        ("max_position_embeddings", 2**63),
    ],
)
def test_a_number_that_cannot_be_is_refused(key: str, value: object) -> None:
    assert code_of(a_set({**QWEN2_7B, key: value})) == "BAD-CONFIG"


@pytest.mark.parametrize(
    ("key", "value"), [("moe_layer_freq", 2), ("num_experts_per_tok", 257), ("q_lora_rank", None)]
)
def test_experts_that_cannot_be_are_refused(key: str, value: object) -> None:
    assert code_of(a_set({**V3, key: value})) == "BAD-CONFIG"


@pytest.mark.parametrize("layers", [range(27), range(1, 29), range(29), [], [*range(28), 999]])
def test_a_config_of_other_layers_than_the_files_is_refused(layers: list[int]) -> None:
    assert code_of(a_set(QWEN2_7B, layers=frozenset(layers))) == "BAD-CONFIG"


def test_a_config_of_another_size_than_the_files_is_refused() -> None:
    assert code_of(a_set(QWEN2_7B, parameters=1_500_000_000)) == "BAD-CONFIG"
    assert architecture_of(a_set(QWEN2_7B, parameters=7_615_616_512)).layers == 28


def test_weights_without_a_tokenizer_are_refused() -> None:
    assert code_of(a_set(QWEN2_7B, has_tokenizer=False)) == "NO-TOKENIZER"


@pytest.mark.parametrize("label", ["bitsandbytes", "fp4", "gptq-int3", None, ""])
def test_a_quantization_that_nobody_knows_is_named(label: str | None) -> None:
    with pytest.raises(UsageError) as refused:
        quantization_of(a_set(QWEN2_7B, quantization=label))
    assert refused.value.code == "QUANTIZATION-UNKNOWN"
    assert (label or "do not say") in str(refused.value)


@pytest.mark.parametrize(
    "label", ["f32", "bf16", "f16", "fp8", "w8a8", "w4a16", "gptq-int4", "awq-int4", "nvfp4"]
)
def test_every_known_quantization_has_a_quality(label: str) -> None:
    assert quantization_of(a_set(QWEN2_7B, quantization=label)) in rules().quality


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
SIZES = st.integers(1, 1 << 20) | st.integers(-(10**40), 10**40) | JSON


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_config_is_read_or_refused(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(list(PUBLISHED.values())))
    keys = data.draw(st.lists(st.sampled_from(sorted(set(base) - {"architectures"})), max_size=4))
    config = {**base, **{key: data.draw(SIZES) for key in keys}}
    found = a_set(config, parameters=data.draw(st.none() | st.integers(0, 10**15)))
    try:
        read = architecture_of(found)
    except VerificationFailed:
        return
    assert 0 < read.active_b <= read.parameters_b
    assert read.heads % read.kv_heads == 0
    assert read.layers == config["num_hidden_layers"]
    assert msgspec.json.encode(read)
