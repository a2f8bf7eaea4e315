"""Fetching a model: resolve, reserve, fetch and verify every file, place, publish."""

from __future__ import annotations

import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from pathlib import Path

import msgspec

from appliance.core.disk_faults import disk_errors
from appliance.core.errors import DoesNotFit, Interrupted, VerificationFailed
from appliance.core.progress import Cancel, LinkedCancel, OnProgress
from appliance.core.pull import Pull, PulledFile
from appliance.core.reference import IndexReference
from appliance.weights.adopt import adopt, can_adopt, hash_file
from appliance.weights.chain import Chain, Offer, pause_s
from appliance.weights.chunks import CHUNK_BYTES
from appliance.weights.cleanup import clean_up_leftovers
from appliance.weights.faults import SourceFault
from appliance.weights.fetch import Fetched, FetchOptions, Wanted, affordable
from appliance.weights.header import check_header, inspecting
from appliance.weights.http import Http
from appliance.weights.limit import Limit, parse_limit
from appliance.weights.manifest import ManifestFile, StoredModel
from appliance.weights.meter import Meter
from appliance.weights.pace import Pace
from appliance.weights.partial import JournalHeader, Partial, Spoiled
from appliance.weights.passes import Job, fetch_verified, wrong_file
from appliance.weights.probe import Probe, probe, source_for
from appliance.weights.repository import INDEX, check_index
from appliance.weights.request import Place, PullRequest, WantedFile, request_for
from appliance.weights.reservation import reserved
from appliance.weights.resolve import Target, resolve
from appliance.weights.sources.base import RemoteFile, Source
from appliance.weights.sources.files import DirectorySource
from appliance.weights.sources.index import IndexSource
from appliance.weights.sources.wheel import WheelSource
from appliance.weights.speeds import Speeds
from appliance.weights.store import Store

__all__ = [
    "FetchOptions",
    "Probe",
    "PullRequest",
    "WantedFile",
    "probe",
    "pull",
    "request_for",
]
logger = logging.getLogger(__name__)
_FILES_AT_ONCE = 4
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NOBODY_THERE = ("NO-HUB", "NO-PEER")
_TRIAL_BYTES = 64 * 1024 * 1024
"""A smaller file is fetched before it is known which source is faster."""


def pull(
    request: PullRequest,
    store: Store,
    *,
    on_progress: OnProgress = lambda progress: None,
    cancel: Cancel | None = None,
    options: FetchOptions | None = None,
) -> Pull:
    """Bring a model into the store, or go on where an earlier pull of it stopped.

    Raises `Unreachable`, `NeedsRights` (gated, read-only disk), `DoesNotFit`,
    `VerificationFailed`, `UsageError` (no such model), `Interrupted`.
    """
    options = options or FetchOptions()
    began = time.monotonic()
    stored = _already_whole(request, store)
    if stored is None:
        with Http(stall_s=options.stall_s, connect_s=options.connect_s) as http:
            work = _Pulling(request, store, http, on_progress, cancel or Cancel(), options)
            stored, fetched = work.run()
    else:
        fetched = 0
    clean_up_leftovers(store)
    return Pull(
        model=stored.id,
        files=[
            PulledFile(
                path=file.path,
                bytes=file.bytes,
                sha256=file.sha256,
                source=file.source,
                trust=file.trust,
            )
            for file in stored.files
        ],
        bytes_fetched=fetched,
        bytes_reused=max(0, stored.bytes - fetched),
        seconds=round(time.monotonic() - began, 3),
    )


def _already_whole(request: PullRequest, store: Store) -> StoredModel | None:
    """The stored model, where every file of the request is pinned, is there and as it was."""
    stored = store.find(request.model)
    if stored is None or not request.files:
        return None
    pinned = {file.sha256 for file in request.files}
    if pinned != {file.sha256 for file in stored.files}:
        return None
    good = all(store.is_good(file.sha256, file.bytes) for file in stored.files)
    return stored if good and store.is_whole(stored) else None


