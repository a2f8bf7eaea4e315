"""Engine processes that outlive whoever started them.

An engine leads a session of its own, reads nothing and logs to a file, so that the daemon can die,
be upgraded and come back. It is known again by its pid together with the kernel's start time: a pid
alone may long belong to somebody else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from appliance.core.errors import ApplianceError, NeedsRights
from appliance.core.files import write_atomically
from appliance.core.i18n import say
from appliance.supervisor.identity import MARK, Identity, Mark, Marked, Seen
from appliance.supervisor.limits import OOM_SCORE
from appliance.supervisor.table import Entry, entry_of, members_of

_KILL_WAIT_S = 10.0
_POLL_S = 0.02
_MARK_PREFIX = f"{MARK}=".encode()


class Startable(Protocol):
    """What `start` needs of an engine's command."""

    @property
    def argv(self) -> Sequence[str]:
        """Program and arguments; the program is looked up on PATH."""

    @property
    def env(self) -> Mapping[str, str]:
        """Added to our own environment."""

    @property
    def files(self) -> Mapping[str, str]:
        """Path to content; written before the start."""

    @property
    def cpus(self) -> Sequence[int]:
        """The processors to keep it on; empty means all."""

    @property
    def port(self) -> int:
        """The loopback port the engine will listen at."""


def start(command: Startable, log_path: Path, mark: Mark | None = None) -> Identity:
    """Start an engine detached, its output appended to `log_path`, `mark` in its environment.

    Raises `ApplianceError` (`ENGINE-MISSING`) when the program is not there, (`ENGINE-NOT-STARTED`)
    when the system refuses, and `NeedsRights` when a file or the program is not ours to use.
    """
    try:
        write_files(command.files)
        log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _pinned(command.cpus):
            pid = _spawn(command, log_path, mark.env if mark else {})
    except OSError as error:
        raise cannot_start(command, error) from error
    with contextlib.suppress(OSError):  # not Linux, or already gone
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(OOM_SCORE))
    entry = entry_of(pid)
    return Identity(pid=pid, started=entry.started if entry else "gone", port=command.port)


def cannot_start(command: Startable, error: OSError) -> ApplianceError:
    """The error of an engine that the system did not start."""
    if isinstance(error, PermissionError):
        return NeedsRights(
            say("not allowed to start the engine: {why}", why=error),
            hint=say("check the owner of the appliance's directories"),
        )
    if error.filename == command.argv[0]:
        return ApplianceError(
            say("the engine's program is not there: {program}", program=command.argv[0]),
            hint=say("see `appliance engines list`"),
            code="ENGINE-MISSING",
        )
    return ApplianceError(
        say("the engine cannot be started: {why}", why=error),
        hint=say("run `appliance doctor`"),
        code="ENGINE-NOT-STARTED",
    )


def _spawn(command: Startable, log_path: Path, mark: Mapping[str, str]) -> int:
    program = shutil.which(command.argv[0])
    if program is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command.argv[0])
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        program,
        list(command.argv),
        {**os.environ, **command.env, **mark},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log_path), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
    )


@contextmanager
def _pinned(cpus: Sequence[int]) -> Iterator[None]:
    """Let what this thread starts run on `cpus` alone; its memory is then taken near them."""
    allowed = os.sched_getaffinity(0) if sys.platform == "linux" else set()
    wanted = allowed & set(cpus)
    if not wanted:
        yield
        return
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def write_files(contents: Mapping[str, str]) -> None:
    """Write what an engine reads when it starts, each file as a whole."""
    for name, text in contents.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, text.encode(), mode=0o640)


def alive(identity: Identity) -> bool:
    """Whether this very process still runs; a zombie does not, nor does a stranger's pid."""
    entry = entry_of(identity.pid)
    return entry is not None and entry.started == identity.started and not entry.dead


