"""Write a GGUF of random weights in the shape of a model of half a billion parameters, as Q8_0.

    python benchmarks/shaped_model.py FILE.gguf

24 layers of 896 with 14 heads, 2 of them for keys and values, 4864 wide in between, 100,000 tokens:
540 million parameters, 570 MB. It answers with noise, at the speed of its size.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import tiny_models

SHAPE = {
    "LAYERS": 24,
    "HIDDEN": 896,
    "HEADS": 14,
    "KV_HEADS": 2,
    "HEAD_DIM": 64,
    "FEED_FORWARD": 4864,
}
TOKENS = 100_000
KIND = gguf.GGMLQuantizationType.Q8_0


class Quantizing(gguf.GGUFWriter):  # type: ignore[misc]
    """Keeps matrices as Q8_0."""

    def add_tensor(self, name: str, tensor: Any, *args: Any, **options: Any) -> None:
        if tensor.ndim > 1:
            quantized = gguf.quants.quantize(tensor.astype(np.float32), KIND)
            super().add_tensor(name, quantized, raw_dtype=KIND)
        else:
            super().add_tensor(name, tensor, *args, **options)


def many_tokens(special: Sequence[str] = tiny_models.SPECIAL) -> Iterator[str]:
    known = list(PLAIN_VOCABULARY(special))
    yield from known
    yield from (f"word{number}" for number in range(TOKENS - len(known)))


PLAIN_VOCABULARY = tiny_models._base_vocabulary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    path = parser.parse_args().file
    vars(tiny_models).update(SHAPE, _base_vocabulary=many_tokens)
    vars(tiny_models)["gguf"].GGUFWriter = Quantizing
    tiny_models.build("llama", path)
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
