"""A file of this server taken into the store without a copy: hashed, then cloned or linked."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.core.files import fsync_directory
from appliance.core.i18n import say
from appliance.core.progress import Cancel
from appliance.weights.chunks import (
    ChunkDigests,
    blocks_of,
    chunk_count,
    chunk_hash,
    chunk_range,
)
from appliance.weights.disk import clone_or_link


def hash_file(
    path: Path, on_bytes: Callable[[int], None], cancel: Cancel
) -> tuple[str, ChunkDigests]:
    """SHA-256 of a file and the digests of its chunks, in one read.

    `on_bytes` is told of each stretch. Raises `OSError`, `Interrupted`.
    """
    size = path.stat().st_size
    whole = hashlib.sha256()
    digests: list[bytes] = []
    for index in range(chunk_count(size)):
        alone = chunk_hash()
        for block in blocks_of(path, *chunk_range(index, size)):
            whole.update(block)
            alone.update(block)
            on_bytes(len(block))
            cancel.check()
        digests.append(alone.digest())
    return whole.hexdigest(), ChunkDigests(size, tuple(digests))


def can_adopt(path: Path, blobs: Path) -> bool:
    """Whether both are on one file system that can clone or link (tried, and undone)."""
    trial = blobs / f".adopt-{threading.get_native_id()}"
    trial.unlink(missing_ok=True)
    try:
        return path.stat().st_dev == blobs.stat().st_dev and clone_or_link(path, trial)
    finally:
        trial.unlink(missing_ok=True)


def adopt(path: Path, blob: Path, unchanged_since: os.stat_result) -> None:
    """Give the hashed file the name of its blob. Raises `ApplianceError` where it was changed."""
    aside = blob.with_name(f".{blob.name}.{threading.get_native_id()}")
    aside.unlink(missing_ok=True)
    clone_or_link(path, aside)
    now = path.stat()
    if (now.st_size, now.st_mtime_ns) != (unchanged_since.st_size, unchanged_since.st_mtime_ns):
        aside.unlink()
        raise ApplianceError(
            say("{path} was changed while it was read", path=path),
            hint=say("wait for the program that writes it, then run it again"),
            code="FILE-REPLACED",
        )
    aside.replace(blob)
    fsync_directory(blob.parent)
