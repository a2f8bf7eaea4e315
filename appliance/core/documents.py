"""Our documents as JSON, and back."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

from appliance.core.inventory import Document

KindT = TypeVar("KindT")

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_building = threading.Lock()


def to_json(document: Document, *, indent: int = 0) -> str:
    """One JSON document; `indent=0` gives one line."""
    raw = msgspec.json.encode(document)
    return (msgspec.json.format(raw, indent=indent) if indent else raw).decode()


def from_json(raw: bytes | str, kind: type[KindT]) -> KindT:
    """Read a document of ours, or a list of them. Raises `msgspec.MsgspecError` for anything else.

    Safe to use from several threads, unlike `msgspec.json.decode` (see `prepare`).
    """
    document: KindT = _decoder_of(kind).decode(raw)
    return document


def prepare(*kinds: object) -> None:
    """Make types ready for reading, before threads share them.

    Two threads that are the first to read a type at the same moment crash the process (seen with
    msgspec 0.22.0: it builds what it knows of a type at the first use, without a lock).
    """
    for kind in kinds:
        _decoder_of(kind)


def _decoder_of(kind: Any) -> msgspec.json.Decoder[Any]:
    with _building:
        if kind not in _decoders:
            _decoders[kind] = msgspec.json.Decoder(kind)
        return _decoders[kind]
