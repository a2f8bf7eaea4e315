"""Holding stored files against their hashes again."""

from __future__ import annotations

import logging
import os
import random
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.core.disk_faults import disk_errors
from appliance.core.errors import ApplianceError, UsageError, VerificationFailed
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.progress import Cancel, OnProgress
from appliance.weights.adopt import hash_file
from appliance.weights.chunks import (
    ChunkDigests,
    blocks_of,
    byte_ranges,
    chunk_count,
    chunk_hash,
    chunk_range,
    show_ranges,
)
from appliance.weights.manifest import StoredFile, StoredModel
from appliance.weights.meter import Meter

if TYPE_CHECKING:
    from appliance.weights.store import Store

logger = logging.getLogger(__name__)
_SAMPLED_CHUNKS = 16


class Verification(Document, frozen=True, kw_only=True):
    """A model that is whole. `bytes` were read again; `quick` looked at samples only."""

    model: str
    files: int
    bytes: int
    seconds: float
    quick: bool


class _Damage(msgspec.Struct, frozen=True):
    file: StoredFile
    what: str


def verify(
    store: Store,
    model_id: str,
    *,
    quick: bool,
    on_progress: OnProgress,
    cancel: Cancel | None = None,
) -> Verification:
    """Read a model's files again, all cores at once.

    `quick` looks at sizes and sampled chunks, and at all of a file that was written meanwhile.

    Where chunk digests are on record they are what is compared: they find the damaged ranges, and
    a later pull fetches just these. Where none are (a record that was lost, or made by an older
    version) the SHA-256 of the whole is compared, and they are put on record again; `quick` does so
    for a file that was written meanwhile. Raises `VerificationFailed` with file and ranges,
    `UsageError` for a model that is not stored.
    """
    model = store.find(model_id)
    if model is None:
        raise UsageError(say("{model} is not in the store", model=model_id), code="NOT-STORED")
    began = time.monotonic()
    checking = _Checking(store, model, quick, Meter(on_progress), cancel or Cancel())
    damages = checking.run()
    if damages:
        raise _damaged(model, damages)
    return Verification(
        model=model.id,
        files=len(model.files),
        bytes=checking.read,
        seconds=round(time.monotonic() - began, 3),
        quick=quick,
    )


class _Checking:
    """One verification while it runs."""

    def __init__(
        self, store: Store, model: StoredModel, quick: bool, meter: Meter, cancel: Cancel
    ) -> None:
        self.store = store
        self.model = model
        self.quick = quick
        self.meter = meter
        self.cancel = cancel
        self.read = 0

    def run(self) -> list[_Damage]:
        plans = {file.name: self._chunks_to_read(file) for file in self.model.files}
        self.meter.total = sum(
            sum(_chunk_bytes(file, index) for index in plans[file.name])
            for file in self.model.files
        )
        with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="verify") as pool:
            found = [self._check(file, plans[file.name], pool) for file in self.model.files]
        self.read = self.meter.fetched
        return [damage for damage in found if damage]

    def _chunks_to_read(self, file: StoredFile) -> list[int]:
        every = range(chunk_count(file.bytes))
        if not self.quick or len(every) <= _SAMPLED_CHUNKS or _was_written(file):
            return list(every)
        return sorted({0, len(every) - 1, *random.sample(every, _SAMPLED_CHUNKS)})

    def _check(
        self, file: StoredFile, indexes: list[int], pool: ThreadPoolExecutor
    ) -> _Damage | None:
        self.meter.enter("verify", file.name)
        path = Path(file.path)
        with disk_errors(path):
            there = path.stat().st_size if path.exists() else None
        if there is None:
            return _Damage(file, str(say("it is not there")))
        if self.store.is_exchanged(file):
            return _Damage(file, str(say("another file was put in its place")))
        if there != file.bytes:
            return _Damage(file, str(say("it has {there} bytes", there=there)))
        chunks = self.store.chunks(file.sha256)
        if chunks is None or len(chunks.digests) != chunk_count(file.bytes):
            skipped = self.quick and not _was_written(file)
            return None if skipped else self._check_whole(file, pool)
        return self._check_chunks(file, chunks, indexes, pool)

    def _check_chunks(
        self, file: StoredFile, chunks: ChunkDigests, indexes: list[int], pool: ThreadPoolExecutor
    ) -> _Damage | None:
        path = Path(file.path)
        futures = [
            (index, pool.submit(self._digest, path, *chunk_range(index, file.bytes)))
            for index in indexes
        ]
        bad: list[int] = []
        for index, future in futures:
            while not _is_done(future):
                self.cancel.check()
                self.meter.show()
            if future.result() != chunks.digests[index]:
                bad.append(index)
        if not bad:
            return None
        self.store.keep_damage(file.sha256, bad)
        return _Damage(file, show_ranges(byte_ranges(bad, file.bytes)))

    def _check_whole(self, file: StoredFile, pool: ThreadPoolExecutor) -> _Damage | None:
        future = pool.submit(self._hashes, Path(file.path))
        while not _is_done(future):
            self.cancel.check()
            self.meter.show()
        hashes = future.result()
        if hashes and hashes[0] == file.sha256:
            with suppress(OSError, ApplianceError):  # it is as whole on a disk that is read-only
                self.store.keep_chunks(file.sha256, hashes[1])
            return None
        self.store.keep_damage(file.sha256, list(range(chunk_count(file.bytes))))
        what = say("its SHA-256 is {found}", found=hashes[0]) if hashes else say("it is unreadable")
        return _Damage(file, str(what))

    def _hashes(self, path: Path) -> tuple[str, ChunkDigests] | None:
        """Of the whole file and of its chunks; `None` for one that the disk cannot read."""
        try:
            return hash_file(path, self.meter.add, self.cancel)
        except OSError as error:
            logger.warning("%s: %s", path, error)
            return None

    def _digest(self, path: Path, start: int, end: int) -> bytes:
        """The digest of a chunk; nothing for one that the disk cannot read."""
        digest = chunk_hash()
        try:
            for block in blocks_of(path, start, end):
                self.cancel.check()
                digest.update(block)
                self.meter.add(len(block))
        except OSError as error:
            logger.warning("%s: %s", path, error)
            return b""
        return digest.digest()


def _was_written(file: StoredFile) -> bool:
    """Whether somebody wrote the file since it was placed, as far as its time tells."""
    try:
        return file.mtime_ns not in (None, Path(file.path).stat().st_mtime_ns)
    except OSError:
        return True


def _is_done(future: Future[Any]) -> bool:
    return bool(wait([future], timeout=0.1).done)


def _chunk_bytes(file: StoredFile, index: int) -> int:
    start, end = chunk_range(index, file.bytes)
    return end - start


def _damaged(model: StoredModel, damages: list[_Damage]) -> VerificationFailed:
    first = damages[0]
    return VerificationFailed(
        say(
            "{model} is damaged: {file}: {what}",
            model=model.id,
            file=first.file.name,
            what="; ".join([first.what, *(f"{d.file.name}: {d.what}" for d in damages[1:])]),
        ),
        hint=say(
            "`appliance models pull {model}` fetches just what is wrong; a disk that does this "
            "again is failing: see `dmesg` and `smartctl`",
            model=model.reference,
        ),
        code="STORE-CORRUPT",
    )
