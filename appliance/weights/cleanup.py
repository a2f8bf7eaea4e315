"""Cleaning up the store: what no model refers to and nobody is working on."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from appliance.core.disk_faults import disk_errors
from appliance.core.errors import ApplianceError
from appliance.weights.manifest import MANIFEST
from appliance.weights.names import directory_name
from appliance.weights.partial import header_of, held, is_locked, journal_of, model_of
from appliance.weights.store import Freed, Store, owner_lives


def clean_up(store: Store, stale_s: float, keep: Collection[str]) -> Freed:
    """Remove orphan blobs, pulls that nobody went on with for `stale_s`, dead workspaces.

    Pulls of the models `keep` are gone on with, however old they are.
    """
    with disk_errors(store.root):
        return _removed(_orphans(store, time.time() - stale_s, keep))


def clean_up_leftovers(store: Store) -> None:
    """Remove what nobody can use any more and a killed pull had no time to remove.

    That is journals of files that are placed, wheels of models that are whole, and workspaces of
    dead processes. Never fails: what cannot be removed now is there the next time.
    """
    with suppress(OSError, ApplianceError):
        for path in _children(store.directory("work")):
            if not owner_lives(path):
                shutil.rmtree(path, ignore_errors=True)
        for journal in _children(store.directory("blobs")):
            if journal.suffix == ".journal":
                with held(journal) as free:
                    if free and _is_used_up(store, journal):
                        journal.with_suffix(".partial").unlink(missing_ok=True)
                        journal.unlink()


def _is_used_up(store: Store, journal: Path) -> bool:
    if not journal.with_suffix(".partial").exists():
        return True
    header = header_of(journal)
    if header is None or not header.name.endswith(".whl"):
        return False
    model = store.find(header.model)
    return model is not None and store.is_whole(model)


def clean_up_pull(store: Store, model_id: str) -> Freed:
    """Remove what came of the pull of a model that is not whole, unless somebody works on it."""
    incoming = store.incoming(model_id)
    with disk_errors(store.root):
        hashes = [path for path in _children(store.directory("blobs")) if _is_of(path, incoming)]
        left = [
            journal.with_suffix(".partial")
            for journal in _children(store.directory("blobs"))
            if journal.suffix == ".journal"
            and model_of(journal) == model_id
            and not is_locked(journal)
        ]
        found = [*left, *map(journal_of, left), *([incoming] if incoming.exists() else [])]
        freed = _removed(path for path in found if path.exists())
        dropped = sum(
            store.drop_blob(path.name.removeprefix("sha256-"))
            for path in hashes
            if path.name.removeprefix("sha256-") not in store.referenced()
        )
    return Freed(bytes=freed.bytes + dropped, removed=freed.removed)


def _is_of(blob: Path, incoming: Path) -> bool:
    """Whether the blob has a readable name there."""
    return blob.suffix == "" and any(
        name.exists() and name.samefile(blob) for name in incoming.rglob("*") if not name.is_dir()
    )


def _removed(paths: Iterator[Path]) -> Freed:
    removed: list[str] = []
    freed = 0
    for path in list(paths):
        freed += _bytes_of(path)
        removed.append(path.name)
        _remove(path)
    return Freed(bytes=freed, removed=removed)


def _orphans(store: Store, before: float, keep: Collection[str]) -> Iterator[Path]:
    referenced = {f"sha256-{sha256}" for sha256 in store.referenced()}
    kept = {directory_name(model_id) for model_id in keep}
    for path in _children(store.directory("models")):
        if not (path / MANIFEST).exists() and _is_old(path, before):
            yield path
    for path in _children(store.directory("incoming")):
        if path.is_dir() and path.name not in kept and _is_old(path, before):
            yield path
    for path in _children(store.directory("blobs")):
        if path.name not in referenced and _is_old(path, before):
            yield from _orphan_blob(store, path, keep)
    for path in _children(store.directory("chunks")):
        if path.name.removesuffix(".damaged") not in referenced and _is_old(path, before):
            yield path
    for path in _children(store.directory("work")):
        if not owner_lives(path):
            yield path


def _orphan_blob(store: Store, path: Path, keep: Collection[str]) -> Iterator[Path]:
    """A pull nobody goes on with, or a blob without a readable name."""
    if path.suffix == ".partial":
        if not is_locked(journal_of(path)) and model_of(journal_of(path)) not in keep:
            yield path
            yield journal_of(path)
    elif path.suffix == ".journal":
        if not path.with_suffix(".partial").exists() and not is_locked(path):
            yield path
    elif not store.is_named(path.stat()):
        yield path


def _is_old(path: Path, before: float) -> bool:
    return path.stat(follow_symlinks=False).st_mtime < before


def _children(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _bytes_of(path: Path) -> int:
    status = path.stat(follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        return sum(_bytes_of(child) for child in path.iterdir())
    return status.st_size if status.st_nlink == 1 else 0


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
