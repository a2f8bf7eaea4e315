"""Disk space and links: reserve, clone, link."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import threading
from pathlib import Path

from appliance.core.errors import UsageError
from appliance.core.i18n import say

_UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # include/uapi/linux/fcntl.h, fs.h
_FICLONE = 0x40049409  # include/uapi/linux/fs.h


def free_bytes(path: Path) -> int:
    """Bytes an unprivileged user can still write where `path` is or will be."""
    existing = path
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free


def knows_its_size(path: Path) -> bool:
    """Whether a file system says how large it is: drivers of their own (FUSE) may say 0."""
    return shutil.disk_usage(path).total > 0


def place_of(path: Path) -> Path:
    """The directory that a path names: of a device, where its disk is mounted.

    Raises `UsageError` for a device whose disk is not mounted, or only as part of the system.
    """
    if not (path.is_block_device() or path.is_char_device()):
        return path
    import psutil

    mounts = [mount for mount in psutil.disk_partitions() if mount.device.startswith("/")]
    there = [m.mountpoint for m in mounts if Path(m.device).resolve() == path.resolve()]
    if there and "/" not in there:
        return Path(there[0])
    raise UsageError(
        say("{path} is a device, and not the directory of a mounted disk", path=path),
        hint=say("mount it and name where: `lsblk -f` shows disks and where they are mounted"),
        code="NOT-MOUNTED",
    )


def reserve(fd: int, size: int) -> None:
    """Make `size` bytes of disk belong to the file. Raises `OSError` ENOSPC when there are none.

    File systems that cannot reserve get a sparse file: the C library's own emulation would write
    every block, which takes hours for a large model on a network disk.
    """
    if size == 0:
        return
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        offset = ctypes.c_int64
        if libc.fallocate(fd, 0, offset(0), offset(size)) == 0:
            return
        code = ctypes.get_errno()
        if code not in _UNSUPPORTED:
            raise OSError(code, os.strerror(code))
    os.ftruncate(fd, size)


def clone_or_link(source: Path, target: Path) -> bool:
    """Let `target` be the content of `source` without a copy; whether the file system can."""
    return _clone(source, target) or _link(source, target)


def _clone(source: Path, target: Path) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    with source.open("rb") as original, target.open("xb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
        except OSError:
            target.unlink()
            return False
        os.fsync(copy.fileno())
    return True


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def place_link(blob: Path, link: Path) -> None:
    """Let the readable name `link` be the file `blob`, replacing what had that name.

    Raises `UsageError` where the file system has no links of any kind.
    """
    link.parent.mkdir(parents=True, exist_ok=True)
    aside = link.with_name(f".{link.name}.{threading.get_native_id()}.link")
    aside.unlink(missing_ok=True)
    try:
        os.link(blob, aside)
    except OSError:
        _symlink(blob, aside)
    aside.replace(link)
    aside.unlink(missing_ok=True)  # rename(2) of two links to one file leaves both names


def _symlink(blob: Path, link: Path) -> None:
    try:
        link.symlink_to(os.path.relpath(blob, link.parent))
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        raise UsageError(
            say("the file system of {path} has no links, which the store needs", path=link.parent),
            hint=say("keep the store on another one, such as ext4 or xfs: set APPLIANCE_HOME"),
            code="NO-LINKS",
        ) from error


def exchange(new: Path, old: Path) -> None:
    """Let the directory `new` take the place of `old`, in one step where the file system can.

    What was `old` is called `new` afterwards, where there was one.
    """
    if not old.exists():
        new.rename(old)
    elif not _exchange_names(new, old):
        aside = old.with_name(f".{old.name}.old")
        old.rename(aside)
        new.rename(old)
        aside.rename(new)


def _exchange_names(one: Path, other: Path) -> bool:
    if sys.platform != "linux":
        return False
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    names = (os.fsencode(one), os.fsencode(other))
    return bool(
        renameat2 and renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0
    )


def show_bytes(size: int) -> str:
    """A size for people: `42.5 GB` (10^9), `93 MB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            value = size / factor
            return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{size} B"
