"""Engines that were made on this server: a directory for each, `current` a link to the one in use.

What is whole has a note in it; what has none was left half-made and is never used.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.core.errors import ApplianceError, DoesNotFit
from appliance.core.i18n import say

CURRENT = "current"
_KEEP = 2


def switch_to(place: Path) -> None:
    """Make `place` the one in use, in one step; what runs keeps the files it has open.

    From now on it is the newest: what came in an archive has the time it was made elsewhere.
    """
    os.utime(place)
    link = place.parent / CURRENT
    fresh = place.parent / f".{CURRENT}.{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(place.name)
    fresh.replace(link)


def in_use(root: Path) -> str | None:
    """The key of the one in use."""
    link = root / CURRENT
    return link.readlink().name if link.is_symlink() else None


def whole_ones(root: Path, note: str) -> list[Path]:
    """The places that are whole, newest first; the link is none."""
    places = [path.parent for path in root.glob(f"*/{note}") if not path.parent.is_symlink()]
    return sorted(places, key=lambda place: place.stat().st_mtime, reverse=True)


def forget_old(
    root: Path, note: str, key: str, needed: Callable[[Path], bool] = lambda place: False
) -> None:
    """Keep `key`, the newest one beside it for a way back, and what is still `needed`."""
    others = [place for place in whole_ones(root, note) if place.name != key]
    for place in others[_KEEP - 1 :]:
        if not needed(place):
            remove(place, note)


def remove(place: Path, note: str) -> None:
    """Remove it, the note first: one that is partly gone is never taken for whole."""
    (place / note).unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)


def emptied(directory: Path) -> Path:
    """The directory, with nothing in it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def require_space(root: Path, needed_mib: int) -> None:
    """Raises `DoesNotFit` (`DISK-FULL`) where less is free on the disk of `root`."""
    free_mib = shutil.disk_usage(root).free // (1024 * 1024)
    if free_mib < needed_mib:
        raise DoesNotFit(
            say("{needed} MiB are needed, {free} MiB are free", needed=needed_mib, free=free_mib),
            hint=say("free space under {root}", root=root),
            code="DISK-FULL",
        )


@contextmanager
def alone(root: Path, error: ApplianceError) -> Iterator[None]:
    """One at a time makes engines under `root`; raises `error` where another does."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise error from None
        yield
