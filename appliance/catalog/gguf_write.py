"""Writing GGUF headers: metadata and the list of tensors, without their data.

An engine sizes a model from its header alone, so a header is composed where there is no file.
Format: the public GGUF specification, version 3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from appliance.catalog.ggml import ELEMENT_TYPES, TYPE_NUMBERS

Value = bool | int | float | str | Sequence[int] | Sequence[float]

ALIGNMENT = 32
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9


def header_bytes(
    metadata: Mapping[str, Value], tensors: Iterable[tuple[str, tuple[int, ...], str]]
) -> tuple[bytes, int]:
    """A header, and the size that the whole file would have.

    `tensors` are name, shape (the contiguous dimension first) and element type such as `f16`.
    """
    described, data_bytes = _tensor_list(list(tensors))
    keys = b"".join(_text(key) + _value(value) for key, value in metadata.items())
    counts = struct.pack("<IQQ", 3, len(described), len(metadata))
    header = _padded(b"GGUF" + counts + keys + b"".join(described))
    return header, len(header) + data_bytes


def write_sparse(path: Path, header: bytes, size: int) -> None:
    """Write a file of `size` bytes that takes no more room than its header."""
    with path.open("wb") as stream:
        stream.write(header)
        stream.truncate(size)


def _tensor_list(tensors: list[tuple[str, tuple[int, ...], str]]) -> tuple[list[bytes], int]:
    described: list[bytes] = []
    offset = 0
    for name, shape, kind in tensors:
        number = TYPE_NUMBERS[kind]
        described.append(
            _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, number, offset)
        )
        element = ELEMENT_TYPES[number]
        size = math.prod(shape) // element.block * element.block_bytes
        offset += -(-size // ALIGNMENT) * ALIGNMENT
    return described, offset


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGNMENT)


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Value) -> bytes:
    match value:
        case bool():
            return struct.pack("<IB", _BOOL, value)
        case int():
            return struct.pack("<II", _UINT32, value)
        case float():
            return struct.pack("<If", _FLOAT32, value)
        case str():
            return struct.pack("<I", _STRING) + _text(value)
    whole = all(isinstance(item, int) for item in value)
    kind, form = (_INT32, "i") if whole else (_FLOAT32, "f")
    return struct.pack(f"<IIQ{len(value)}{form}", _ARRAY, kind, len(value), *value)
