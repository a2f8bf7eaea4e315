"""A file on its way: its bytes so far, and a journal of the chunks that are in.

The journal is only ever appended to. A record says which chunk is in and what its digest is; it
may reach the disk before the bytes it speaks of, because every chunk taken over from an earlier
run is hashed again before it counts. So nothing needs to be flushed in a certain order, and a kill
or a power cut at any moment costs at most the chunks that were under way.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from appliance.core.documents import prepare
from appliance.core.errors import ApplianceError
from appliance.core.files import fsync_directory
from appliance.core.i18n import say
from appliance.core.progress import Cancel
from appliance.weights.chunks import CHUNK_BYTES, blocks_of, chunk_count, chunk_range
from appliance.weights.disk import reserve

_RECORD = struct.Struct(">Q32sI")
_MAX_HEADER_BYTES = 4096


class JournalHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the partial file is going to be. Another size or kind of chunk starts afresh."""

    version: int = 2
    size: int
    chunk_bytes: int = CHUNK_BYTES
    name: str
    model: str

    def matches(self, other: JournalHeader) -> bool:
        """Whether the chunks of one can be taken over by the other."""
        mine = (self.version, self.size, self.chunk_bytes)
        return mine == (other.version, other.size, other.chunk_bytes)


prepare(JournalHeader)


def encode_header(header: JournalHeader) -> bytes:
    """The first line of a journal."""
    return msgspec.json.encode(header) + b"\n"


def encode_record(index: int, digest: bytes) -> bytes:
    """One chunk that is in."""
    body = struct.pack(">Q32s", index, digest)
    return body + struct.pack(">I", zlib.crc32(body))


def parse_journal(raw: bytes) -> tuple[JournalHeader | None, dict[int, bytes], int]:
    """Header, digests by chunk, and how many bytes of `raw` are sound (the rest was torn)."""
    line, newline, _ = raw[:_MAX_HEADER_BYTES].partition(b"\n")
    if not newline:
        return None, {}, 0
    try:
        header = msgspec.json.decode(line, type=JournalHeader)
    except msgspec.MsgspecError:
        return None, {}, 0
    count = chunk_count(header.size) if header.size >= 0 else 0
    done: dict[int, bytes] = {}
    offset = len(line) + 1
    while offset + _RECORD.size <= len(raw):
        index, digest, crc = _RECORD.unpack_from(raw, offset)
        if crc != zlib.crc32(raw[offset : offset + 40]) or index >= count:
            break
        done[index] = digest
        offset += _RECORD.size
    return header, done, offset


class Spoiled(msgspec.Struct, frozen=True):
    """A placed file that is not what it was, and the digests of the chunks that may still be.

    `shared`: it has names outside the store too, and what is there is not ours to write.
    """

    path: Path
    good: dict[int, bytes]
    shared: bool = False

    def usable_bytes(self) -> int:
        """Bytes of disk that need not be taken again."""
        return 0 if self.shared else self.path.stat().st_blocks * 512


