"""The SHA-256 of a file, computed in step with its arrival."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from appliance.weights.chunkmap import ChunkMap
from appliance.weights.chunks import chunk_hash
from appliance.weights.partial import Partial


class Frontier(threading.Thread):
    """Reads the chunks in order as they come in, from the page cache, beside the network.

    Chunks taken over from an earlier run are held against their digests; `on_lost` is told of each
    one that is not what the record says, and that chunk is fetched again.
    """

    def __init__(self, partial: Partial, chunks: ChunkMap, on_lost: Callable[[int], None]) -> None:
        super().__init__(name="weights-hash", daemon=True)
        self.sha256: str | None = None
        self.error: OSError | None = None
        self._partial = partial
        self._chunks = chunks
        self._on_lost = on_lost

    def run(self) -> None:
        """Hash to the end of the file, or until the chunk map is stopped."""
        whole = hashlib.sha256()
        index = 0
        try:
            while index < self._chunks.count:
                unchecked = self._chunks.await_chunk(index)
                if unchecked is None:
                    return
                longer = self._extend(whole, index) if not unchecked else self._check(whole, index)
                if longer is not None:
                    whole = longer
                    index += 1
            self.sha256 = whole.hexdigest()
        except OSError as error:
            self.error = error

    def _extend(self, whole: hashlib._Hash, index: int) -> hashlib._Hash:
        for block in self._partial.blocks(index):
            whole.update(block)
        return whole

    def _check(self, whole: hashlib._Hash, index: int) -> hashlib._Hash | None:
        longer, alone = whole.copy(), chunk_hash()
        for block in self._partial.blocks(index):
            longer.update(block)
            alone.update(block)
        if alone.digest() == self._chunks.digests[index]:
            self._chunks.confirm(index)
            return longer
        self._chunks.refute(index)
        self._on_lost(index)
        return None
