"""One file from ranges of one or more sources, hashed while it arrives."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import msgspec

from appliance.core.disk_faults import disk_errors
from appliance.core.errors import VerificationFailed
from appliance.core.i18n import say
from appliance.core.progress import Cancel
from appliance.weights.chain import Chain, Offer
from appliance.weights.chunkmap import ChunkMap, Head
from appliance.weights.chunks import (
    CHUNK_BYTES,
    ChunkDigests,
    byte_ranges,
    chunk_range,
    show_ranges,
)
from appliance.weights.faults import SourceFault
from appliance.weights.frontier import Frontier
from appliance.weights.limit import Limit
from appliance.weights.meter import Meter
from appliance.weights.pace import Pace
from appliance.weights.partial import Partial
from appliance.weights.sources.base import Source
from appliance.weights.speeds import Speeds
from appliance.weights.transfer import Transfer

logger = logging.getLogger(__name__)
_SPAN_CHUNKS = 16
_SYNC_BYTES = 4 * CHUNK_BYTES
_TICK_S = 0.1
_TRIAL_CHUNKS = 2
_END_S = 2.0


class FetchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How hard to try. `stall_s`: without bytes (or with a trickle) for so long is a fault.

    `probe_s`: how long sources may take to say what they have once one has, `trial_s`: how long
    they are compared by what they send. `patience_s`: how long network and servers may be away once
    a file is known, `reach_s`: before it is. `limit`: a ceiling of speed as `parse_limit` reads it.
    """

    connections: int = 16
    stall_s: float = 30.0
    connect_s: float = 10.0
    attempts: int = 6
    backoff_s: float = 1.0
    probe_s: float = 2.0
    trial_s: float = 2.0
    patience_s: float = 0.0
    reach_s: float = 0.0
    limit: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the file must be, as far as that is known beforehand."""

    name: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None
    chunks: ChunkDigests | None = None


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file, not yet placed. `senders`: who sent each chunk; `None` for an earlier run."""

    sha256: str
    chunks: ChunkDigests
    senders: list[str | None]

    @property
    def sources(self) -> list[str]:
        """Who sent any of it, the most recent last."""
        return [label for label in dict.fromkeys(self.senders) if label]


