"""Small models in safetensors, as hubs hand them out: a directory that vLLM and SGLang load.

The shapes, the vocabulary and the weights are those of `tiny_models`, under the names that
`transformers` gives them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tiny_models as tiny

TOOLS = (
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
)
SPECIAL = (*tiny.SPECIAL, *TOOLS)
_CONTROL = (tiny.BOS, tiny.EOS, tiny.USER, tiny.ASSISTANT)
_CLASSES = {"qwen2": "Qwen2ForCausalLM", "llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM"}
_GGUF_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "lm_head.weight": "output.weight",
}


def build_parrot(architecture: str, directory: Path, text: str) -> Path:
    """Write a model that answers every chat with `text`; see `tiny_models.build_parrot`.

    Told not to stop (`ignore_eos`), it says it again and again.
    """
    vocabulary, weights = tiny.parrot(text, SPECIAL)
    directory.mkdir(parents=True, exist_ok=True)
    documents = {
        "config.json": _config(architecture, vocabulary),
        "generation_config.json": {"eos_token_id": vocabulary.index(tiny.EOS)},
        "tokenizer.json": _tokenizer(vocabulary),
        "tokenizer_config.json": _TOKENIZER_CONFIG,
    }
    for name, document in documents.items():
        (directory / name).write_text(json.dumps(document))
    tensors = {
        name: _bf16(weights(_GGUF_NAMES.get(name, name), shape))
        for name, shape in _tensors(architecture, len(vocabulary))
    }
    (directory / "model.safetensors").write_bytes(_safetensors(tensors))
    return directory


def _bf16(values: tiny.Matrix) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """The upper half of each number is its BF16."""
    return (values.view(np.uint32) >> 16).astype(np.uint16)


def _safetensors(tensors: dict[str, np.ndarray[Any, np.dtype[np.uint16]]]) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, values in tensors.items():
        first, end = end, end + values.nbytes
        header[name] = {"dtype": "BF16", "shape": values.shape, "data_offsets": [first, end]}
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + b"".join(v.tobytes() for v in tensors.values())


def _tensors(architecture: str, vocabulary: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "model.embed_tokens.weight", (vocabulary, tiny.HIDDEN)
    yield "model.norm.weight", (tiny.HIDDEN,)
    yield "lm_head.weight", (vocabulary, tiny.HIDDEN)
    for layer in range(tiny.LAYERS):
        for name, shape in _layer(architecture):
            yield f"model.layers.{layer}.{name}", shape


def _layer(architecture: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    queries, keys = tiny.HEADS * tiny.HEAD_DIM, tiny.KV_HEADS * tiny.HEAD_DIM
    yield "input_layernorm.weight", (tiny.HIDDEN,)
    yield "post_attention_layernorm.weight", (tiny.HIDDEN,)
    for name, rows in (("q", queries), ("k", keys), ("v", keys)):
        yield f"self_attn.{name}_proj.weight", (rows, tiny.HIDDEN)
        if architecture == "qwen2":
            yield f"self_attn.{name}_proj.bias", (rows,)
        if architecture == "qwen3" and name != "v":
            yield f"self_attn.{name}_norm.weight", (tiny.HEAD_DIM,)
    yield "self_attn.o_proj.weight", (tiny.HIDDEN, queries)
    yield "mlp.gate_proj.weight", (tiny.FEED_FORWARD, tiny.HIDDEN)
    yield "mlp.up_proj.weight", (tiny.FEED_FORWARD, tiny.HIDDEN)
    yield "mlp.down_proj.weight", (tiny.HIDDEN, tiny.FEED_FORWARD)


def _config(architecture: str, vocabulary: list[str]) -> dict[str, Any]:
    return {
        "architectures": [_CLASSES[architecture]],
        "model_type": architecture,
        "vocab_size": len(vocabulary),
        "hidden_size": tiny.HIDDEN,
        "intermediate_size": tiny.FEED_FORWARD,
        "num_hidden_layers": tiny.LAYERS,
        "num_attention_heads": tiny.HEADS,
        "num_key_value_heads": tiny.KV_HEADS,
        "head_dim": tiny.HEAD_DIM,
        "max_position_embeddings": tiny.CONTEXT,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "bos_token_id": vocabulary.index(tiny.BOS),
        "eos_token_id": vocabulary.index(tiny.EOS),
    }


def _tokenizer(vocabulary: list[str]) -> dict[str, Any]:
    """Byte-level BPE, as the distillations have it."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    return {
        "version": "1.0",
        "added_tokens": [
            {
                "id": index,
                "content": token,
                "special": token in _CONTROL,
                **dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False),
            }
            for index, token in enumerate(vocabulary)
            if token in SPECIAL
        ],
        "pre_tokenizer": {**byte_level, "use_regex": True},
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "vocab": {token: index for index, token in enumerate(vocabulary)},
            "merges": ["Ġ t"],
        },
    }


_TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": tiny.BOS,
    "eos_token": tiny.EOS,
    "pad_token": tiny.EOS,
    "model_max_length": tiny.CONTEXT,
    "clean_up_tokenization_spaces": False,
    "chat_template": tiny.CHAT_TEMPLATE,
}