class Partial:
    """The bytes and the journal of one file on its way, locked against a second pull."""

    def __init__(self, data_fd: int, journal_fd: int, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.restored: dict[int, bytes] = {}
        self._data = data_fd
        self._journal = journal_fd

    @staticmethod
    def open(
        path: Path, header: JournalHeader, cancel: Cancel, spoiled: Spoiled | None = None
    ) -> Partial:
        """Go on where an earlier run stopped, or mend `spoiled`, or start.

        Raises `OSError` when the disk says no.
        """
        journal = _locked(journal_of(path), cancel)
        try:
            data = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except BaseException:
            os.close(journal)
            raise
        partial = Partial(data, journal, path, header.size)
        try:
            partial._restore(header)
            if spoiled is not None:
                partial._mend(spoiled, cancel)
            reserve(partial._data, header.size)
        except BaseException:
            partial.leave()
            raise
        return partial

    def _restore(self, header: JournalHeader) -> None:
        raw = os.pread(self._journal, os.fstat(self._journal).st_size, 0)
        found, done, sound = parse_journal(raw)
        if found is not None and found.matches(header):
            self.restored = done
            os.ftruncate(self._journal, sound)
            os.lseek(self._journal, sound, os.SEEK_SET)
        else:
            self._start(header)

    def _mend(self, spoiled: Spoiled, cancel: Cancel) -> None:
        """Take over a placed file with its good chunks; its links see it become whole again."""
        if spoiled.shared:
            self._copy(spoiled.path, cancel)
        else:
            self._take(spoiled.path)
        for index, digest in spoiled.good.items():
            self.record(index, digest)
        os.fdatasync(self._journal)
        if not spoiled.shared:
            spoiled.path.replace(self.path)
            fsync_directory(self.path.parent)
        self.restored = dict(spoiled.good)

    def _take(self, placed: Path) -> None:
        with suppress(PermissionError):
            placed.chmod(0o644)
        data = os.open(placed, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        os.close(self._data)
        self._data = data
        os.ftruncate(data, self.size)

    def _copy(self, placed: Path, cancel: Cancel) -> None:
        offset = 0
        for block in blocks_of(placed, 0, self.size):
            cancel.check()
            self.write(offset, memoryview(block))
            offset += len(block)

    def _start(self, header: JournalHeader) -> None:
        self.restored = {}
        os.ftruncate(self._data, 0)
        os.ftruncate(self._journal, 0)
        os.lseek(self._journal, 0, os.SEEK_SET)
        os.write(self._journal, encode_header(header))
        fsync_directory(self.path.parent)

    def _recorded(self) -> bool:
        raw = os.pread(self._journal, _MAX_HEADER_BYTES + _RECORD.size, 0)
        return bool(parse_journal(raw)[1])

    def restart(self, header: JournalHeader) -> None:
        """Forget which chunks are in (their bytes stay until they are written again)."""
        os.ftruncate(self._journal, 0)
        os.lseek(self._journal, 0, os.SEEK_SET)
        os.write(self._journal, encode_header(header))
        self.restored = {}

    def write(self, offset: int, block: memoryview) -> None:
        """Put bytes in their place."""
        while block:
            written = os.pwrite(self._data, block, offset)
            block, offset = block[written:], offset + written

    def record(self, index: int, digest: bytes) -> None:
        """Note that a chunk is in."""
        record = encode_record(index, digest)
        if os.write(self._journal, record) != len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def blocks(self, index: int, block_bytes: int = 1 << 20) -> Iterator[bytes]:
        """The bytes of a chunk as they are on disk."""
        offset, end = chunk_range(index, self.size)
        while offset < end and (
            block := os.pread(self._data, min(block_bytes, end - offset), offset)
        ):
            yield block
            offset += len(block)

    def sync(self) -> None:
        """Bytes and journal survive a power cut from here on."""
        os.fdatasync(self._data)
        os.fdatasync(self._journal)

    def close(self) -> None:
        """Let go; what is in stays for the next run."""
        for fd in (self._data, self._journal):
            if fd >= 0:
                os.close(fd)
        self._data = self._journal = -1

    def leave(self) -> None:
        """Let go, and leave nothing behind where nothing is in yet."""
        if self._data < 0:
            return
        if self._recorded():
            self.close()
        else:
            self.discard()

    def discard(self) -> None:
        """Remove bytes and journal."""
        if self._data < 0:
            return
        self.path.unlink(missing_ok=True)
        journal_of(self.path).unlink(missing_ok=True)
        self.close()

    def check_ours(self) -> None:
        """Raise `ApplianceError` when somebody put another file in our place meanwhile."""
        ours, there = os.fstat(self._data), self.path.stat()
        if (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino):
            raise ApplianceError(
                say("{path} was replaced by another program meanwhile", path=self.path),
                hint=say("keep other programs out of the store, and run it again"),
                code="FILE-REPLACED",
            )

    def place(self, target: Path) -> None:
        """The whole, verified file gets its name; the journal goes."""
        self.check_ours()
        with suppress(PermissionError):  # file systems without modes
            os.fchmod(self._data, 0o444)
        os.fsync(self._data)
        self.path.replace(target)
        fsync_directory(target.parent)
        journal_of(self.path).unlink(missing_ok=True)
        self.close()


def journal_of(path: Path) -> Path:
    """Where the journal of the partial file `path` is."""
    return path.with_suffix(".journal")


def header_of(journal: Path) -> JournalHeader | None:
    """Which file of which model is on its way there; `None` where that cannot be read."""
    try:
        with journal.open("rb") as stream:
            return parse_journal(stream.read(_MAX_HEADER_BYTES))[0]
    except OSError:
        return None


def model_of(journal: Path) -> str | None:
    """The model whose file is on its way there; `None` where that cannot be read."""
    header = header_of(journal)
    return header.model if header else None


def is_locked(journal: Path) -> bool:
    """Whether a pull is working on it right now."""
    with held(journal) as free:
        return free is False


@contextmanager
def held(journal: Path) -> Iterator[bool | None]:
    """Keep pulls from a journal meanwhile; False where one works on it, `None` without one."""
    try:
        fd = os.open(journal, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield _lock(fd)
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _locked(path: Path, cancel: Cancel) -> int:
    """The journal, open and locked; waits for another pull of the same file to end."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            locked = _lock(fd)
            if locked and os.fstat(fd).st_nlink > 0:
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # where it is ours but has no name: the other pull was done and removed it
        if not locked and cancel.wait(0.2):
            cancel.check()
