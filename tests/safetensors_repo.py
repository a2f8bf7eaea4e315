"""Repositories of safetensors for the loopback hub."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hub import LoopbackHub

Tensor = tuple[str, str, list[int]]
_BYTES = {"BF16": 2, "F16": 2, "F32": 4, "F8_E4M3": 1, "I32": 4, "U8": 1}
R1_LIKE: dict[str, Any] = {
    "config": {
        "architectures": ["DeepseekV3ForCausalLM"],
        "model_type": "deepseek_v3",
        "max_position_embeddings": 163840,
    },
    "tokenizer_config": {
        "tokenizer_class": "LlamaTokenizerFast",
        "chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}",
    },
    "readme": "---\nlicense: mit\nlibrary_name: transformers\n---\n# A model\n",
}
"""Documents as they lie beside DeepSeek R1."""


def safetensors(tensors: list[Tensor]) -> bytes:
    """A whole file with these tensors, all zeros."""
    end, header = 0, {}
    for name, dtype, shape in tensors:
        first, end = end, end + math.prod(shape) * _BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [first, end]}
    raw = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return len(raw).to_bytes(8, "little") + raw + bytes(end)


def publish(
    hub: LoopbackHub, files: dict[str, bytes], readme: str | None = None, **documents: Any
) -> Path:
    """Put `org/model` on the hub; `config={…}` is its `config.json`. Returns the directory."""
    directory = hub.root / "org/model"
    directory.mkdir(parents=True)
    for name, content in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(content)
    for name, values in documents.items():
        file = f"{name.replace('__', '.').removesuffix('.json')}.json"
        (directory / file).write_text(json.dumps(values))
    if readme is not None:
        (directory / "README.md").write_text(readme)
    return directory