class _Pulling:
    """One pull while it runs."""

    def __init__(
        self,
        request: PullRequest,
        store: Store,
        http: Http,
        on_progress: OnProgress,
        cancel: Cancel,
        options: FetchOptions,
    ) -> None:
        self.request = request
        self.store = store
        self.http = http
        self.cancel = LinkedCancel(cancel)
        self.options = options
        self.limit = Limit(parse_limit(options.limit) if options.limit else None)
        self.meter = Meter(on_progress)
        self.speeds = Speeds()
        self.pace = Pace(options.connections)
        self.revision = ""
        self._index_sources: list[IndexSource] = []

    def run(self) -> tuple[StoredModel, int]:
        """The stored model and the bytes that came."""
        keep = False
        try:
            with disk_errors(self.store.root):
                return self._run()
        except SourceFault as fault:
            raise fault.error from fault
        except (Interrupted, DoesNotFit):
            keep = True
            raise
        finally:
            self.cancel.set()
            for source in self._index_sources:
                source.close(keep=keep)

    def _run(self) -> tuple[StoredModel, int]:
        self.meter.enter("resolve")
        sources = [self._source(reference) for reference in self.request.sources]
        try:
            targets, self.revision = self._resolve(sources)
        except SourceFault as fault:
            if stored := self._instead(fault):
                logger.warning("%s; what is stored is used", fault)
                return stored, 0
            raise
        self.meter.restart()
        total = self.meter.total = sum(target.size for target in targets)
        self.pace = Pace(min(self.options.connections, affordable(total)))
        self.store.require_links()
        with reserved(self._require_space(targets)):
            done = self._bring_all(targets)
        self.meter.enter("place")
        model, reference = self.request.model, self.request.reference
        return self.store.publish(model, reference, self.revision, done), self.meter.fetched

    def _resolve(self, sources: list[Source]) -> tuple[list[Target], str]:
        """Files and revision; sources that are away are asked again for `reach_s`."""
        options, count = self.options, 0
        deadline = time.monotonic() + options.reach_s
        while True:
            try:
                return resolve(self.request, sources, probe_s=options.probe_s, cancel=self.cancel)
            except SourceFault as fault:
                late = time.monotonic() >= deadline
                if late or not fault.passing or self._instead(fault):
                    raise
                count += 1
                self._await_source(fault, pause_s(options.backoff_s, count))

    def _await_source(self, fault: SourceFault, seconds: float) -> None:
        logger.info("not within reach yet: %s", fault)
        self.meter.waits(self.request.model, fault.error)
        self.meter.show(force=True)
        self.cancel.wait(seconds)
        self.meter.ends(self.request.model)
        self.cancel.check()

    def _instead(self, fault: SourceFault) -> StoredModel | None:
        """The whole model of the store, where nobody is there to ask about it."""
        stored = self.store.find(self.request.model)
        usable = stored and fault.error.code in _NOBODY_THERE and self.store.is_whole(stored)
        return stored if usable else None

    def _source(self, reference: Place) -> Source:
        if not isinstance(reference, IndexReference):
            return source_for(reference, self.http)
        http = Http(stall_s=self.options.stall_s, connect_s=self.options.connect_s)
        source = IndexSource(
            reference,
            self.store.workspace(),
            http,
            self.cancel,
            self._fetch_wheel,
            self._wheel_progress,
        )
        self._index_sources.append(source)
        return source

    def _fetch_wheel(self, source: WheelSource, file: RemoteFile) -> Partial:
        """A wheel of weights, whole, in a partial file that is ours until it is let go."""
        target = Target(
            name=file.name,
            size=file.bytes or 0,
            sha256=file.sha256,
            git_sha1=None,
            trust="published" if file.sha256 else "first-use",
            offers=[Offer(source, file)],
        )
        unpacked = sum(wanted.bytes or 0 for wanted in self.request.files)
        self.store.require_space(self._space_of(target) + unpacked)
        header = self._header(target)
        partial = Partial.open(self.store.partial(target.key()), header, self.cancel)
        meter = Meter(self.meter.tell, target.size)
        meter.enter("fetch", target.name)
        job = msgspec.structs.replace(self._job(), meter=meter, cut=source.http.cut)
        try:
            fetch_verified(job, self._described(target), header, partial, self._chain(target))
        except BaseException:
            partial.leave()
            raise
        return partial

    def _wheel_progress(self, done: int) -> None:
        """A wheel of weights is about as large as the weights: they do not compress."""
        self.meter.total = self.request.files[0].bytes if self.request.files else None
        self.meter.advance("fetch", done, self.request.sources[0])

    def _require_space(self, targets: list[Target]) -> list[tuple[Path, JournalHeader]]:
        """The partial files that need room. Raises `DoesNotFit` where there is not enough."""
        sizes = [self._space_of(target) for target in targets]
        self.store.require_space(sum(sizes))
        return [
            (self.store.partial(target.key()), self._header(target))
            for target, size in zip(targets, sizes, strict=True)
            if size and not self._spoiled(target)
        ]

    def _header(self, target: Target) -> JournalHeader:
        return JournalHeader(size=target.size, name=target.name, model=self.request.model)

    def _space_of(self, target: Target) -> int:
        if self._adoptable(target) is not None:
            return 0
        sha256 = target.sha256 or self._known_by_commit(target)
        if sha256 is not None and self.store.is_good(sha256, target.size):
            return 0
        partial, spoiled = self.store.partial(target.key()), self._spoiled(target)
        have = partial.stat().st_blocks * 512 if partial.exists() else 0
        have += spoiled.usable_bytes() if spoiled else 0
        return max(0, target.size - have)

    def _spoiled(self, target: Target) -> Spoiled | None:
        return self.store.spoiled(target.sha256, target.size) if target.sha256 else None

    def _bring_all(self, targets: list[Target]) -> list[ManifestFile]:
        """Small files side by side, then the large ones, as many at once as the line has room.

        What parts there must be is known first, from the index of safetensors.
        """
        index = [target for target in targets if target.name == INDEX]
        small = [t for t in targets if t.size <= CHUNK_BYTES and t not in index]
        large = [t for t in targets if t.size > CHUNK_BYTES and t not in index]
        done = self._together(index)
        for file in done.values():
            check_index(self.store.blob(file.sha256), [target.name for target in targets])
        done |= self._together(small) | self._together(large)
        return [done[target.name] for target in targets]

    def _together(self, targets: list[Target]) -> dict[str, ManifestFile]:
        """Bring some files; the first fault ends them all. Raises that fault."""
        with ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="weights-file") as pool:
            coming = {
                # what a file waits for is told in the language of who asked
                target.name: pool.submit(copy_context().run, self._bring, target)
                for target in targets
            }
            try:
                for future in as_completed(coming.values()):
                    future.result()
            except BaseException:
                self.cancel.set()
                self.http.cut()
                for future in coming.values():
                    future.cancel()
                raise
        return {name: future.result() for name, future in coming.items()}

    def _bring(self, target: Target) -> ManifestFile:
        self.cancel.check()
        sha256, source = self._reuse(target) or self._adopt(target) or self._fetch(target)
        self.store.link(self.request.model, target.name, sha256)
        return ManifestFile(
            name=target.name,
            bytes=target.size,
            sha256=sha256,
            source=source,
            trust=target.trust,
        )

    def _reuse(self, target: Target) -> tuple[str, str] | None:
        sha256 = target.sha256 or self._known_by_commit(target)
        if sha256 is None or not self.store.is_good(sha256, target.size):
            return None
        self._check_again(target, sha256)
        self.meter.reuse(target.size)
        return sha256, self.store.source_of(sha256) or target.offers[0].source.label

    def _known_by_commit(self, target: Target) -> str | None:
        """The hash that a file without a published one had: it stays the same in a commit."""
        stored = None if target.git_sha1 else self.store.find(self.request.model)
        if not (stored and stored.revision == self.revision and _COMMIT.fullmatch(self.revision)):
            return None
        return next((file.sha256 for file in stored.files if file.name == target.name), None)

    def _check_again(self, target: Target, sha256: str) -> None:
        """What is there may have come under a name by which nobody looked inside."""
        stored = self.store.find(self.request.model)
        known = {(file.name, file.sha256) for file in stored.files} if stored else set()
        if (target.name, sha256) not in known:
            check_header(self.store.blob(sha256), target.name)

    def _adoptable(self, target: Target) -> Path | None:
        """The file of this server behind a target, where its file system saves the copy."""
        source = target.offers[0].source
        if not isinstance(source, DirectorySource):
            return None
        path = source.locate(target.offers[0].file.name).resolve()
        return path if can_adopt(path, self.store.blobs()) else None

    def _adopt(self, target: Target) -> tuple[str, str] | None:
        path = self._adoptable(target)
        if path is None:
            return None
        label = target.offers[0].source.label
        self.meter.enter("verify", target.name)
        status = path.stat()
        sha256, chunks = hash_file(path, self._reused, self.cancel)
        if target.sha256 not in (None, sha256):
            raise wrong_file(label, target.name, target.sha256, sha256)
        check_header(path, target.name)
        if not self.store.is_good(sha256, target.size):
            self.store.keep_chunks(sha256, chunks)
            adopt(path, self.store.blob(sha256), status)
        return sha256, label

    def _reused(self, size: int) -> None:
        self.meter.reuse(size)
        self.meter.show()

    def _fetch(self, target: Target) -> tuple[str, str]:
        self.meter.enter("fetch", target.name)
        header = self._header(target)
        path, spoiled = self.store.partial(target.key()), self._spoiled(target)
        partial = Partial.open(path, header, self.cancel, spoiled)
        try:
            if reused := self._reuse(target):  # another pull placed it while we waited
                partial.discard()
                return reused
            with inspecting(partial.path, target.name) as inspect:
                fetched = self._fetched(target, header, partial)
                self.meter.enter("verify", target.name)
                partial.check_ours()
                inspect()
            self._place(partial, fetched, target.size)
        except VerificationFailed:
            partial.discard()
            raise
        finally:
            partial.leave()
        return fetched.sha256, (fetched.sources or [target.offers[0].source.label])[-1]

    def _fetched(self, target: Target, header: JournalHeader, partial: Partial) -> Fetched:
        """A large file begins when those under way leave connections unused."""
        wanted, chain = self._described(target), self._chain(target)
        if target.size <= CHUNK_BYTES:
            return fetch_verified(self._job(), wanted, header, partial, chain)
        with self.pace.file(self.cancel):
            return fetch_verified(self._job(), wanted, header, partial, chain)

    def _place(self, partial: Partial, fetched: Fetched, size: int) -> None:
        if self.store.is_good(fetched.sha256, size):
            partial.discard()  # a file without a listed hash that we had all along
            return
        self.store.keep_chunks(fetched.sha256, fetched.chunks)
        partial.place(self.store.blob(fetched.sha256))

    def _job(self) -> Job:
        return Job(
            options=self.options,
            cut=self.http.cut,
            meter=self.meter,
            speeds=self.speeds,
            pace=self.pace,
            limit=self.limit,
            cancel=self.cancel,
        )

    def _described(self, target: Target) -> Wanted:
        ours = self.store.chunks(target.sha256) if target.sha256 else None
        records = [ours, *(offer.file.chunks for offer in target.offers)]
        known = [chunks for chunks in records if chunks and chunks.size == target.size]
        return Wanted(
            name=target.name,
            size=target.size,
            sha256=target.sha256,
            git_sha1=target.git_sha1,
            chunks=known[0] if known else None,
        )

    def _chain(self, target: Target) -> Chain:
        return Chain(
            target.offers,
            attempts=self.options.attempts,
            backoff_s=self.options.backoff_s,
            speeds=self.speeds,
            trial_s=self.options.trial_s if target.size >= _TRIAL_BYTES else 0.0,
            patience_s=self.options.patience_s,
        )
