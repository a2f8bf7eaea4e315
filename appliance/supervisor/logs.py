"""The log of an engine: read backwards, followed, and kept within bounds.

The engine holds the file open and appends, so the log is rotated by copying it away and cutting the
original to nothing; what the engine writes in between is lost.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from appliance.core.progress import Cancel

_BLOCK = 64 * 1024
_LINE_LIMIT = 64 * 1024
_POLL_S = 0.2


class LogFile:
    """One log file and its predecessors `NAME.1` (newest) to `NAME.<keep>`."""

    def __init__(self, path: Path, *, max_bytes: int = 16 * 1024 * 1024, keep: int = 3) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.keep = keep

    def tail(self, lines: int = 200) -> list[str]:
        """The last lines, oldest first; empty when there is no log yet."""
        if lines <= 0:
            return []
        return _lines(self._last_bytes(lines, self.size()))[-lines:]

    def follow(self, lines: int = 50, *, cancel: Cancel | None = None) -> Iterator[str]:
        """The last lines, then new ones as they are written, until `cancel`."""
        cancel = cancel or Cancel()
        position = self.size()
        whole, newline, rest = self._last_bytes(lines, position).rpartition(b"\n")
        yield from _lines(whole + newline)[-lines:]
        while not cancel.wait(_POLL_S):
            if self.size() < position:
                position, rest = 0, b""
            chunk = self._read(position)
            position += len(chunk)
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            yield from _lines(whole + newline)
            rest = rest[-_LINE_LIMIT:]

    def rotate(self) -> bool:
        """Move the log away once it is larger than `max_bytes`; whether it was."""
        if self.size() <= self.max_bytes:
            return False
        for number in range(self.keep - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        newest = self._numbered(1)
        try:
            shutil.copyfile(self.path, newest)
            newest.chmod(0o600)
        except OSError:  # a full disk: half a copy is worth less than the room it takes
            newest.unlink(missing_ok=True)
        with self.path.open("r+b") as file:
            file.truncate(0)
        return True

    def mark(self, text: str) -> None:
        """Append a line of ours, such as the beginning of a new start; not on a full disk."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with suppress(OSError), self.path.open("a", encoding="utf-8") as file:
            file.write(f"{stamp} appliance: {text}\n")

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def size(self) -> int:
        """Bytes of the log; 0 when there is none yet."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def _read(self, position: int) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(position)
                return file.read(_BLOCK)
        except OSError:
            return b""

    def _last_bytes(self, lines: int, position: int) -> bytes:
        found = b""
        while position > 0 and found.count(b"\n") <= lines and len(found) < lines * _LINE_LIMIT:
            step = min(_BLOCK, position)
            position -= step
            found = self._read(position)[:step] + found
        return found


def _lines(raw: bytes) -> list[str]:
    return raw.decode(errors="replace").removesuffix("\n").split("\n") if raw else []
