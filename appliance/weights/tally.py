"""What the tensors of a safetensors model add up to."""

from __future__ import annotations

import math
import re
from collections import Counter
from fractions import Fraction

from appliance.weights.safetensors import bits_of

_WEIGHTS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F6_E2M3", "F6_E3M2", "F4")
"""Types whose elements are one parameter each."""
_SCALES = ("scale", "scales", "scale_inv", "scale_2", "zero_point", "zeros", "absmax")
_BESIDE_PACKED = ("qzeros", "g_idx")
_WORD_BITS = 32
_LAYER = re.compile(r"(?:^|\.)layers\.(\d{1,6})\.")


class Tally:
    """Counts the tensors of all parts of a model.

    The type names are those of the format, https://github.com/huggingface/safetensors. GPTQ and
    AWQ pack parameters into the words of `qweight`; elements of other packed types cannot be
    told from parameters, and then their number is not known.
    """

    def __init__(self) -> None:
        self._bits: Counter[str] = Counter()
        self._names: set[str] = set()
        self._weights = self._scales = self._words = 0
        self._layers: set[int] = set()
        self.bytes = 0
        """Of all parts, without their headers."""
        self._is_unsure = False

    def add(self, name: str, dtype: str, shape: list[int]) -> None:
        """Count one tensor; one that comes twice makes the number unknown."""
        self._is_unsure |= name in self._names
        self._names.add(name)
        count = math.prod(shape)
        self._bits[dtype] += count * (bits_of(dtype) or 0)
        if layer := _LAYER.search(name):
            self._layers.add(int(layer[1]))
        leaf = name.rpartition(".")[2]
        if dtype == "F8_E8M0" or leaf in _BESIDE_PACKED:
            return
        if dtype in _WEIGHTS:
            if leaf.endswith(_SCALES):
                self._scales += count
            else:
                self._weights += count
        elif leaf == "qweight":
            self._words += count
        elif len(shape) > 1:
            self._is_unsure = True

    @property
    def layers(self) -> frozenset[int]:
        """Indexes of the layers that tensors name."""
        return frozenset(self._layers)

    @property
    def dtype(self) -> str | None:
        """The type that most bytes are of; `None` where these are packed or there are none."""
        most = max(self._bits, key=lambda dtype: self._bits[dtype], default=None)
        return most.lower() if most in _WEIGHTS else None

    def parameters(self, *, quantized: bool, word_parts_bits: int | None) -> int | None:
        """The number of parameters; `word_parts_bits` is the width of one in a packed word.

        Scales are parameters only where nothing is quantized.
        """
        if self._is_unsure or not self._names or (self._words and not word_parts_bits):
            return None
        packed = self._words * Fraction(_WORD_BITS, word_parts_bits) if word_parts_bits else 0
        return int(self._weights + packed + (0 if quantized else self._scales))
