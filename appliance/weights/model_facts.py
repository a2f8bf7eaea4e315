"""What the documents beside safetensors say of a model; what they do not say is `None`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from appliance.weights.tally import Tally

TEMPLATE_DOCUMENTS = ("tokenizer_config.json", "chat_template.json", "processor_config.json")
"""Where engines look for chat templates, besides files of their own (`*.jinja`)."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json", "tiktoken.model")
"""Any of them is what a tokenizer is made of."""
MAX_TEMPLATES = 16
MAX_DOCUMENT_BYTES = 4 << 20
_LONGEST_TEXT = 200
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "seq_length")
_PACKED_INTO_WORDS = ("gptq", "awq")
_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*\r?(?:\n|\Z)", re.DOTALL)
_LICENCE = re.compile(
    r"""^(license|license_name):[ \t]*(["']?)(\w[\w .+/-]*?)\2[ \t]*(?:#.*)?\r?$""", re.MULTILINE
)
Values = Mapping[str, Any]


class SafetensorsModel(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository of safetensors says about itself."""

    architecture: str | None = None
    parameters: int | None = None
    quantization: str | None = None
    context_length: int | None = None
    tokenizer: str | None = None
    chat_template: bool | None = None
    licence: str | None = None


def architecture_of(config: Values) -> str | None:
    """The class that engines look for, else the family it is of."""
    classes = config.get("architectures")
    first = classes[0] if isinstance(classes, list) and classes else None
    return plain(first) or plain(config.get("model_type"))


def context_of(config: Values) -> int | None:
    """Tokens that the model was made for; models that also see keep it with their text part."""
    for part in (config, _part(config, "text_config")):
        for key in _CONTEXT_KEYS:
            if number := whole(part.get(key)):
                return number
    return None


def quantization_of(config: Values, described: Values, tally: Tally) -> str | None:
    """How the weights are stored: as the publisher calls it, else the type of most tensors.

    `described` is `hf_quant_config.json`, where NVIDIA's Model Optimizer says it.
    """
    given = quantization_given(config, described)
    return _label(given) if given else tally.dtype


def parameters_of(config: Values, described: Values, tally: Tally) -> int | None:
    """The number of parameters."""
    given = quantization_given(config, described)
    packed = given.get("quant_method") in _PACKED_INTO_WORDS
    return tally.parameters(
        quantized=bool(given) or (tally.dtype or "").startswith("f8"),
        word_parts_bits=whole(given.get("bits")) if packed else None,
    )


def quantization_given(config: Values, described: Values) -> Values:
    """What is said about quantization, empty where nothing is."""
    own = _part(config, "quantization_config")
    inner = _part(_part(config, "text_config"), "quantization_config")
    return own or inner or _part(described, "quantization")


def _label(given: Values) -> str | None:
    method = plain(given.get("quant_algo")) or plain(given.get("quant_method"))
    if method == "compressed-tensors":
        return _groups_label(given) or method
    bits = whole(given.get("bits"))
    if method in _PACKED_INTO_WORDS and bits:
        return f"{method}-int{bits}"
    return method.lower() if method else None


def _groups_label(given: Values) -> str | None:
    """`w4a16` and the like: bits of weights and activations, where all groups have the same."""
    groups = _part(given, "config_groups").values()
    labels = {_group_label(group) for group in groups if isinstance(group, dict)}
    return labels.pop() if len(labels) == 1 else None


def _group_label(group: Values) -> str | None:
    weights, activations = _part(group, "weights"), _part(group, "input_activations")
    bits = whole(weights.get("num_bits"))
    if bits is None:
        return None
    if weights.get("type") == "float":
        return f"fp{bits}"
    taken = whole(activations.get("num_bits")) if activations else 16
    return f"w{bits}a{taken}" if taken else None


def templates_in(values: Values) -> Iterator[str]:
    """The chat templates of one of `TEMPLATE_DOCUMENTS`: one, a list, or several by name."""
    given = values.get("chat_template")
    for item in given if isinstance(given, list) else [given]:
        for text in item.values() if isinstance(item, dict) else [item]:
            if isinstance(text, str) and text:
                yield text


def licence_of(readme: str) -> str | None:
    """The licence in the front matter of a model's card; `other` has a name of its own."""
    match = _FRONT_MATTER.match(readme)
    found = {key: plain(word) for key, _, word in _LICENCE.findall(match[1])} if match else {}
    licence, name = found.get("license"), found.get("license_name")
    return (name or licence) if licence in (None, "other") else licence


def plain(value: object) -> str | None:
    """A short text that a terminal can show; `None` for anything else."""
    if isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT and value.isprintable():
        return value
    return None


def whole(value: object) -> int | None:
    """A number above zero; `None` for anything else."""
    return value if type(value) is int and value > 0 else None


def _part(values: Values, key: str) -> Values:
    part = values.get(key)
    return part if isinstance(part, dict) else {}
