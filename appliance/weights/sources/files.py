"""Files of this server: a disk somebody brought, a directory, a cache of another program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.core.errors import UsageError
from appliance.core.i18n import say
from appliance.weights.disk import disk_errors
from appliance.weights.faults import SourceFault, not_the_file
from appliance.weights.sources.base import Listing, RemoteFile, Source

_BLOCK_BYTES = 1 << 20


class DirectorySource(Source):
    """A file or a directory; names are relative to it."""

    connections = 2

    def __init__(self, path: Path) -> None:
        super().__init__(f"file:{path}")
        self.path = path.absolute()

    def listing(self) -> Listing:
        """The file, or every file below the directory."""
        with disk_errors(self.path):
            if self.path.is_file():
                names = [self.path.name]
            elif self.path.is_dir():
                names = sorted(self._names())
            else:
                raise _not_there(self.path)
            files = tuple(
                RemoteFile(name=name, bytes=self.locate(name).stat().st_size) for name in names
            )
        return Listing(revision="", files=files)

    def _names(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self.path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = Path(folder, name)
                if not name.startswith(".") and path.is_file():
                    yield path.relative_to(self.path).as_posix()

    def locate(self, name: str) -> Path:
        """Where a listed file is."""
        return self.path if self.path.is_file() else self.path / name

    @contextmanager
    def open(self, file: RemoteFile, start: int, end: int) -> Iterator[Iterator[bytes]]:
        """Bytes [start, end) from the disk."""
        path = self.locate(file.name)
        try:
            with path.open("rb", buffering=0) as stream:
                stream.seek(start)
                yield _read(stream.fileno(), end - start, path)
        except OSError as error:
            raise _unreadable(path, error) from error


def _read(fd: int, left: int, path: Path) -> Iterator[bytes]:
    try:
        while left and (block := os.read(fd, min(_BLOCK_BYTES, left))):
            yield block
            left -= len(block)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> SourceFault:
    return not_the_file(str(path), error.strerror or str(error))


def _not_there(path: Path) -> SourceFault:
    error = UsageError(
        say("there is no file or directory {path}", path=path),
        hint=say("check the path; is the disk mounted? see `lsblk -f`"),
        code="NO-SUCH-FILE",
    )
    return SourceFault(error, lasting=True)
