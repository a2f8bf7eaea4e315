"""A model of a few MB that any engine for safetensors serves: it answers with noise.

A dense Llama of two layers with made-up weights, whose words are the 256 bytes.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LAYERS, _HIDDEN, _HEADS, _HEAD, _FORWARD, _WORDS = 2, 256, 2, 128, 512, 512
"""Heads are as wide as those of real models: kernels of attention are made for few widths."""
_END = "<|end|>"
_ONE = b"\x80\x3f"
"""1.0 as BF16."""
_SMALL = bytes((0x3C, 0xBC))
"""High bytes of BF16 numbers of about a hundredth."""

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": _HIDDEN,
    "intermediate_size": _FORWARD,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _HEADS,
    "num_key_value_heads": _HEADS,
    "head_dim": _HEAD,
    "vocab_size": _WORDS,
    "max_position_embeddings": 2048,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "bos_token_id": 256,
    "eos_token_id": 256,
    "torch_dtype": "bfloat16",
}
_TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


def write_tiny_model(directory: Path) -> Path:
    """Write the model into `directory`, which is made, and return it."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": _END,
        "eos_token": _END,
        "chat_template": _TEMPLATE,
    }
    documents = {"config": CONFIG, "tokenizer": _tokenizer(), "tokenizer_config": tokenizer}
    for name, document in documents.items():
        (directory / f"{name}.json").write_text(json.dumps(document))
    (directory / "model.safetensors").write_bytes(_safetensors())
    return directory


def _tokenizer() -> dict[str, Any]:
    bytes_only = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    end = {"id": 256, "content": _END, "special": True, "normalized": False}
    return {
        "version": "1.0",
        "added_tokens": [{**end, "single_word": False, "lstrip": False, "rstrip": False}],
        "pre_tokenizer": {**bytes_only, "use_regex": True},
        "decoder": {**bytes_only, "use_regex": True},
        "model": {
            "type": "BPE",
            "vocab": {letter: number for number, letter in enumerate(_letters())},
            "merges": [],
        },
    }


def _letters() -> Iterator[str]:
    """What byte-level tokenizers write for each byte: itself where it can be seen, else a letter
    from 256 on.
    """
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = iter(range(256, 512))
    for byte in range(256):
        yield chr(byte if byte in seen else next(hidden))


def _tensors() -> Iterator[tuple[str, tuple[int, ...]]]:
    wide = _HEADS * _HEAD
    yield "model.embed_tokens.weight", (_WORDS, _HIDDEN)
    for layer in range(_LAYERS):
        name = f"model.layers.{layer}."
        yield f"{name}input_layernorm.weight", (_HIDDEN,)
        for projection in ("q", "k", "v"):
            yield f"{name}self_attn.{projection}_proj.weight", (wide, _HIDDEN)
        yield f"{name}self_attn.o_proj.weight", (_HIDDEN, wide)
        yield f"{name}post_attention_layernorm.weight", (_HIDDEN,)
        yield f"{name}mlp.gate_proj.weight", (_FORWARD, _HIDDEN)
        yield f"{name}mlp.up_proj.weight", (_FORWARD, _HIDDEN)
        yield f"{name}mlp.down_proj.weight", (_HIDDEN, _FORWARD)
    yield "model.norm.weight", (_HIDDEN,)
    yield "lm_head.weight", (_WORDS, _HIDDEN)


def _safetensors() -> bytes:
    header, body, chance = {}, bytearray(), random.Random(0)  # noqa: S311 - weights
    for name, shape in _tensors():
        begins = len(body)
        body += _weights(math.prod(shape), chance) if len(shape) > 1 else _ONE * shape[0]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begins, len(body)]}
    raw = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return len(raw).to_bytes(8, "little") + raw + bytes(body)


def _weights(count: int, chance: random.Random) -> bytes:
    """Numbers of about a hundredth, of either sign."""
    mixed = bytearray(chance.randbytes(2 * count))
    mixed[1::2] = bytes(_SMALL[byte & 1] for byte in mixed[1::2])
    return bytes(mixed)
