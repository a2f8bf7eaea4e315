"""The store: every file once, by its hash, under readable names.

blobs/sha256-…            the bytes; beside them `.partial` and `.journal` of what is on its way
chunks/sha256-…           digests of their chunks
models/ID/FILE            the readable name: a hard link to the blob
models/ID/manifest.json   what the model is made of
incoming/ID/              the same, of a model that is not whole yet; it changes places with the
                          older one in one step, so a model is always whole: the old or the new
work/PID-N/               temporary, of a running process
"""

from __future__ import annotations

import datetime
import fcntl
import itertools
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from appliance.core.disk_faults import disk_errors
from appliance.core.documents import to_json
from appliance.core.errors import DoesNotFit, UsageError
from appliance.core.files import fsync_directory, write_atomically
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.progress import Cancel, OnProgress
from appliance.weights.chunks import ChunkDigests, chunk_range, load_chunks, save_chunks
from appliance.weights.disk import exchange, free_bytes, place_link, show_bytes
from appliance.weights.manifest import (
    MANIFEST,
    Manifest,
    ManifestFile,
    StoredFile,
    StoredModel,
    read_manifest,
    stored_model,
)
from appliance.weights.names import directory_name, is_safe_name
from appliance.weights.partial import Spoiled

if TYPE_CHECKING:
    from appliance.weights.verify import Verification

__all__ = ["Freed", "Store", "StoredFile", "StoredModel"]

FLOOR_BYTES = 1 << 30
"""Disk space that is left to everything else on the server."""
STALE_S = 7 * 24 * 3600.0
"""A pull nobody went on with for so long is cleaned up by `gc`."""
_counter = itertools.count()


class Freed(Document, frozen=True, kw_only=True):
    """What a clean-up gave back."""

    bytes: int
    removed: list[str]


