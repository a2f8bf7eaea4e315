"""Files of this server: a disk somebody brought, a directory, a cache of another program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from appliance.core.disk_faults import disk_errors
from appliance.core.errors import UsageError
from appliance.core.i18n import Text, say
from appliance.weights.faults import BAD_DISK, SourceFault, bad_medium
from appliance.weights.sources.base import Listing, RemoteFile, Source
from appliance.weights.sources.caches import Located, located_files

_BLOCK_BYTES = 1 << 20


class DiskSource(Source):
    """A place on a disk of this server."""

    connections = 2
    remedy = BAD_DISK

    def __init__(self, path: Path) -> None:
        super().__init__(f"file:{path}")
        self.path = path.absolute()

    def broke_off(self, why: Text, *, passing: bool = True) -> SourceFault:
        """It is the disk, and not the network."""
        return bad_medium(str(self.path), why)


class DirectorySource(DiskSource):
    """A file or a directory; names are relative to it."""

    @cached_property
    def _found(self) -> dict[str, Located]:
        with disk_errors(self.path):
            return located_files(self.path)

    def listing(self) -> Listing:
        """The file, or every file below the directory."""
        if not self._found:
            raise _not_there(self.path)
        with disk_errors(self.path):
            files = tuple(
                RemoteFile(name=name, bytes=found.path.stat().st_size, sha256=found.sha256)
                for name, found in self._found.items()
            )
        return Listing(revision="", files=files)

    def locate(self, name: str) -> Path:
        """Where a listed file is."""
        return self._found[name].path

    @contextmanager
    def open(self, file: RemoteFile, start: int, end: int) -> Iterator[Iterator[bytes]]:
        """Bytes [start, end) from the disk."""
        yield read_range(self.locate(file.name), start, end)


def read_range(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Bytes [start, end) of a file, fewer where it is shorter. Raises `SourceFault`."""
    with reading(path), path.open("rb", buffering=0) as stream:
        stream.seek(start)
        while start < end and (block := os.read(stream.fileno(), min(_BLOCK_BYTES, end - start))):
            yield block
            start += len(block)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a disk that is read into a `SourceFault`."""
    try:
        yield
    except OSError as error:
        lasting = isinstance(error, FileNotFoundError | PermissionError)
        why = error.strerror or str(error)
        raise bad_medium(str(error.filename or path), why, lasting=lasting) from error


def _not_there(path: Path) -> SourceFault:
    error = UsageError(
        say("there is no file or directory {path}, or nothing in it", path=path),
        hint=say("check the path; is the disk mounted? see `lsblk -f`"),
        code="NO-SUCH-FILE",
    )
    return SourceFault(error, lasting=True)
