"""The kernel's process table, as much of it as supervision needs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

_STAT = re.compile(r"(?P<pid>\d+) \((?P<name>.*)\) (?P<state>\S) (?P<rest>.*)", re.DOTALL)
_PROC = Path("/proc")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One process. `started` tells it from every other process that had or will have its pid."""

    pid: int
    parent: int
    session: int
    state: str
    started: str
    threads: int = 1
    cpu_ticks: int | None = None

    @property
    def dead(self) -> bool:
        """A zombie whose last thread has ended, so that its memory and ports are given back."""
        return self.state in "ZXx" and self.threads <= 1

    @property
    def stopped(self) -> bool:
        """Held by SIGSTOP or a debugger."""
        return self.state in "Tt"


def entry_of(pid: int) -> Entry | None:
    """The process with this pid; `None` when there is none."""
    if sys.platform == "linux":
        return _read_stat(_PROC / str(pid) / "stat")
    return _from_psutil(pid)


def members_of(leader: int) -> list[Entry]:
    """The processes of the session that `leader` opened, and all their descendants."""
    table = list(_processes())
    family = {entry.pid: entry for entry in table if leader in (entry.pid, entry.session)}
    while more := [e for e in table if e.parent in family and e.pid not in family]:
        family.update({entry.pid: entry for entry in more})
    return list(family.values())


def parse_stat(text: str, boot: str) -> Entry | None:
    """Read `/proc/PID/stat` (proc_pid_stat(5)); the command name may hold spaces and brackets."""
    match = _STAT.fullmatch(text.strip())
    fields = match["rest"].split() if match else []
    if match is None or len(fields) < 19:
        return None
    try:
        return Entry(
            pid=int(match["pid"]),
            parent=int(fields[0]),
            session=int(fields[2]),
            state=match["state"],
            started=f"{boot}/{int(fields[18])}",
            threads=int(fields[16]),
            cpu_ticks=int(fields[10]) + int(fields[11]),
        )
    except ValueError:
        return None


def _processes() -> Iterator[Entry]:
    if sys.platform != "linux":
        import psutil

        pids = psutil.pids()
    else:
        pids = [int(path.name) for path in _PROC.iterdir() if path.name.isdigit()]
    for pid in pids:
        if entry := entry_of(pid):
            yield entry


def _read_stat(path: Path) -> Entry | None:
    try:
        return parse_stat(path.read_text(errors="replace"), _boot_id())
    except OSError:
        return None


@cache
def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "boot"


def _from_psutil(pid: int) -> Entry | None:
    import os

    import psutil

    try:
        process = psutil.Process(pid)
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return Entry(
            pid=pid,
            parent=process.ppid(),
            session=os.getsid(pid),
            state="Z" if zombie else "R",
            started=f"{process.create_time():.2f}",
        )
    except (psutil.Error, OSError):
        return None
