"""Which chunks of a file are missing, under way, taken over, or in."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from appliance.weights.chunks import ChunkHash, chunk_count

_MISSING, _TAKEN, _RESTORED, _IN = 0, 1, 2, 3
Head = tuple[int, ChunkHash]
"""Bytes of a chunk that are in already, and the hash of these."""


class ChunkMap:
    """Shared by the connections that fetch and the one thread that reads along."""

    def __init__(self, size: int, restored: Mapping[int, bytes]) -> None:
        self.count = chunk_count(size)
        self.digests: list[bytes | None] = [restored.get(index) for index in range(self.count)]
        self._states = bytearray(
            _RESTORED if index in restored else _MISSING for index in range(self.count)
        )
        self._heads: dict[int, Head] = {}
        self._changed = threading.Condition()
        self._stopped = False

    def take(self, most: int) -> list[int]:
        """Up to `most` neighbouring missing chunks, the lowest first; empty when none is left."""
        with self._changed:
            first = self._states.find(_MISSING)
            if first < 0:
                return []
            last = first
            while last + 1 < min(self.count, first + most) and not self._states[last + 1]:
                last += 1
            self._states[first : last + 1] = bytes([_TAKEN]) * (last + 1 - first)
            return list(range(first, last + 1))

    def take_rest(self) -> list[int]:
        """Every chunk that is missing now."""
        with self._changed:
            rest = [index for index, state in enumerate(self._states) if state == _MISSING]
            for index in rest:
                self._states[index] = _TAKEN
            return rest

    def head(self, index: int) -> Head | None:
        """What is in of a chunk that was given back half done; the caller goes on from there."""
        with self._changed:
            return self._heads.pop(index, None)

    def give_back(self, indexes: list[int], head: Head | None = None) -> None:
        """These are missing again; `head` belongs to the first of them."""
        with self._changed:
            for index in indexes:
                self._states[index] = _MISSING
            if head is not None and indexes and head[0]:
                self._heads[indexes[0]] = head
            self._changed.notify_all()

    def put(self, index: int, digest: bytes) -> None:
        """A chunk is in."""
        with self._changed:
            self._states[index] = _IN
            self.digests[index] = digest
            self._changed.notify_all()

    def confirm(self, index: int) -> None:
        """A chunk of an earlier run is what its record says."""
        with self._changed:
            self._states[index] = _IN

    def refute(self, index: int) -> None:
        """A chunk of an earlier run is not what its record says."""
        self.give_back([index])

    def await_chunk(self, index: int) -> bool | None:
        """Wait for a chunk: True when it must be checked, False when not, `None` when stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._states[index] >= _RESTORED)
            return None if self._stopped else self._states[index] == _RESTORED

    def await_missing(self, seconds: float) -> bool:
        """Wait a while for a chunk that somebody may take; whether there is one."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._stopped or _MISSING in self._states, timeout=seconds
            )

    def stop(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
