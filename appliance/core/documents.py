"""Our documents as JSON, and back."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from appliance.core.inventory import Document

DocumentT = TypeVar("DocumentT", bound=Document)


def to_json(document: Document, *, indent: int = 0) -> str:
    """One JSON document; `indent=0` gives one line."""
    raw = msgspec.json.encode(document)
    return (msgspec.json.format(raw, indent=indent) if indent else raw).decode()


def from_json(raw: bytes | str, kind: type[DocumentT]) -> DocumentT:
    """Read a document of ours. Raises `msgspec.ValidationError` for anything else."""
    return msgspec.json.decode(raw, type=kind)
