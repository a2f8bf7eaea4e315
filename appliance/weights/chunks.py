"""Digests of the 4 MiB chunks of a file: what finds one bad byte without reading it all again.

They are BLAKE3, which takes a fraction of the time of SHA-256. They only ever tell where a file is
wrong; whether it is right is told by the SHA-256 of the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from appliance.core.errors import VerificationFailed
from appliance.core.files import write_atomically
from appliance.core.i18n import say

CHUNK_BYTES = 4 * 1024 * 1024
"""Small enough that four connections together are at most 16 MiB ahead of what is recorded."""

_MAGIC = b"appliance.chunks/2\n"
"""Records of `/1` had SHA-256; they are as good as none."""
_DIGEST_BYTES = 32


class ChunkHash(Protocol):
    """The digest of a chunk while its bytes come."""

    def update(self, data: bytes, /) -> object:
        """Take in more of the chunk."""

    def digest(self) -> bytes:
        """The 32 bytes by which the chunk is known."""


def chunk_hash() -> ChunkHash:
    """Nothing of a chunk so far. It is here alone that a chunk's digest is chosen."""
    from blake3 import blake3

    return blake3()


class ChunkDigests(msgspec.Struct, frozen=True):
    """The digest of every chunk of a file of `size` bytes; the last chunk may be short."""

    size: int
    digests: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """The record as it lies on disk, closed by its own SHA-256."""
        body = _MAGIC + self.size.to_bytes(8, "big") + b"".join(self.digests)
        return body + hashlib.sha256(body).digest()

    @staticmethod
    def from_bytes(raw: bytes) -> ChunkDigests:
        """Read a record. Raises `VerificationFailed` for anything that is not a whole one."""
        body, seal = raw[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
        rest = body[len(_MAGIC) + 8 :]
        if body.startswith(_MAGIC) and hashlib.sha256(body).digest() == seal:
            size = int.from_bytes(body[len(_MAGIC) : len(_MAGIC) + 8], "big")
            if len(rest) == chunk_count(size) * _DIGEST_BYTES:
                cuts = range(0, len(rest), _DIGEST_BYTES)
                return ChunkDigests(size, tuple(rest[i : i + _DIGEST_BYTES] for i in cuts))
        raise VerificationFailed(say("the record of chunk digests is damaged"), code="BAD-CHUNKS")


def chunk_count(size: int) -> int:
    """How many chunks a file of `size` bytes has."""
    return -(-size // CHUNK_BYTES)


def chunk_range(index: int, size: int) -> tuple[int, int]:
    """First byte of a chunk, and the byte after its last."""
    return index * CHUNK_BYTES, min((index + 1) * CHUNK_BYTES, size)


def byte_ranges(indexes: list[int], size: int) -> list[tuple[int, int]]:
    """Neighbouring chunks joined to ranges [first, last] of bytes."""
    ranges: list[tuple[int, int]] = []
    for index in sorted(indexes):
        start, end = chunk_range(index, size)
        if ranges and ranges[-1][1] == start - 1:
            ranges[-1] = (ranges[-1][0], end - 1)
        else:
            ranges.append((start, end - 1))
    return ranges


def show_ranges(ranges: list[tuple[int, int]]) -> str:
    """Ranges for a person: `bytes 0-4194303, 12582912-16777215`."""
    return "bytes " + ", ".join(f"{first}-{last}" for first, last in ranges)


def save_chunks(path: Path, chunks: ChunkDigests) -> None:
    """Keep the digests at `path`."""
    write_atomically(path, chunks.to_bytes())


def load_chunks(path: Path) -> ChunkDigests | None:
    """The digests kept at `path`, `None` when there are none or they are damaged."""
    try:
        return ChunkDigests.from_bytes(path.read_bytes())
    except (OSError, VerificationFailed):
        return None


def blocks_of(path: Path, start: int, end: int, block_bytes: int = 1 << 20) -> Iterator[bytes]:
    """The bytes [start, end) of a file; fewer when it is shorter."""
    with path.open("rb", buffering=0) as stream:
        stream.seek(start)
        while start < end and (block := stream.read(min(block_bytes, end - start))):
            yield block
            start += len(block)