class Fetch:
    """Puts one file together. `cut` ends every transfer of the sources, for a fast stop."""

    def __init__(
        self,
        wanted: Wanted,
        partial: Partial,
        chain: Chain,
        *,
        options: FetchOptions,
        cut: Callable[[], None],
        meter: Meter,
        speeds: Speeds,
        pace: Pace,
        limit: Limit,
        cancel: Cancel,
    ) -> None:
        self.wanted = wanted
        self.partial = partial
        self.chain = chain
        self.options = options
        self.meter = meter
        self.speeds = speeds
        self.pace = pace
        self.limit = limit
        self.cancel = cancel
        self._cut = cut
        self._chunks = ChunkMap(wanted.size, partial.restored)
        self._senders: list[str | None] = [None] * self._chunks.count
        self._doubted: dict[tuple[int, bytes], set[str]] = {}
        self._workers: list[threading.Thread] = []
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._unsynced = 0
        self._synced = threading.Condition()
        self._alone = threading.Lock()

    def run(self) -> Fetched:
        """Fetch what is missing. Raises `ApplianceError`, `OSError` of the disk, `Interrupted`."""
        self.meter.reuse(
            sum(self._size(index) for index, digest in enumerate(self._chunks.digests) if digest)
        )
        frontier = Frontier(self.partial, self._chunks, self._lost)
        flusher = threading.Thread(target=self._flush, name="weights-flush", daemon=True)
        frontier.start()
        flusher.start()
        try:
            self._supervise(frontier)
        except BaseException:
            self._cut()
            raise
        finally:
            self.meter.ends(self.wanted.name)
            self._end([frontier, flusher])
        if frontier.sha256 is None:
            raise RuntimeError("the hash thread ended early")
        digests = tuple(digest for digest in self._chunks.digests if digest is not None)
        return Fetched(
            sha256=frontier.sha256,
            chunks=ChunkDigests(self.wanted.size, digests),
            senders=self._senders,
        )

    # -- the thread that called ------------------------------------------------------------

    def _supervise(self, frontier: Frontier) -> None:
        while frontier.is_alive():
            self.cancel.check()
            if self._error is not None:
                raise self._error
            self.pace.observe(self.meter.fetched)
            self._start_workers()
            self.meter.waits(self.wanted.name, self.chain.awaited())
            self.meter.show()
            frontier.join(_TICK_S)
        if frontier.error is not None:
            raise frontier.error

    def _most_workers(self) -> int:
        """As many as the source can feed, and as a kill may cost."""
        return min(self.chain.connections(), affordable(self.wanted.size))

    def _start_workers(self) -> None:
        self._workers = [worker for worker in self._workers if worker.is_alive()]
        most = self._most_workers()
        while len(self._workers) < most and self._chunks.await_missing(0) and self.pace.enter():
            worker = threading.Thread(target=self._work, name="weights-fetch", daemon=True)
            self._workers.append(worker)
            worker.start()

    def _end(self, threads: list[threading.Thread]) -> None:
        self._stop.set()
        self._chunks.stop()
        with self._synced:
            self._synced.notify_all()
        deadline = time.monotonic() + _END_S
        for thread in [*threads, *self._workers]:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _flush(self) -> None:
        """Keep what is on the disk at most a few chunks behind what has arrived."""
        while not self._stop.is_set():
            with self._synced:
                self._synced.wait_for(lambda: self._stop.is_set() or self._unsynced >= _SYNC_BYTES)
                self._unsynced = 0
            try:
                self.partial.sync()
            except OSError as error:
                self._error = self._error or error

    def _lost(self, index: int) -> None:
        logger.warning("%s: chunk %d of an earlier run is not whole", self.wanted.name, index)
        self.meter.reuse(-self._size(index))

    def _size(self, index: int) -> int:
        start, end = chunk_range(index, self.wanted.size)
        return end - start

    # -- the threads that fetch ------------------------------------------------------------

    def _work(self) -> None:
        try:
            while not (self._stop.is_set() or self.pace.crowded()):
                offer, wait_s = self.chain.next()
                if wait_s:
                    self._stop.wait(wait_s)
                elif not self._serve(offer):
                    return
        except Exception as error:
            self._error = self._error or error  # raised again by the thread that called
        finally:
            self.pace.leave()

    def _serve(self, offer: Offer) -> bool:
        """Fetch a stretch from this offer; whether there was one to fetch."""
        if not offer.source.sequential:
            return self._try(offer, self._take())
        if not self._alone.acquire(blocking=False):
            return False
        try:
            return self._try(offer, self._chunks.take_rest())
        finally:
            self._alone.release()

    def _take(self) -> list[int]:
        fair = self._chunks.count // (2 * self.options.connections)
        most = _TRIAL_CHUNKS if self.chain.on_trial() else _SPAN_CHUNKS
        return self._chunks.take(max(1, min(most, fair)))

    def _try(self, offer: Offer, indexes: list[int]) -> bool:
        if not indexes:
            return False
        opened_at = time.monotonic()
        label = offer.source.label
        transfer = Transfer(self, offer, indexes)
        self.speeds.opened(label)
        try:
            transfer.run()
        except SourceFault as fault:
            if not self._stop.is_set():
                self.chain.fault(offer, fault, opened_at)
                if fault.refused:
                    self.pace.refused()
        finally:
            self.speeds.closed(label)
            transfer.give_back()
        return True

    def store(self, label: str, offset: int, block: bytes) -> None:
        """Bytes that a transfer brought. Raises `ApplianceError` of the disk: no source's fault."""
        with disk_errors(self.partial.path.parent):
            self.partial.write(offset, memoryview(block))
        self.meter.add(len(block))
        self.speeds.add(label, len(block))
        self.limit.spend(len(block), self._stop)

    def complete(self, offer: Offer, index: int, digest: bytes) -> None:
        """A chunk that a transfer brought. Raises `SourceFault` when it is known to be wrong."""
        known = self.wanted.chunks
        label = offer.source.label
        wrong = known is not None and known.digests[index] != digest
        if wrong and not self._seconded(label, index, digest):
            ranges = show_ranges(byte_ranges([index], self.wanted.size))
            logger.warning("%s sent wrong %s of %s", label, ranges, self.wanted.name)
            self.meter.reuse(-self._size(index))
            raise _wrong_bytes(offer.source, self.wanted.name, ranges)
        with disk_errors(self.partial.path.parent):
            self.partial.record(index, digest)
        self._senders[index] = label
        self._chunks.put(index, digest)
        with self._synced:
            self._unsynced += self._size(index)
            self._synced.notify()

    def _seconded(self, label: str, index: int, digest: bytes) -> bool:
        """Whether another source sent the same: then it is the known digest that is wrong."""
        senders = self._doubted.setdefault((index, digest), set())
        senders.add(label)
        return len(senders) > 1

    def claim_after(self, index: int) -> list[int]:
        """Every chunk behind this one that nobody fetches: the server sends them anyway."""
        rest = self._chunks.take_rest()
        self._chunks.give_back([other for other in rest if other < index])
        return [other for other in rest if other > index]

    def head(self, index: int) -> Head | None:
        """The part of a chunk that an earlier transfer brought."""
        return self._chunks.head(index)

    def give_back(self, indexes: list[int], head: Head | None) -> None:
        """What a transfer did not bring."""
        self._chunks.give_back(indexes, head)

    @property
    def stopping(self) -> bool:
        """Whether nobody wants the bytes any more."""
        return self._stop.is_set()


def affordable(size: int) -> int:
    """Connections whose unfinished chunks are at most 16 MiB and 1 % of `size` bytes."""
    return 4 + size // 100 // CHUNK_BYTES


def _wrong_bytes(source: Source, name: str, ranges: str) -> SourceFault:
    error = VerificationFailed(
        say(
            "{source} sent wrong {ranges} of {name}", source=source.label, ranges=ranges, name=name
        ),
        hint=source.remedy,
        code="WRONG-BYTES",
    )
    return SourceFault(error, wrong=True)
