"""What the operating system and SQLite say of a disk, explained to people."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.core.errors import ApplianceError, DoesNotFit, NeedsRights
from appliance.core.i18n import say

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SQLITE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR_SHMSIZE: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about `path` into an error for people."""
    try:
        yield
    except OSError as error:
        raise _explain(error, path) from error


def _explain(error: OSError, path: Path) -> ApplianceError:
    return foreseen(error, path) or ApplianceError(
        say("cannot read or write {path}: {why}", path=path, why=error.strerror or error),
        hint=say("see `dmesg` for a fault of the disk"),
        code="DISK-FAULT",
    )


def foreseen(error: BaseException, path: Path) -> ApplianceError | None:
    """The error of a disk that is full, read-only or not ours; `None` where it is none of that."""
    number = _number(error)
    if number is not None and number in _FULL:
        return DoesNotFit(
            say("the disk of {path} is full ({why})", path=path, why=os.strerror(number)),
            hint=say("free some space (`appliance models rm`, `df -h`) and run it again"),
            code="DISK-FULL",
        )
    if number == errno.EROFS:
        return NeedsRights(
            say("the file system of {path} is read-only", path=path),
            hint=say("a disk fault may have made it so: see `dmesg`; then remount it writable"),
            code="DISK-READONLY",
        )
    if number in (errno.EACCES, errno.EPERM):
        return NeedsRights(
            say("no permission for {path}", path=path),
            hint=say("run it as the owner of that directory, or set APPLIANCE_HOME"),
            code="NO-PERMISSION",
        )
    return None


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    if isinstance(error, sqlite3.Error):
        return _SQLITE.get(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR))
    return None