class Store:
    """The models of this server under `root`. Any process may use it at the same time.

    Writes leave `floor_bytes` of the disk free, and `quota_bytes` is what all models may take.
    """

    def __init__(
        self, root: Path, *, floor_bytes: int = FLOOR_BYTES, quota_bytes: int | None = None
    ) -> None:
        self.root = root
        self.floor_bytes = floor_bytes
        self.quota_bytes = quota_bytes

    # -- reading ---------------------------------------------------------------------------

    def models(self) -> list[StoredModel]:
        """Every whole model, by id."""
        found = (read_manifest(path) for path in self.directory("models").glob(f"*/{MANIFEST}"))
        return sorted((model for model in found if model), key=lambda model: model.id)

    def find(self, model_id: str) -> StoredModel | None:
        """The model with this id, when it is here and whole."""
        return read_manifest(self.model_directory(model_id) / MANIFEST)

    def free_bytes(self) -> int:
        """Bytes that may still be written."""
        free = free_bytes(self.root) - self.floor_bytes
        if self.quota_bytes is not None:
            free = min(free, self.quota_bytes - self.used_bytes())
        return max(0, free)

    def used_bytes(self) -> int:
        """Bytes of disk the blobs take, those on their way included."""
        blobs = self.directory("blobs")
        if not blobs.is_dir():
            return 0
        with os.scandir(blobs) as entries:
            return sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in entries)

    def model_directory(self, model_id: str) -> Path:
        """Where the readable names of a model are."""
        return self.directory("models") / directory_name(model_id)

    def incoming(self, model_id: str) -> Path:
        """Where the names of a model are until it is whole."""
        return self.directory("incoming") / directory_name(model_id)

    def blob(self, sha256: str) -> Path:
        """Where the file with this hash is or would be."""
        return self.directory("blobs") / f"sha256-{sha256}"

    def has_blob(self, sha256: str, size: int | None) -> bool:
        """Whether the file is here at its full size and not known to be damaged."""
        try:
            status = self.blob(sha256).lstat()
        except FileNotFoundError:
            return False
        there = stat.S_ISREG(status.st_mode) and size in (None, status.st_size)
        return there and not self.damage(sha256)

    def is_good(self, sha256: str, size: int) -> bool:
        """`has_blob`, and nobody wrote or exchanged the file since, as far as its time tells."""
        if not self.has_blob(sha256, size):
            return False
        times = {f.mtime_ns for model in self.models() for f in model.files if f.sha256 == sha256}
        return not times or None in times or self.blob(sha256).stat().st_mtime_ns in times

    def is_whole(self, model: StoredModel) -> bool:
        """Whether all files are there at their full size, none of them known to be damaged."""
        return all(
            self.has_blob(file.sha256, file.bytes) and not self.is_exchanged(file)
            for file in model.files
        )

    def is_exchanged(self, file: StoredFile) -> bool:
        """Whether a readable name leads somewhere else than to the stored file."""
        blob, name = self.blob(file.sha256), Path(file.path)
        return blob.exists() and not (name.exists() and name.samefile(blob))

    def source_of(self, sha256: str) -> str | None:
        """Where a stored file came from."""
        files = (file for model in self.models() for file in model.files)
        return next((file.source for file in files if file.sha256 == sha256), None)

    def chunks(self, sha256: str) -> ChunkDigests | None:
        """The digests of the file's chunks."""
        return load_chunks(self.directory("chunks") / f"sha256-{sha256}")

    def damage(self, sha256: str) -> list[int]:
        """Chunks that `verify` found to be wrong on the disk."""
        path = self._damage_record(sha256)
        try:
            return msgspec.json.decode(path.read_bytes(), type=list[int])
        except (OSError, msgspec.MsgspecError):
            return []

    def spoiled(self, sha256: str, size: int) -> Spoiled | None:
        """The file with this hash where it can be mended: not good, with digests on record.

        It may be damaged, cut short, or have been written by somebody else: what is as it was
        is found by its digests.
        """
        path, chunks = self.blob(sha256), self.chunks(sha256)
        if chunks is None or chunks.size != size or not path.is_file() or path.is_symlink():
            return None
        status, damaged = path.stat(), set(self.damage(sha256))
        good = {
            index: digest
            for index, digest in enumerate(chunks.digests)
            if index not in damaged and chunk_range(index, size)[1] <= status.st_size
        }
        return Spoiled(path, good, shared=status.st_nlink > 1 + len(self._hard_names(status)))

    # -- writing ---------------------------------------------------------------------------

    def require_space(self, needed: int) -> None:
        """Refuse before the first byte what cannot fit. Raises `DoesNotFit`."""
        free = self.free_bytes()
        if needed <= free:
            return
        if self.quota_bytes is not None and self.quota_bytes - self.used_bytes() <= free:
            raise _over_quota(needed, free, self.quota_bytes)
        raise DoesNotFit(
            say(
                "the model needs {needed} of disk in {path}, free are {free} "
                "(not counting {floor} left to the rest of the server)",
                needed=show_bytes(needed),
                path=self.root,
                free=show_bytes(free),
                floor=show_bytes(self.floor_bytes),
            ),
            hint=say("remove a model (`appliance models rm`), or take a smaller variant"),
            code="NO-SPACE",
        )

    def require_links(self) -> None:
        """Refuse before the first byte a file system without links. Raises `UsageError`."""
        with self._one_at_a_time():
            trial = self.directory("incoming") / ".trial"
            place_link(trial.with_name(".lock"), trial)
            trial.unlink()

    def partial(self, key: str) -> Path:
        """Where a file on its way is put together: beside the blob it becomes."""
        return self.blobs() / f"{key}.partial"

    def blobs(self) -> Path:
        """The directory of all bytes."""
        return self._made("blobs")

    def keep_chunks(self, sha256: str, chunks: ChunkDigests) -> None:
        """Remember the digests of a file that is whole, and forget its damage."""
        with self._one_at_a_time():
            self._forget_half_written(sha256)
            save_chunks(self._made("chunks") / f"sha256-{sha256}", chunks)
            self._damage_record(sha256).unlink(missing_ok=True)

    def keep_damage(self, sha256: str, indexes: list[int]) -> None:
        """Remember which chunks of a file are wrong, so that just these are fetched again."""
        with self._one_at_a_time():
            self._forget_half_written(sha256)
            write_atomically(
                self._made("chunks") / self._damage_record(sha256).name,
                msgspec.json.encode(indexes),
            )

    def _forget_half_written(self, sha256: str) -> None:
        """Nobody else writes meanwhile, so what is there was left by who was killed at it."""
        for left in self.directory("chunks").glob(f".sha256-{sha256}.*.tmp"):
            left.unlink(missing_ok=True)

    def link(self, model_id: str, name: str, sha256: str) -> None:
        """Give a blob its readable name in a model that is on its way."""
        with self._one_at_a_time():
            self._link(model_id, name, sha256)

    def _link(self, model_id: str, name: str, sha256: str) -> None:
        if not is_safe_name(name):
            raise UsageError(say("not a safe file name: {name}", name=name), code="BAD-NAME")
        place_link(self.blob(sha256), self.incoming(model_id) / name)

    def publish(
        self, model_id: str, reference: str, revision: str, files: Sequence[ManifestFile]
    ) -> StoredModel:
        """The model is whole: write its manifest, and let it take the place of an older one."""
        directory, incoming = self.model_directory(model_id), self.incoming(model_id)
        manifest = Manifest(
            id=model_id,
            reference=reference,
            revision=revision,
            added=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            files=[self._dated(file) for file in files],
        )
        models = self._made("models")
        with self._one_at_a_time():
            shutil.rmtree(incoming, ignore_errors=True)  # names of a revision that never was whole
            for file in files:
                self._link(model_id, file.name, file.sha256)
            for folder in [incoming, *(path for path in incoming.rglob("*") if path.is_dir())]:
                fsync_directory(folder)
            write_atomically(incoming / MANIFEST, to_json(manifest, indent=2).encode())
            exchange(incoming, directory)
            fsync_directory(models)
            fsync_directory(incoming.parent)
            shutil.rmtree(incoming, ignore_errors=True)
        return stored_model(manifest, directory)

    def _dated(self, file: ManifestFile) -> ManifestFile:
        written = self.blob(file.sha256).stat().st_mtime_ns
        return msgspec.structs.replace(file, mtime_ns=written)

    def remove(self, model_id: str, *, in_use: Collection[str] = ()) -> Freed:
        """Remove a model and the blobs only it has. Raises `UsageError` for one in use."""
        if model_id in in_use:
            raise UsageError(
                say("{model} is being served", model=model_id),
                hint=say("stop it first: `appliance down`"),
                code="IN-USE",
            )
        model = self.find(model_id)
        if model is None:
            return self._remove_unfinished(model_id)
        directory = Path(model.directory)
        with disk_errors(directory):
            (directory / MANIFEST).unlink()
            fsync_directory(directory)
            shutil.rmtree(directory)
            hashes = {file.sha256 for file in model.files}
            freed = sum(self.drop_blob(sha256) for sha256 in hashes - self.referenced())
        return Freed(bytes=freed, removed=[model_id])

    def _remove_unfinished(self, model_id: str) -> Freed:
        from appliance.weights.cleanup import clean_up_pull

        freed = clean_up_pull(self, model_id)
        if not freed.removed:
            raise UsageError(
                say("there is no model {model} in the store", model=model_id),
                hint=say("`appliance models list` shows what is here"),
                code="NOT-STORED",
            )
        return freed

    def gc(self, *, stale_s: float = STALE_S, keep: Collection[str] = ()) -> Freed:
        """Remove what no model refers to, and no pull of the models `keep` needs.

        See `appliance.weights.cleanup`.
        """
        from appliance.weights.cleanup import clean_up

        return clean_up(self, stale_s, keep)

    def workspace(self) -> Path:
        """A new temporary directory of this process; those of dead ones are removed."""
        for left in self._made("work").iterdir():
            if not owner_lives(left):
                shutil.rmtree(left, ignore_errors=True)
        path = self.directory("work") / f"{os.getpid()}-{next(_counter)}"
        path.mkdir()
        return path

    def verify(
        self,
        model_id: str,
        quick: bool = False,
        on_progress: OnProgress = lambda progress: None,
        cancel: Cancel | None = None,
    ) -> Verification:
        """Hold a model's files against their hashes (see `appliance.weights.verify`)."""
        from appliance.weights.verify import verify

        return verify(self, model_id, quick=quick, on_progress=on_progress, cancel=cancel)

    # -- inside ----------------------------------------------------------------------------

    def directory(self, name: str) -> Path:
        """One of the directories above."""
        return self.root / name

    def _made(self, name: str) -> Path:
        path = self.directory(name)
        if not path.is_dir():
            with disk_errors(path):
                path.mkdir(parents=True, exist_ok=True)
                fsync_directory(path.parent)
        return path

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Whoever changes readable names of models or records of chunks, in any process."""
        descriptor = os.open(self._made("incoming") / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _damage_record(self, sha256: str) -> Path:
        return self.directory("chunks") / f"sha256-{sha256}.damaged"

    def referenced(self) -> set[str]:
        """Hashes that some model needs."""
        return {file.sha256 for model in self.models() for file in model.files}

    def is_named(self, blob: os.stat_result) -> bool:
        """Whether a directory of a model, finished or not, has a readable name for the blob."""
        return any(_is(name, blob) for name in self._names())

    def _names(self) -> Iterator[Path]:
        return chain(self.directory("models").rglob("*"), self.directory("incoming").rglob("*"))

    def _hard_names(self, blob: os.stat_result) -> list[Path]:
        return [path for path in self._names() if not path.is_symlink() and _is(path, blob)]

    def drop_blob(self, sha256: str) -> int:
        """Bytes freed; 0 where a pull has just given the blob a name in another model."""
        path = self.blob(sha256)
        try:
            status = path.stat()
        except FileNotFoundError:
            return 0
        if self.is_named(status):
            return 0
        path.unlink()
        for record in (self.directory("chunks") / path.name, self._damage_record(sha256)):
            record.unlink(missing_ok=True)
        return status.st_size if status.st_nlink == 1 else 0  # a file that was adopted stays


def _over_quota(needed: int, left: int, quota: int) -> DoesNotFit:
    return DoesNotFit(
        say(
            "the model needs {needed}, and of the {quota} that models may take {left} are left",
            needed=show_bytes(needed),
            quota=show_bytes(quota),
            left=show_bytes(left),
        ),
        hint=say(
            "remove a model (`appliance models rm`), or raise `quota_gib` in config.toml "
            "(`appliance config path`)"
        ),
        code="NO-SPACE",
    )


def _is(name: Path, blob: os.stat_result) -> bool:
    """Whether a name leads to the blob, by whatever kind of link."""
    try:
        status = name.stat()
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (blob.st_dev, blob.st_ino)


def owner_lives(workspace: Path) -> bool:
    """Whether the process that made a workspace still runs."""
    pid = workspace.name.partition("-")[0]
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
