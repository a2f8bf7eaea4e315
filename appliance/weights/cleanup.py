"""Cleaning up the store: what no model refers to and nobody is working on."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.weights.disk import disk_errors
from appliance.weights.manifest import MANIFEST
from appliance.weights.partial import is_locked, journal_of
from appliance.weights.store import Freed, Store, owner_lives


def clean_up(store: Store, stale_s: float) -> Freed:
    """Remove orphan blobs, pulls that nobody went on with for `stale_s`, dead workspaces."""
    removed: list[str] = []
    freed = 0
    with disk_errors(store.root):
        for path in list(_orphans(store, time.time() - stale_s)):
            freed += _bytes_of(path)
            removed.append(path.name)
            _remove(path)
    return Freed(bytes=freed, removed=removed)


def _orphans(store: Store, before: float) -> Iterator[Path]:
    referenced = {f"sha256-{sha256}" for sha256 in store.referenced()}
    for path in _children(store.directory("models")):
        if not (path / MANIFEST).exists() and _is_old(path, before):
            yield path
    for path in _children(store.directory("blobs")):
        if path.name not in referenced and _is_old(path, before):
            yield from _orphan_blob(store, path)
    for path in _children(store.directory("chunks")):
        if path.name.removesuffix(".damaged") not in referenced and _is_old(path, before):
            yield path
    for path in _children(store.directory("work")):
        if not owner_lives(path):
            yield path


def _orphan_blob(store: Store, path: Path) -> Iterator[Path]:
    """A pull nobody goes on with, or a blob without a readable name."""
    if path.suffix == ".partial":
        if not is_locked(journal_of(path)):
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
