"""How far a starting engine is: by its own words, or by the bytes it has read."""

from __future__ import annotations

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

    @property
    def pct(self) -> float | None:
        """Percent of the start, as of the last `look`; it never goes back."""
        return self._pct

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
        seen = self._by_bytes(pid) if self._said is None else self._said
        if seen is not None:
            self._pct = max(self._pct or 0.0, round(seen, 1))

    def _new_lines(self) -> list[str]:
        """Whole lines since the last look; progress bars end theirs with a carriage return."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._position)
                raw = file.read(_BLOCK)
        except OSError:
            return []
        self._position += len(raw)
        *lines, rest = re.split(r"[\r\n]+", self._rest + raw.decode(errors="replace"))
        self._rest = rest[-_LINE_LIMIT:]
        return [*lines, self._rest]

    def _by_bytes(self, pid: int) -> float | None:
        if not self._model_bytes:
            return None
        counts = [bytes_read(entry.pid, self._proc) for entry in members_of(pid)]
        known = [count for count in counts if count is not None]
        if not known:
            return None
        return min(100.0 * sum(known) / self._model_bytes, _MOST_BY_BYTES)


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
        if model.is_dir():
            return sum(file.stat().st_size for file in model.iterdir() if file.is_file())
        part = re.fullmatch(r"(?P<stem>.*)-00001(?P<of>-of-\d{5}\.gguf)", model.name)
        if part is None:
            return model.stat().st_size
        parts = model.parent.glob(f"{part['stem']}-?????{part['of']}")
        return sum(file.stat().st_size for file in parts)
    except OSError:
        return None


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
