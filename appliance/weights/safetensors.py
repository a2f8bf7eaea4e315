"""The header of a safetensors file: names, types, shapes and places, held against its size."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable

import msgspec

from appliance.core.errors import VerificationFailed
from appliance.core.i18n import Text, say

MAX_HEADER_BYTES = 16 << 20
"""Every tensor of DeepSeek V3 in one file takes 14 MB; reading one stays below 200 MiB."""
_MAX_OFFSET = (1 << 63) - 1
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


OnTensor = Callable[[str, str, list[int]], None]
"""Told the name, type and shape of a tensor."""


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def bits_of(dtype: str) -> int | None:
    """Bits of one element; `None` for a type that is not known."""
    return _BITS.get(dtype)


def check_safetensors(
    read_at: Callable[[int, int], bytes],
    size: int,
    on_tensor: OnTensor = lambda name, dtype, shape: None,
) -> int:
    """The number of tensors. Raises `VerificationFailed` for a header an engine could trip over.

    `on_tensor` is told of each, before the header as a whole has been found good.
    """
    length = int.from_bytes(read_at(0, 8), "little")
    if size < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
        raise _refused(say("its header has {length} bytes", length=length))
    try:
        entries = msgspec.json.decode(read_at(8, length), type=dict[str, msgspec.Raw])
        entries.pop("__metadata__", None)
        places = array("Q")
        while entries:
            name, raw = entries.popitem()
            tensor = msgspec.json.decode(raw, type=_Tensor)
            places.extend(_place(tensor))
            on_tensor(name, tensor.dtype, tensor.shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(say("its header is damaged ({why})", why=error)) from error
    _check_places(places, size - 8 - length)
    return len(places) // 2


def _place(tensor: _Tensor) -> tuple[int, int]:
    """First byte of a tensor and the byte after its last, held against its shape."""
    first, last = tensor.data_offsets
    if not 0 <= first <= last <= _MAX_OFFSET:
        raise _refused(say("its tensors overlap or lie outside the file"))
    if any(extent < 0 for extent in tensor.shape):
        raise _refused(say("a tensor has a negative shape"))
    bits = _BITS.get(tensor.dtype)
    if bits is not None and math.prod(tensor.shape) * bits != (last - first) * 8:
        raise _refused(say("a tensor is not as long as its shape says"))
    return first, last


def _check_places(places: array[int], room: int) -> None:
    """Tensors fill the rest of the file, one after another."""
    end = 0
    for first, last in sorted(zip(places[::2], places[1::2], strict=True)):
        if first != end or last > room:
            raise _refused(say("its tensors overlap or lie outside the file"))
        end = last
    if end != room:
        raise _refused(say("it has {size} bytes of {end}", size=room, end=end))


def _refused(why: Text) -> VerificationFailed:
    return VerificationFailed(
        say("not a usable safetensors file: {why}", why=why),
        hint=say("fetch it again, or use the files of a publisher you trust"),
        code="BAD-SAFETENSORS",
    )