def exit_status(identity: Identity) -> int | None:
    """How a child of ours ended, a signal as a negative number; it can be asked only once.

    `None` while it runs, and for an engine that an earlier daemon started.
    """
    entry = entry_of(identity.pid)
    if entry is not None and entry.started != identity.started:
        return None
    try:
        pid, status = os.waitpid(identity.pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if pid else None


def stop(identity: Identity, *, grace_s: float = 10.0) -> int | None:
    """End the engine and all it started: TERM, up to `grace_s` seconds, KILL. No orphans.

    Returns the exit status where the engine was a child of ours. Stopping what is already gone is
    fine. Raises `ApplianceError` (`ENGINE-UNKILLABLE`) when the kernel does not let go of it.
    """
    _end(partial(_family, identity), grace_s)
    return exit_status(identity)


def end_strays(mark: Mark, *, grace_s: float = 2.0) -> None:
    """End what an engine that is gone left in sessions of their own: its mark tells them (Linux).

    Raises `ApplianceError` (`ENGINE-UNKILLABLE`) when the kernel does not let go of one.
    """
    _end(partial(_bearers_of, mark), grace_s)


def unkillable(pid: int) -> ApplianceError:
    """The error of an engine that KILL does not end."""
    return ApplianceError(
        say("process {pid} cannot be ended: a driver holds it", pid=pid),
        hint=say("see the kernel log (`dmesg -T`); the card may need a reset"),
        code="ENGINE-UNKILLABLE",
    )


def _family(identity: Identity) -> list[Entry]:
    """The engine and everything that still runs of its session and its descendants."""
    leader = entry_of(identity.pid)
    if leader is not None and leader.started != identity.started:
        return []  # the pid was free to be used again, so nothing of the session was left
    return [entry for entry in members_of(identity.pid) if not entry.dead]


def _bearers_of(mark: Mark) -> list[Entry]:
    found = [entry_of(pid) for pid, text in _marks() if text == mark.text]
    return [entry for entry in found if entry is not None and not entry.dead]


def _end(find: Callable[[], list[Entry]], grace_s: float) -> None:
    """TERM to all that `find` finds, up to `grace_s` seconds, KILL."""
    still = partial(_still, find, {})
    _signal(still(), signal.SIGTERM)
    if _left(still, grace_s):
        _signal(still(), signal.SIGKILL)
        if left := _left(still, _KILL_WAIT_S):
            raise unkillable(left[0].pid)


def _still(find: Callable[[], list[Entry]], seen: dict[int, Entry]) -> list[Entry]:
    """What is found, and what was `seen` before and lives: on its way out a process loses its mark
    and, with its parent, the tie to its family, but not yet its memory.
    """
    seen.update({entry.pid: entry for entry in find()})
    now = [entry_of(pid) for pid in seen]
    return [e for e in now if e and not e.dead and e.started == seen[e.pid].started]


def _left(find: Callable[[], list[Entry]], after_s: float) -> list[Entry]:
    """What is still there after so many seconds; sooner when nothing is."""
    deadline = time.monotonic() + after_s
    while (left := find()) and time.monotonic() < deadline:
        if all(entry.stopped for entry in left):
            _signal(left, signal.SIGCONT)
        time.sleep(_POLL_S)
    return left


def _signal(family: Sequence[Entry], number: signal.Signals) -> None:
    for entry in family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(entry.pid, number)


def attend(identity: Identity, log_path: Path) -> None:
    """A process writes its log itself."""


def memory_killed(identity: Identity) -> bool | None:
    """A process does not tell what killed it."""


def seen(identity: Identity) -> Seen | None:
    """What the process was started with; `None` when it is gone (Linux only)."""
    try:
        argv = _words(identity.pid, "cmdline")
    except OSError:
        return None
    env: dict[str, str] = {}
    with contextlib.suppress(OSError):
        env = dict(w.split("=", 1) for w in _words(identity.pid, "environ") if "=" in w)
    return Seen(argv=argv, env=env) if alive(identity) else None


def _words(pid: int, what: str) -> list[str]:
    raw = Path(f"/proc/{pid}/{what}").read_bytes()
    return [word.decode(errors="replace") for word in raw.removesuffix(b"\0").split(b"\0")]


def marked(state: Path) -> list[Marked]:
    """Live processes that bear the mark of the appliance at `state` (Linux only).

    Children inherit the mark, so only leaders of a session count that no other bearer started.
    """
    prefix = f"{state.resolve()}:"
    bearers = {pid: text for pid, text in _marks() if text.startswith(prefix)}
    leaders = {pid: _leader(pid, bearers) for pid in bearers}
    return [
        Marked(bearers[pid].removeprefix(prefix), identity)
        for pid, identity in leaders.items()
        if identity is not None
    ]


def _marks() -> Iterator[tuple[int, str]]:
    """The pid and the mark of every process that bears one, whosever it is."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            variables = (directory / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark := next((v for v in variables if v.startswith(_MARK_PREFIX)), None):
            yield int(directory.name), mark.removeprefix(_MARK_PREFIX).decode(errors="replace")


def _leader(pid: int, bearers: Mapping[int, str]) -> Identity | None:
    entry = entry_of(pid)
    if entry is None or entry.dead or entry.session != pid or entry.parent in bearers:
        return None
    return Identity(pid=pid, started=entry.started, port=0)
