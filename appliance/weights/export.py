"""Models out to a disk and in again: directories that say what they hold.

DIR/MODEL/manifest.json    what the model is made of
DIR/MODEL/FILE             the files (or FILE.part-0001 …)
DIR/MODEL/chunks/…         digests of their chunks, which find a damaged range
DIR/MODEL/SHA256SUMS       for `sha256sum -c` without this program
DIR/MODEL/SITE-KEY         the name and key of the site that exported it
DIR/MODEL/SIGNATURE        that site's signature of SHA256SUMS
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from appliance.core.disk_faults import disk_errors
from appliance.core.documents import to_json
from appliance.core.errors import ApplianceError, DoesNotFit, UsageError
from appliance.core.files import fsync_directory, write_atomically
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.progress import Cancel, OnProgress
from appliance.core.signature import SiteKey, key_text
from appliance.weights.chunks import blocks_of, save_chunks
from appliance.weights.disk import free_bytes, knows_its_size, place_of, show_bytes
from appliance.weights.manifest import MANIFEST, Manifest, ManifestFile, StoredFile, StoredModel
from appliance.weights.meter import Meter
from appliance.weights.names import directory_name, is_safe_name
from appliance.weights.request import PullRequest, request_from_disk
from appliance.weights.seal import SUMS, write_seal
from appliance.weights.sources.caches import read_sums
from appliance.weights.sources.exported import chunks_beside, is_export, part_name, parts_of
from appliance.weights.store import Store

FAT32_PART_BYTES = (1 << 32) - (4 << 20)
"""Whole chunks below the 4 GiB that FAT32 allows a file."""
_FAT32_TYPES = {"vfat", "msdos"}


class Export(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.export/1"):
    """What lies in `directory` now; `site` and `key` are those that signed it."""

    model: str
    directory: str
    files: list[str]
    bytes: int
    site: str | None = None
    key: str | None = None


def export_model(
    store: Store,
    model_id: str,
    target: Path,
    *,
    part_bytes: int | None = None,
    key: SiteKey | None = None,
    on_progress: OnProgress = lambda progress: None,
    cancel: Cancel | None = None,
) -> Export:
    """Write a model below `target`, flushed, hashed while it is read, signed with `key`.

    FAT32, and what else cannot hold so large a file, gets parts, or what `part_bytes` says.

    `target` may be the device of a mounted disk.

    Raises `DoesNotFit` before the first byte, `VerificationFailed` for a store that is damaged,
    `UsageError` for a model that is not there, for a disk that is not mounted and for names that
    its file system cannot tell apart.
    """
    target = place_of(target)
    model = store.find(model_id)
    if model is None:
        raise UsageError(
            say("{model} is not in the store", model=model_id),
            hint=say("`appliance models list` shows what is"),
            code="NOT-STORED",
        )
    directory = target / directory_name(model_id)
    if part_bytes is None and _filesystem_of(target) in _FAT32_TYPES:
        part_bytes = FAT32_PART_BYTES
    with disk_errors(target), _made_for(directory):
        _check_names(directory, model)
        _require_space(directory, model)
        return _Exporting(store, model, directory, part_bytes, key, on_progress, cancel).run()


@contextmanager
def _made_for(directory: Path) -> Iterator[None]:
    """Make a directory; what of it is new and still empty goes again when that ends in an error."""
    new = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with suppress(OSError):
            for path in new:
                path.rmdir()
        raise


def _check_names(directory: Path, model: StoredModel) -> None:
    """Refuse names that become one on this disk, or another: FAT looks at neither the case of
    letters nor at dots at the end.
    """
    names = [file.name for file in model.files]
    if directory.with_name(directory.name.swapcase()).exists():
        count = Counter(name.casefold() for name in names)
        wrong = [name for name in names if count[name.casefold()] > 1]
    else:
        wrong = []
    if directory.with_name(f"{directory.name}.").exists():
        wrong += [n for n in names if any(part.endswith((".", " ")) for part in n.split("/"))]
    if wrong:
        raise UsageError(
            say(
                "the file system of {path} cannot hold {names} as they are called",
                path=directory,
                names=", ".join(wrong),
            ),
            hint=say("use a disk with another one, such as ext4"),
            code="BAD-NAME",
        )


def _require_space(directory: Path, model: StoredModel) -> None:
    """What an earlier export left there makes room."""
    there = sum(path.stat().st_size for path in _left_there(directory, model))
    free = free_bytes(directory) + there
    if model.bytes > free and knows_its_size(directory):
        raise DoesNotFit(
            say(
                "{model} needs {needed} in {path}, free are {free}",
                model=model.id,
                needed=show_bytes(model.bytes),
                path=directory,
                free=show_bytes(free),
            ),
            hint=say("use a larger disk"),
            code="NO-SPACE",
        )


def _left_there(directory: Path, model: StoredModel) -> set[Path]:
    """Files of an earlier export of the model, which may have been cut in other parts or short."""
    names = [name for name in read_sums(directory / SUMS) if is_safe_name(name)]
    wholes = [directory / file.name for file in model.files]
    parts = [path for whole in wholes for path in parts_of(whole).values()]
    return {path for path in (*(directory / n for n in names), *wholes, *parts) if path.is_file()}


def _filesystem_of(path: Path) -> str:
    import psutil

    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    mounts = [
        mount
        for mount in psutil.disk_partitions(all=True)
        if existing.resolve().is_relative_to(mount.mountpoint)
    ]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else ""


class _Exporting:
    """One export while it runs."""

    def __init__(
        self,
        store: Store,
        model: StoredModel,
        directory: Path,
        part_bytes: int | None,
        key: SiteKey | None,
        on_progress: OnProgress,
        cancel: Cancel | None,
    ) -> None:
        self.store = store
        self.model = model
        self.directory = directory
        self.part_bytes = part_bytes
        self.key = key
        self.cancel = cancel or Cancel()
        self.meter = Meter(on_progress, model.bytes)
        self.sums: dict[str, str] = {}

    def run(self) -> Export:
        self._remove_older()
        for file in self.model.files:
            self.meter.enter("place", file.name)
            self._write_whole_or_in_parts(file)
        files = list(self.sums)
        manifest = to_json(_manifest_of(self.model), indent=2).encode()
        self.sums |= {path: _sha256(self.directory / path) for path in self._chunk_records()}
        self.sums[MANIFEST] = hashlib.sha256(manifest).hexdigest()
        write_seal(self.directory, self.sums, self.key)
        write_atomically(self.directory / MANIFEST, manifest)
        fsync_directory(self.directory.parent)
        return Export(
            model=self.model.id,
            directory=str(self.directory),
            files=files,
            bytes=self.model.bytes,
            site=self.key.site if self.key else None,
            key=key_text(self.key.public) if self.key else None,
        )

    def _remove_older(self) -> None:
        """All that this export will not write over; the manifest first: this is no export now."""
        (self.directory / MANIFEST).unlink(missing_ok=True)
        names = [name for file in self.model.files for name, _, _ in self._pieces(file)]
        for path in _left_there(self.directory, self.model) - {self.directory / n for n in names}:
            path.unlink()

    def _chunk_records(self) -> list[str]:
        records = {chunks_beside(self.directory, file.sha256) for file in self.model.files}
        return sorted(str(path.relative_to(self.directory)) for path in records if path.exists())

    def _write_whole_or_in_parts(self, file: StoredFile) -> None:
        """A disk behind a network or a driver of its own does not say that it is FAT32."""
        done = self.meter.fetched
        try:
            self._write(file)
        except OSError as error:
            if error.errno != errno.EFBIG or self.part_bytes:
                raise
            self.meter.add(done - self.meter.fetched)
            (self.directory / file.name).unlink()
            self.part_bytes = FAT32_PART_BYTES
            self._write(file)

    def _write(self, file: StoredFile) -> None:
        whole = hashlib.sha256()
        for name, start, end in self._pieces(file):
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = hashlib.sha256()
            with path.open("wb") as stream, _refused_when_full():
                for block in blocks_of(Path(file.path), start, end):
                    self.cancel.check()
                    stream.write(block)
                    whole.update(block)
                    if self.part_bytes:
                        part.update(block)
                    self.meter.add(len(block))
                    self.meter.show()
                stream.flush()
                os.fsync(stream.fileno())
            self.sums[name] = (part if self.part_bytes else whole).hexdigest()
        if whole.hexdigest() != file.sha256:
            self.store.verify(self.model.id)  # finds the ranges, and raises
        if chunks := self.store.chunks(file.sha256):
            chunks_beside(self.directory, file.sha256).parent.mkdir(exist_ok=True)
            save_chunks(chunks_beside(self.directory, file.sha256), chunks)

    def _pieces(self, file: StoredFile) -> Iterator[tuple[str, int, int]]:
        size = self.part_bytes
        if size is None or file.bytes <= size:
            yield file.name, 0, file.bytes
            return
        for number, start in enumerate(range(0, file.bytes, size), start=1):
            yield part_name(file.name, number), start, min(start + size, file.bytes)


@contextmanager
def _refused_when_full() -> Iterator[None]:
    """Who could open a file may write to it: a driver (fusefat) that then says EPERM is full."""
    try:
        yield
    except PermissionError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _manifest_of(model: StoredModel) -> Manifest:
    return Manifest(
        id=model.id,
        reference=model.reference,
        revision=model.revision,
        added=model.added,
        files=[
            ManifestFile(
                name=file.name,
                bytes=file.bytes,
                sha256=file.sha256,
                source=file.source,
                trust=file.trust,
            )
            for file in model.files
        ],
    )


def import_requests(directories: Sequence[Path]) -> list[PullRequest]:
    """One request for each model that was exported into these directories.

    The same model in several of them is one request with several sources: what one copy lacks
    comes from the next. Raises `UsageError` where there is none, `VerificationFailed` for a
    manifest that is damaged everywhere.
    """
    requests: dict[str, PullRequest] = {}
    errors: list[ApplianceError] = []
    for path in [path for directory in directories for path in exports_in(directory)]:
        try:
            request = request_from_disk(path.absolute())
        except ApplianceError as error:
            errors.append(error)
            continue
        sources = requests[request.model].sources if request.model in requests else []
        requests[request.model] = msgspec.structs.replace(
            request, sources=[*sources, *request.sources]
        )
    if not requests:
        raise errors[0] if errors else _no_export(directories)
    return list(requests.values())


def exports_in(directory: Path) -> list[Path]:
    """The exported models at or right below a directory."""
    if is_export(directory) or not directory.is_dir():
        return [directory] if is_export(directory) else []
    ours = [path for path in sorted(directory.iterdir()) if os.access(path, os.X_OK)]
    return [path for path in ours if is_export(path)]  # and nothing locked, such as `lost+found`


def _no_export(directories: Sequence[Path]) -> ApplianceError:
    return UsageError(
        say("no exported model in {paths}", paths=", ".join(map(str, directories))),
        hint=say("for plain model files use `appliance models pull file:PATH`"),
        code="NO-EXPORT",
    )
