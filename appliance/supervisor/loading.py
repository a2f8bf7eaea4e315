"""How far a starting engine is: by its own words, or by the bytes it has read."""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from appliance.supervisor.table import members_of

_BLOCK = 256 * 1024
_LINE_LIMIT = 4096
_LEAST_PIECE = 16 * 1024 * 1024
_MOST_BY_BYTES = 95.0
"""When all is read, it is not yet ready."""


class Loading:
    """The progress of one start. `log_start` is where its words begin in the log."""

    def __init__(
        self, log: Path, log_start: int, model_bytes: int | None, *, proc: Path = Path("/proc")
    ) -> None:
        self._log = log
        self._position = log_start
        self._rest = ""
        self._said: float | None = None
        self._model_bytes = model_bytes
        self._proc = proc
        self._began = time.monotonic()
        self._pct: float | None = None
        self._bytes_read: int | None = None

    @property
    def pct(self) -> float | None:
        """Percent of the start, as of the last `look`; it never goes back."""
        return self._pct

    @property
    def progress(self) -> int | None:
        """A count that grows as long as the start gets on: pieces read, and what the log tells.

        A piece is more than an engine that waits for something reads meanwhile.
        """
        if self._bytes_read is None and self._pct is None:
            return None
        piece = max(_LEAST_PIECE, (self._model_bytes or 0) // 1000)
        return (self._bytes_read or 0) // piece + round((self._pct or 0.0) * 10)

    def eta_s(self, now: float | None = None) -> float | None:
        """Seconds left at the pace so far; `None` before there is any."""
        if not self._pct:
            return None
        passed = (time.monotonic() if now is None else now) - self._began
        return round(passed * (100.0 - self._pct) / self._pct, 1)

    def look(self, pid: int) -> None:
        """Take in what the engine has said, or where it says nothing, read, since the last look."""
        told = furthest(self._new_lines())
        self._said = max((pct for pct in (self._said, told) if pct is not None), default=None)
        self._bytes_read = self._read_by(pid)
        seen = self._by_bytes() if self._said is None else self._said
        if seen is not None:
            self._pct = max(self._pct or 0.0, round(seen, 1))

    def _new_lines(self) -> list[str]:
        """Whole lines since the last look; progress bars end theirs with a carriage return."""
        try:
            with self._log.open("rb") as file:
                if file.seek(0, os.SEEK_END) < self._position:  # the log was rotated
                    self._position = 0
                file.seek(self._position)
                raw = file.read(_BLOCK)
        except OSError:
            return []
        self._position += len(raw)
        *lines, rest = re.split(r"[\r\n]+", self._rest + raw.decode(errors="replace"))
        self._rest = rest[-_LINE_LIMIT:]
        return [*lines, self._rest]

    def _read_by(self, pid: int) -> int | None:
        counts = [bytes_read(entry.pid, self._proc) for entry in members_of(pid)]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    def _by_bytes(self) -> float | None:
        if not self._model_bytes or self._bytes_read is None:
            return None
        return min(100.0 * self._bytes_read / self._model_bytes, _MOST_BY_BYTES)


def furthest(lines: Iterable[str]) -> float | None:
    """The highest percentage that these lines tell."""
    found = [pct for line in lines for pct in _told_by(line)]
    return max(found, default=None)


def bytes_read(pid: int, proc: Path = Path("/proc")) -> int | None:
    """Bytes a process has asked for or had paged in (proc_pid_io(5)); `None` where it is not told.

    `rchar` counts reads, `read_bytes` what mapped files cost the disk: a file is read one way.
    """
    try:
        text = (proc / str(pid) / "io").read_text()
    except OSError:
        return None
    values = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    try:
        return max(int(values["rchar"]), int(values["read_bytes"]))
    except (KeyError, ValueError):
        return None


def size_of(model: Path) -> int | None:
    """Bytes of a model: of a split file all its parts, of a directory all its files."""
    try:
        return sum(file.stat().st_size for file in files_of(model))
    except OSError:
        return None


def files_of(model: Path) -> list[Path]:
    """The files of a model by the path an engine opens. Raises `OSError`."""
    if model.is_dir():
        return sorted(file for file in model.iterdir() if file.is_file())
    part = re.fullmatch(r"(?P<stem>.*)-00001(?P<of>-of-\d{5}\.gguf)", model.name)
    if part is None:
        return [model]
    return sorted(model.parent.glob(f"{glob.escape(part['stem'])}-?????{part['of']}"))


class _Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    from_pct: float
    to_pct: float
    patterns: list[str]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    stage: list[_Stage]


@cache
def _patterns() -> Sequence[tuple[_Stage, re.Pattern[str]]]:
    text = files("appliance.supervisor").joinpath("loading.toml").read_bytes()
    stages = msgspec.toml.decode(text, type=_File).stage
    return [(s, re.compile(p, re.IGNORECASE)) for s in stages for p in s.patterns]


def _told_by(line: str) -> Iterable[float]:
    for stage, pattern in _patterns():
        if match := pattern.search(line[-_LINE_LIMIT:].strip()):
            share = _share(match.groupdict())
            yield stage.from_pct + (stage.to_pct - stage.from_pct) * share


def _share(groups: dict[str, str | None]) -> float:
    if pct := groups.get("pct"):
        return min(int(pct), 100) / 100
    if dots := groups.get("dots"):
        return len(dots) / 100
    if (total := groups.get("total")) and (done := groups.get("done")):
        return min(int(done) / int(total), 1.0) if int(total) else 0.0
    return 1.0
