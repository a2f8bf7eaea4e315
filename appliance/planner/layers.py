"""What each layer of a model weighs, and how much of it are experts.

Layers differ: the first ones of a large mixture of experts have none, and llama.cpp's stock recipes
store some layers in more bits. Where the layers are dealt out to cards, the heaviest share decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import NamedTuple

from appliance.catalog.architecture import Architecture
from appliance.catalog.compose import composable, tensors
from appliance.catalog.ggml import BYTES_PER_ELEMENT

_MORE_BITS = {"q4_k_m": "q6_k", "q5_k_m": "q6_k"}
"""What the stock recipes store values and the way down in, in some layers."""
_OUTPUT_TYPES = {
    "f16": "f16",
    "bf16": "bf16",
    "q8_0": "q8_0",
    "mxfp4_moe": "q8_0",
    "iq3_xxs": "q5_k",
    "iq2_m": "q5_k",
    "iq2_xxs": "q5_k",
    "iq1_m": "q5_k",
    "iq1_s": "q5_k",
}
"""How the stock recipes store the output matrix, where not as Q6_K."""
_BASE = {"q4_k_m": "q4_k", "q5_k_m": "q5_k"}


class Layer(NamedTuple):
    """Shares of all layers together; `experts` is a part of `all`."""

    all: float
    experts: float


def output_mib(a: Architecture, quant: str, tied_mib: float) -> float:
    """The matrix that turns states into words; `tied_mib` where the token embedding is used."""
    if a.tied_embeddings:
        return tied_mib
    kind = _OUTPUT_TYPES.get(quant, "q6_k")
    return a.vocab * a.hidden * BYTES_PER_ELEMENT[kind] / (1 << 20)


def layers_of(a: Architecture, quant: str) -> tuple[Layer, ...]:
    """All layers, first to last. Equal ones where the architecture's tensors are not known."""
    if not composable(a):
        routed = routed_share(a)
        return tuple(Layer(1 / a.layers, routed / a.layers) for _ in range(a.layers))
    return _weighed(_Key(a, quant))


class _Key:
    """An architecture that can be looked up: two with the same id and shape are the same."""

    def __init__(self, a: Architecture, quant: str) -> None:
        self.a, self.quant = a, quant
        self._value = (a.id, a.gguf, a.layers, a.hidden, a.experts, a.parameters_b, quant)

    def __hash__(self) -> int:
        return hash(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._value == other._value


@lru_cache(maxsize=512)
def _weighed(key: _Key) -> tuple[Layer, ...]:
    every, experts = [0.0] * key.a.layers, [0.0] * key.a.layers
    for layer, name, size in _layer_tensors(key.a, key.quant):
        every[layer] += size
        if name.endswith("_exps.weight"):
            experts[layer] += size
    total = sum(every)
    return tuple(Layer(a / total, e / total) for a, e in zip(every, experts, strict=True))


def _layer_tensors(a: Architecture, quant: str) -> Iterator[tuple[int, str, float]]:
    """Layer, name and (relative) size of every tensor that belongs to a layer."""
    base = BYTES_PER_ELEMENT.get(_BASE.get(quant, quant), 0.6)
    more = BYTES_PER_ELEMENT[_MORE_BITS[quant]] if quant in _MORE_BITS else base
    for full, shape, kind in tensors(a):
        if not full.startswith("blk."):
            continue
        number, _, name = full.removeprefix("blk.").partition(".")
        layer = int(number)
        heavy = name.startswith(("attn_v.", "ffn_down")) and _has_more_bits(layer, a.layers)
        exact = kind != "f16"
        yield layer, name, prod(shape) * (4 if exact else more if heavy else base)


def _has_more_bits(layer: int, layers: int) -> bool:
    """The rule of llama.cpp's quantizer: the ends, and every third layer between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def routed_share(a: Architecture) -> float:
    """The part of all weights that routed experts are, from the active parameters."""
    if not (a.experts and a.experts_used):
        return 0.0
    return (1 - a.active_b / a.parameters_b) / (1 - a.experts_used / a.experts)
