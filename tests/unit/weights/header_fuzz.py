"""Headers no sane program wrote: whole ones, changed where it hurts.

A case is a kind (`gguf`, `safetensors`, `template`), bytes, and the size the file is said to have;
past its bytes a file reads as zeros, so that a claim of 900 GB costs nothing to make.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from appliance.catalog.gguf import (
    MAX_ARRAY,
    MAX_KEPT_ARRAY,
    MAX_KEYS,
    MAX_TENSORS,
    read_header,
)
from appliance.catalog.gguf_write import header_bytes
from appliance.core.errors import VerificationFailed
from appliance.weights.safetensors import MAX_HEADER_BYTES, check_safetensors
from appliance.weights.template import objection

KINDS = ("gguf", "safetensors", "template")
_NUMBERS = (0, 1, 2, 7, 31, 255, 256, 512, 513, 1 << 16, (1 << 24) - 1, 1 << 24, (1 << 31) - 1)
_LARGE = (1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_TEMPLATES = (
    "{% for m in messages %}{{ m['role'] + ': ' + m.content | trim }}{% endfor %}{{ bos_token }}",
    "{%- set ns = namespace(a=false, b='') -%}{% if not ns.a %}{{ ns.b.split('</think>')[-1] }}"
    "{%- macro call(x) %}{{ x | tojson(indent=2) }}{%- endmacro %}{% endif %}",
    "{% generation %}{{ raise_exception('no') }}{% endgeneration %}{# note #}{{ 1.5e3 ** 2 }}",
)
_SNIPPETS = (
    *("{%", "%}", "{{", "}}", "{#", "(", ")", "[", "'", "|", ".__class__", "attr('x')"),
    *("{% include 'x' %}", "{% if ", "not ", "-", "0x", "\0", "\ud7ff", "~", "**"),
)
_KEYS = (
    *(b"general.architecture", b"general.alignment", b"general.file_type"),
    *(b"split.no", b"split.count", b"", b"\xff"),
)


class Case(msgspec.Struct, frozen=True):
    """One input, and the size that is claimed for it."""

    kind: str
    data: bytes
    size: int | None


def check(case: Case) -> bool:
    """Whether the header was taken; raises nothing but bugs."""
    try:
        _READERS[case.kind](case)
    except VerificationFailed:
        return False
    return True


def _gguf(case: Case) -> None:
    read_header(_reading(case), case.size)


def _safetensors(case: Case) -> None:
    check_safetensors(_reading(case), case.size or 0)


def _template(case: Case) -> None:
    if objection(case.data.decode(errors="replace")) is not None:
        raise VerificationFailed("refused")


_READERS: dict[str, Callable[[Case], None]] = {
    "gguf": _gguf,
    "safetensors": _safetensors,
    "template": _template,
}


def _reading(case: Case) -> Callable[[int, int], bytes]:
    data, size = case.data, len(case.data) if case.size is None else case.size

    def read_at(offset: int, length: int) -> bytes:
        end = min(offset + length, size)
        return data[offset:end].ljust(max(0, end - offset), b"\0")

    return read_at


def cases(kind: str, seed: int) -> Iterator[Case]:
    """Ever new inputs of a kind; the same ones for the same seed."""
    chance = random.Random(f"{kind} {seed}")
    make = {"gguf": _gguf_case, "safetensors": _safetensors_case, "template": _template_case}[kind]
    while True:
        yield make(chance)


def extremes() -> Iterator[Case]:
    """The largest and longest that the limits let through."""
    key = _sized(b"general.architecture") + struct.pack("<I", 8) + _sized(b"llama")
    empty = _sized(b"words") + struct.pack("<IIQ", 9, 8, MAX_ARRAY)
    yield Case("gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + key + empty, 900 << 30)
    words = struct.pack("<IIQ", 9, 8, MAX_KEPT_ARRAY) + _sized(b"word") * MAX_KEPT_ARRAY
    data = bytearray(b"GGUF" + struct.pack("<IQQ", 3, MAX_TENSORS, MAX_KEYS) + key)
    for number in range(MAX_KEYS - 1):
        data += _sized(b"key %d" % number) + words
    for number in range(MAX_TENSORS):
        data += _sized(b"%0240d" % number) + struct.pack("<I4Q", 4, 32, 1, 1, 1)
        data += struct.pack("<IQ", 0, number * 128)
    yield Case("gguf", bytes(data), None)
    data = bytearray(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}')
    for number in range(MAX_HEADER_BYTES):
        data += b',"%x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % number
        if len(data) > MAX_HEADER_BYTES - 100:
            break
    data += b"}"
    yield Case("safetensors", struct.pack("<Q", len(data)) + data, 8 + len(data))


def _sized(raw: bytes) -> bytes:
    return struct.pack("<Q", len(raw)) + raw


# -- GGUF ----------------------------------------------------------------------------------


def _gguf_case(chance: random.Random) -> Case:
    written, right = _written(chance) if chance.random() < 0.5 else _composed(chance)
    data = bytearray(written)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4, 16))):
        _spoil(chance, data)
    size = chance.choice((right, right, len(data), None, 900 << 30, 0))
    return Case("gguf", bytes(data), size)


def _written(chance: random.Random) -> tuple[bytes, int]:
    """A whole header as a program of ours writes it, and the size of its file."""
    words = [chance.randrange(1 << 20) for _ in range(chance.choice((0, 3, 600)))]
    metadata = {
        "general.architecture": chance.choice(("llama", "deepseek2", "qwen3", "")),
        "general.alignment": chance.choice((32, 32, 32, 32, 16, 33, 1 << 20)),
        "general.file_type": chance.randrange(40),
        "tokenizer.chat_template": chance.choice(_TEMPLATES),
        "tokenizer.ggml.token_type": words,
        "llama.context_length": chance.randrange(1 << 20),
        "split.no": chance.randrange(3),
        "split.count": chance.randrange(1, 6),
        "a.real": chance.random(),
        "a.flag": bool(chance.randrange(2)),
    }
    keys = [key for key in metadata if chance.random() < 0.8]
    shapes = [(256, chance.randrange(1, 9)), (32,), (256, 2, 3, 1)]
    tensors = [
        (f"blk.{number}.w", chance.choice(shapes), chance.choice(("f32", "f16", "i8")))
        for number in range(chance.randrange(6))
    ]
    return header_bytes({key: metadata[key] for key in keys}, tensors)


def _composed(chance: random.Random) -> tuple[bytes, int]:
    """A header in which any count, type or length may be anything."""
    keys, tensors = chance.randrange(5), chance.randrange(5)
    body = b"".join(_entry(chance) for _ in range(keys))
    body += b"".join(_tensor(chance) for _ in range(tensors))
    counts = (_maybe(chance, tensors), _maybe(chance, keys))
    head = b"GGUF" + struct.pack("<IQQ", chance.choice((3, 3, 3, 2, 1, 4)), *counts)
    return head + body, len(head + body) + (1 << 20)


def _number(chance: random.Random) -> int:
    return chance.choice(_NUMBERS + _LARGE)


def _maybe(chance: random.Random, right: int) -> int:
    return right if chance.random() < 0.9 else _number(chance)


def _text(chance: random.Random, raw: bytes) -> bytes:
    return _sized(raw) if chance.random() < 0.9 else struct.pack("<Q", _number(chance)) + raw


def _entry(chance: random.Random) -> bytes:
    key = chance.choice(_KEYS) if chance.random() < 0.5 else chance.randbytes(3).hex().encode()
    kind = chance.randrange(14)
    return _text(chance, key) + struct.pack("<I", kind) + _value(chance, kind, 0)


def _value(chance: random.Random, kind: int, depth: int) -> bytes:
    if kind == 8:
        return _text(chance, chance.randbytes(chance.randrange(40)) if depth else b"llama")
    if kind == 9 and depth < 4:
        inner, count = chance.randrange(13), chance.choice((0, 1, 5, 600))
        head = struct.pack("<IQ", inner, _maybe(chance, count))
        return head + b"".join(_value(chance, inner, depth + 1) for _ in range(min(count, 8)))
    return chance.randbytes((1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8, 3)[kind])


def _tensor(chance: random.Random) -> bytes:
    dimensions = chance.choice((0, 1, 1, 2, 3, 4, 5))
    shape = [chance.choice((1, 32, 256)) if chance.random() < 0.9 else _number(chance)
             for _ in range(dimensions)]  # fmt: skip
    head = _text(chance, chance.randbytes(2).hex().encode()) + struct.pack("<I", dimensions)
    kind, offset = chance.choice((0, 1, 2, 12, 39, 255)), _maybe(chance, 32 * chance.randrange(99))
    return head + struct.pack(f"<{dimensions}QIQ", *shape, kind, offset)


def _spoil(chance: random.Random, data: bytearray) -> None:
    """One change of the bytes: a flip, a number, a cut, a repeat."""
    if not data:
        return
    at = chance.randrange(len(data))
    match chance.randrange(6):
        case 0:
            data[at] ^= 1 << chance.randrange(8)
        case 1:
            data[at : at + 8] = struct.pack("<Q", _number(chance))
        case 2:
            data[at : at + 4] = struct.pack("<I", _number(chance) & 0xFFFFFFFF)
        case 3:
            del data[at : at + chance.choice((1, 4, 8, 1 << 20))]
        case 4:
            data[at:at] = chance.randbytes(chance.choice((1, 4, 8)))
        case _:
            data[at:at] = data[at : at + chance.randrange(64)]


# -- safetensors ---------------------------------------------------------------------------


def _safetensors_case(chance: random.Random) -> Case:
    header, room = _tensors(chance)
    raw = bytearray(json.dumps(header, ensure_ascii=chance.random() < 0.5).encode(errors="replace"))
    for _ in range(chance.choice((0, 0, 1, 2, 8))):
        _spoil(chance, raw)
    if chance.random() < 0.02:
        raw = bytearray(chance.choice((b"[", b'{"a":', b"{")) * chance.choice((10, 100_000)))
    length = _maybe(chance, len(raw))
    size = _maybe(chance, 8 + len(raw) + room)
    return Case("safetensors", struct.pack("<Q", length) + bytes(raw), size)


def _tensors(chance: random.Random) -> tuple[dict[str, Any], int]:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}} if chance.random() < 0.5 else {}
    end = 0
    for number in range(chance.choice((0, 1, 3, 40))):
        shape = [chance.choice((1, 2, 8)) for _ in range(chance.randrange(4))]
        size = 2
        for extent in shape:
            size *= extent
        header[f"t{number}"] = {
            "dtype": _wrong(chance, "BF16"),
            "shape": _wrong(chance, shape),
            "data_offsets": _wrong(chance, [end, end + size]),
        }
        end += size
    return header, end


def _wrong(chance: random.Random, right: Any) -> Any:
    if chance.random() < 0.97:
        return right
    odd: tuple[Any, ...] = (None, -1, 1.5, 1e308, "", "F99", [], [-1], [1, 2, 3], {}, [[0]], True)
    return chance.choice((*odd, _number(chance)))


# -- templates -----------------------------------------------------------------------------


def _template_case(chance: random.Random) -> Case:
    text = chance.choice(_TEMPLATES)
    for _ in range(chance.choice((0, 1, 2, 4))):
        at = chance.randrange(len(text) + 1)
        cut = chance.choice((0, 0, 1, 5))
        text = text[:at] + chance.choice(_SNIPPETS) + text[at + cut :]
    if chance.random() < 0.01:
        text = chance.choice(("{{ (", "{% if a %}", "{{ [", "{{ -", "{{ not ")) * 3000
    return Case("template", text.encode(errors="replace"), None)
