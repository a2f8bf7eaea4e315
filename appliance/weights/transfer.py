"""One request to a source for neighbouring chunks of a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from appliance.core.i18n import say
from appliance.weights.chain import Offer
from appliance.weights.chunks import CHUNK_BYTES, chunk_hash, chunk_range
from appliance.weights.faults import SourceFault

if TYPE_CHECKING:
    from appliance.weights.fetch import Fetch

_GATHER_BYTES = 512 * 1024
"""Written and hashed at once: a thread that gives up the interpreter waits to have it back."""
_GATHER_S = 0.2
_FAIR_BYTES = 256 * 1024
_LOOK_S = 0.25
_MIN_BPS = 1024


class Transfer:
    """Takes the chunks `indexes`; what did not come of them is given back."""

    def __init__(self, fetch: Fetch, offer: Offer, indexes: list[int]) -> None:
        self._fetch = fetch
        self._offer = offer
        self._left = indexes
        head = fetch.head(indexes[0])
        self._got, self._hash = head or (0, chunk_hash())
        self._parts: list[memoryview] = []
        self._gathered = 0
        self._gathered_at = time.monotonic()
        self._brought = 0
        self._left_alone = False

    def run(self) -> None:
        """Raises `SourceFault` where the source does not send what was asked for."""
        size = self._fetch.wanted.size
        start = chunk_range(self._left[0], size)[0] + self._got
        end = chunk_range(self._left[-1], size)[1]
        source = self._offer.source
        was_sequential = source.sequential
        with source.open(self._offer.file, start, end) as blocks:
            if source.sequential and not was_sequential:
                self._left += self._fetch.claim_after(self._left[-1])
            self._fetch.meter.source = source.label
            try:
                self._receive(self._alive(blocks), start)
            finally:
                self._put()
        if self._left and not self._left_alone:
            raise source.broke_off(say("the transfer ended early"), passing=False)

    def give_back(self) -> None:
        """The chunks that did not come; the half one goes on where it is."""
        self._fetch.give_back(self._left, (self._got, self._hash))

    def _receive(self, blocks: Iterator[bytes], offset: int) -> None:
        for block in blocks:
            view = memoryview(block)
            while view and self._left:
                index = offset // CHUNK_BYTES
                end = chunk_range(index, self._fetch.wanted.size)[1]
                part = view[: end - offset]
                view, offset = view[len(part) :], offset + len(part)
                if index == self._left[0]:
                    self._gather(part, last=offset == end)
            if not self._left:
                with suppress(SourceFault):
                    next(blocks, None)  # the end of the answer, so that the connection is kept
                return

    def _gather(self, part: memoryview, *, last: bool) -> None:
        self._parts.append(part)
        self._gathered += len(part)
        late = time.monotonic() - self._gathered_at >= _GATHER_S
        if last or late or self._gathered >= _GATHER_BYTES:
            self._put()
        if last:
            digest, self._hash, self._got = self._hash.digest(), chunk_hash(), 0
            self._fetch.complete(self._offer, self._left[0], digest)
            self._left.pop(0)

    def _put(self) -> None:
        """Store what was gathered."""
        self._gathered_at = time.monotonic()
        if not self._parts:
            return
        block = b"".join(self._parts)
        self._parts, self._gathered = [], 0
        start = chunk_range(self._left[0], self._fetch.wanted.size)[0]
        self._fetch.store(self._offer.source.label, start + self._got, block)
        self._hash.update(block)
        self._got += len(block)
        self._brought += len(block)
        if self._brought - len(block) < _FAIR_BYTES <= self._brought:
            self._fetch.chain.good(self._offer)

    def _alive(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The blocks, until somebody stops us, they come in a trickle, or another is faster."""
        stall_s = self._fetch.options.stall_s
        since, got = time.monotonic(), 0
        looked = since
        for block in blocks:
            if self._fetch.stopping:
                return
            yield block
            got += len(block)
            now = time.monotonic()
            if now - looked >= _LOOK_S:
                looked = now
                self._left_alone = self._fetch.chain.leaves(self._offer)
                if self._left_alone:
                    return
            if now - since >= stall_s:
                if got < _MIN_BPS * stall_s:
                    raise self._offer.source.broke_off(say("it only sends a trickle"))
                since, got = now, 0
