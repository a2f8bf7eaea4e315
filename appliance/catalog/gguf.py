"""Reading the header of a GGUF file that nobody vouches for, from a disk or in pieces by HTTP.

A header is what a stranger wrote: every count, length, offset and type is held against its limits
before anything is allocated for it. Long arrays (a tokenizer's words) are counted, not kept.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from appliance.catalog.ggml import ELEMENT_TYPES, FILE_TYPES
from appliance.core.errors import ApplianceError, VerificationFailed
from appliance.core.i18n import Text, say

ReadAt = Callable[[int, int], bytes]
Scalar = bool | int | float | str

MAX_HEADER_BYTES = 64 << 20
MAX_KEYS = 1 << 10
MAX_TENSORS = 1 << 16
MAX_ARRAY = 1 << 22
MAX_KEPT_ARRAY = 1 << 9
MAX_KEY_BYTES = 1 << 12
MAX_STRING_BYTES = 1 << 20
MAX_TENSOR_NAME_BYTES = 256
MAX_DIMENSIONS = 4
MAX_ELEMENTS = 1 << 62
DEFAULT_ALIGNMENT = 32
MAX_ALIGNMENT = 1 << 16
FIRST_CHUNK = 256 << 10
LARGEST_CHUNK = 8 << 20

_STRING, _ARRAY, _BOOL = 8, 9, 7
_FORMATS = {
    number: form
    for number, form in enumerate(("B", "b", "H", "h", "I", "i", "f", "B", "", "", "Q", "q", "d"))
    if form
}


class Tensor(msgspec.Struct, frozen=True):
    """One tensor: `shape` with the contiguous dimension first, `offset` in its file."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    bytes: int


class Split(msgspec.Struct, frozen=True):
    """Part `number` (from 0) of `count`; `tensors` is the number in all parts together."""

    number: int
    count: int
    tensors: int | None


class Tokenizer(msgspec.Struct, frozen=True):
    """Which tokenizer the file carries, and how many words it has."""

    model: str | None
    pre: str | None
    words: int | None


class GgufHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a GGUF file says about itself.

    `metadata` holds scalars, strings and short arrays; of longer arrays only `array_lengths`.
    `bytes` is where the last tensor ends: the size that a whole file has at least.
    """

    architecture: str
    name: str | None
    file_type: str | None
    licence: str | None
    chat_template: str | None
    tokenizer: Tokenizer
    split: Split | None
    tensors: tuple[Tensor, ...]
    metadata: dict[str, Scalar | tuple[Scalar, ...]]
    array_lengths: dict[str, int]
    data_offset: int
    bytes: int

    @property
    def parameters(self) -> int:
        """Elements of all tensors of this file."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors)

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all tensors of this file."""
        return sum(tensor.bytes for tensor in self.tensors)

    @property
    def parts(self) -> float:
        """The whole model in units of this file, by its count of tensors: 1 where it is not split.

        Zero tensors here (some publishers keep the first part for metadata) tell nothing: 1, too.
        """
        if not (self.split and self.split.tensors and self.tensors):
            return 1.0
        return max(1.0, self.split.tensors / len(self.tensors))

    @property
    def quant(self) -> str | None:
        """The label of the quantization; mixes carry the label of a stock one."""
        return self.file_type

    @property
    def context_length(self) -> int | None:
        """Tokens that the model was trained for."""
        return self.number("context_length")

    @property
    def block_count(self) -> int | None:
        """Layers."""
        return self.number("block_count")

    def number(self, key: str) -> int | None:
        """A whole number of this architecture: `number("embedding_length")`."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def real(self, key: str) -> float | None:
        """A number of this architecture."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return float(value) if isinstance(value, (int, float)) else None


def read_header(read_at: ReadAt, size: int | None) -> GgufHeader:
    """Read a header through `read_at(offset, length)`, which may return less at the end of file.

    `size` is the size of the file where it is known. Raises `VerificationFailed` (`BAD-GGUF`) for
    what is no GGUF file, is cut off, or contradicts itself.
    """
    reader = _Reader(read_at, size)
    tensor_count, key_count = _read_preamble(reader)
    metadata, lengths = _read_metadata(reader, key_count)
    alignment = _alignment(metadata)
    described = [_read_tensor(reader) for _ in range(tensor_count)]
    if len({tensor.name for tensor in described}) != tensor_count:
        _refuse(say("two tensors have one name"))
    data_offset = _aligned(reader.position, alignment)
    tensors = tuple(_placed(tensor, data_offset, alignment) for tensor in described)
    end = _end_of(tensors, data_offset)
    if size is not None and end > size:
        _refuse(say("it has {size} bytes of {end}", size=size, end=end), cut_off=True)
    return _header(metadata, lengths, tensors, data_offset, end)


def read_header_of(path: Path) -> GgufHeader:
    """Read the header of a local file.

    Raises as `read_header`, and `ApplianceError` (`UNREADABLE`) for a file that cannot be read.
    """
    try:
        with path.open("rb") as stream:
            handle = stream.fileno()
            return read_header(
                lambda offset, length: os.pread(handle, length, offset), path.stat().st_size
            )
    except OSError as fault:
        raise ApplianceError(
            say("{path} cannot be read: {fault}", path=path, fault=fault.strerror or fault),
            hint=say("check that the file is there and that you may read it"),
            code="UNREADABLE",
        ) from fault


class _Reader:
    """Sequential reads over `read_at`, in chunks that grow; never past the limit of a header."""

    def __init__(self, read_at: ReadAt, size: int | None) -> None:
        self.position = 0
        self._read_at = read_at
        self._limit = MAX_HEADER_BYTES if size is None else min(size, MAX_HEADER_BYTES)
        self._buffer = b""
        self._start = 0
        self._chunk = FIRST_CHUNK

    def take(self, length: int) -> bytes:
        inside = self.position - self._start
        if inside + length > len(self._buffer):
            self._fill(length)
            inside = 0
        self.position += length
        return self._buffer[inside : inside + length]

    def _fill(self, length: int) -> None:
        if self.position + length > self._limit:
            _refuse(say("its header is cut off"), cut_off=True)
        wanted = min(max(length, self._chunk), self._limit - self.position)
        kept = self._buffer[self.position - self._start :]
        fresh = self._read_at(self.position + len(kept), wanted - len(kept))
        self._buffer, self._start = kept + fresh, self.position
        self._chunk = min(self._chunk * 2, LARGEST_CHUNK)
        if len(self._buffer) < length:
            _refuse(say("its header is cut off"), cut_off=True)

    def skip(self, length: int) -> None:
        while length:
            step = min(length, LARGEST_CHUNK)
            self.take(step)
            length -= step

    def number(self, form: str) -> int:
        value: int = struct.unpack("<" + form, self.take(struct.calcsize(form)))[0]
        return value

    def text(self, longest: int) -> str:
        length = self.number("Q")
        if length > longest:
            _refuse(say("a text in it claims {length} bytes", length=length))
        try:
            return self.take(length).decode()
        except UnicodeDecodeError:
            _refuse(say("a text in it is not UTF-8"))


def _read_preamble(reader: _Reader) -> tuple[int, int]:
    """Tensor and key counts."""
    if reader.take(4) != b"GGUF":
        _refuse(say("it does not begin like one"))
    version = reader.number("I")
    if version not in (2, 3):
        _refuse(say("its version is {version}, 2 and 3 are known", version=version))
    tensors, keys = reader.number("Q"), reader.number("Q")
    if tensors > MAX_TENSORS or keys > MAX_KEYS:
        _refuse(say("it claims {tensors} tensors and {keys} keys", tensors=tensors, keys=keys))
    return tensors, keys


Values = dict[str, Scalar | tuple[Scalar, ...]]


def _read_metadata(reader: _Reader, count: int) -> tuple[Values, dict[str, int]]:
    values: Values = {}
    lengths: dict[str, int] = {}
    for _ in range(count):
        key = reader.text(MAX_KEY_BYTES)
        if key in values or key in lengths or not key:
            _refuse(say("the key {key} is there twice or empty", key=repr(key)))
        kind = reader.number("I")
        if kind == _ARRAY:
            kept, lengths[key] = _read_array(reader)
            if kept is not None:
                values[key] = kept
        else:
            values[key] = _read_scalar(reader, kind)
    return values, lengths


def _read_scalar(reader: _Reader, kind: int) -> Scalar:
    if kind == _STRING:
        return reader.text(MAX_STRING_BYTES)
    form = _FORMATS.get(kind)
    if form is None:
        _refuse(say("a value has the unknown type {kind}", kind=kind))
    value = reader.number(form)
    return bool(value) if kind == _BOOL else value


def _read_array(reader: _Reader) -> tuple[tuple[Scalar, ...] | None, int]:
    """The elements of a short array, `None` for those of a long one; and how many there are."""
    kind, count = reader.number("I"), reader.number("Q")
    if count > MAX_ARRAY or (kind != _STRING and kind not in _FORMATS):
        _refuse(say("an array claims {count} elements of type {kind}", count=count, kind=kind))
    if count <= MAX_KEPT_ARRAY:
        return tuple(_read_scalar(reader, kind) for _ in range(count)), count
    if kind == _STRING:
        for _ in range(count):
            length = reader.number("Q")
            if length > MAX_STRING_BYTES:
                _refuse(say("a text in it claims {length} bytes", length=length))
            reader.skip(length)
    else:
        reader.skip(count * struct.calcsize(_FORMATS[kind]))
    return None, count


def _alignment(metadata: Values) -> int:
    value = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    valid = isinstance(value, int) and 0 < value <= MAX_ALIGNMENT and not value & (value - 1)
    if not valid or isinstance(value, bool):
        _refuse(say("its alignment is {value}", value=value))
    return int(value)  # type: ignore[arg-type]  # a tuple has been refused above


def _read_tensor(reader: _Reader) -> Tensor:
    """One description; its offset still counts from the start of the data."""
    name = reader.text(MAX_TENSOR_NAME_BYTES)
    dimensions = reader.number("I")
    if not 0 < dimensions <= MAX_DIMENSIONS:
        _refuse(say("tensor {name} has {count} dimensions", name=repr(name), count=dimensions))
    shape = tuple(reader.number("Q") for _ in range(dimensions))
    number, offset = reader.number("I"), reader.number("Q")
    kind = ELEMENT_TYPES.get(number)
    if kind is None:
        _refuse(say("tensor {name} has the unknown type {kind}", name=repr(name), kind=number))
    elements = math.prod(shape)
    if not 0 < elements < MAX_ELEMENTS or shape[0] % kind.block:
        _refuse(say("tensor {name} has the shape {shape}", name=repr(name), shape=list(shape)))
    return Tensor(name, shape, kind.name, offset, elements // kind.block * kind.block_bytes)


def _placed(tensor: Tensor, data_offset: int, alignment: int) -> Tensor:
    if tensor.offset % alignment:
        _refuse(say("tensor {name} is not aligned", name=repr(tensor.name)))
    return msgspec.structs.replace(tensor, offset=data_offset + tensor.offset)


def _end_of(tensors: tuple[Tensor, ...], data_offset: int) -> int:
    """Where the data ends. Refuses tensors that lie on one another."""
    end = data_offset
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        if tensor.offset < end:
            _refuse(say("tensor {name} lies on another one", name=repr(tensor.name)))
        end = tensor.offset + tensor.bytes
    return end


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


def _header(
    metadata: Values,
    lengths: dict[str, int],
    tensors: tuple[Tensor, ...],
    data_offset: int,
    end: int,
) -> GgufHeader:
    def text(key: str) -> str | None:
        value = metadata.get(key)
        return value if isinstance(value, str) else None

    split = _split(metadata)
    architecture = text("general.architecture")
    if not architecture and (split is None or split.number == 0):
        _refuse(say("it does not say which architecture it has"))
    file_type = metadata.get("general.file_type")
    return GgufHeader(
        architecture=architecture or "",
        name=text("general.name"),
        file_type=FILE_TYPES.get(file_type) if isinstance(file_type, int) else None,
        licence=text("general.license"),
        chat_template=text("tokenizer.chat_template"),
        tokenizer=Tokenizer(
            text("tokenizer.ggml.model"),
            text("tokenizer.ggml.pre"),
            lengths.get("tokenizer.ggml.tokens"),
        ),
        split=split,
        tensors=tensors,
        metadata=metadata,
        array_lengths=lengths,
        data_offset=data_offset,
        bytes=end,
    )


def _split(metadata: Values) -> Split | None:
    number, count, tensors = (
        metadata.get(f"split.{key}") for key in ("no", "count", "tensors.count")
    )
    if number is None and count is None:
        return None
    if not (isinstance(number, int) and isinstance(count, int) and 0 <= number < max(count, 1)):
        _refuse(say("it is part {number} of {count}", number=number, count=count))
    if count <= 1:
        return None
    return Split(number, count, tensors if isinstance(tensors, int) else None)


def _refuse(why: Text, *, cut_off: bool = False) -> NoReturn:
    hint = (
        say("fetch the file again: it is not whole")
        if cut_off
        else say("use a GGUF file from a publisher you trust, and fetch it again if it is one")
    )
    raise VerificationFailed(
        say("not a usable GGUF file: {why}", why=why), hint=hint, code="BAD-GGUF"
    )
