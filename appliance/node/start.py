"""Starting the daemon on demand, and knowing whether one is there."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from appliance.core.config import load_config
from appliance.core.errors import (
    ApplianceError,
    DoesNotFit,
    NeedsRights,
    TimedOut,
    Unreachable,
)
from appliance.core.i18n import say
from appliance.core.paths import Paths, private_directory
from appliance.node.client import NodeClient
from appliance.weights.disk import free_bytes

_PATIENCE_S = 15.0
_WORDS_BYTES = 4096
"""With less room on the disk of the logs than a block, a daemon cannot even say why it ends."""


def state_file(paths: Paths) -> Path:
    """The daemon's memory."""
    return paths.state / "node.sqlite3"


def daemon_log(paths: Paths) -> Path:
    """What the daemon has to tell to whoever looks into a fault."""
    return paths.logs / "daemon.log"


def daemon_answers(paths: Paths) -> bool:
    """Whether a daemon answers at the local socket.

    One that takes its time is there all the same.
    """
    return _answer(paths) is not False


def _answer(paths: Paths) -> bool | None:
    """Whether there is a word at the local socket; `None`: none yet, of one that listens.

    Asked for real: the kernel takes connections for a process that was just killed.
    """
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(paths.node_socket))
            probe.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return bool(probe.recv(1))
        except TimeoutError:
            return None
        except OSError:
            return False


def ensure_daemon(paths: Paths) -> NodeClient:
    """A client of the running daemon; starts one, detached, where none answers.

    Two callers at once may both start one: the second gives way to the first's lock.
    Raises `UsageError` for settings that cannot be meant, `Unreachable`, with the daemon's last
    words, when it does not come up, `DoesNotFit` where there was no room even for these.
    """
    check_socket_path(paths)
    load_config(paths)
    if not daemon_answers(paths):
        make_directories(paths)
        child = _spawn(paths)
        _await(paths, child)
        # a long-lived caller must bury it one day: a dead daemon would stay a zombie
        threading.Thread(target=child.wait, name="await-daemon", daemon=True).start()
    return NodeClient(paths)


def check_socket_path(paths: Paths) -> None:
    """A Unix socket's path has at most 107 bytes on Linux (unix(7)). Raises `ApplianceError`."""
    if len(os.fsencode(paths.gateway_socket)) > 107:
        raise ApplianceError(
            say("the path {path} is too long for a socket", path=paths.gateway_socket),
            hint=say("use a shorter APPLIANCE_HOME (at most about 80 characters)"),
            code="PATH-TOO-LONG",
        )


def make_directories(paths: Paths) -> None:
    """Create state and log directories for their owner only. Raises `NeedsRights`, …"""
    for path in (paths.state, paths.logs):
        with _writing(path):
            private_directory(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what the operating system says about writing there into an error for people."""
    try:
        yield
    except OSError as error:
        text = say("cannot write to {path}: {error}", path=path, error=error.strerror)
        if error.errno == errno.EROFS:
            hint = say("a disk fault may have made it so: see `dmesg`; then remount it writable")
            raise NeedsRights(text, hint=hint, code="DISK-READONLY") from error
        if isinstance(error, PermissionError):
            hint = say("set APPLIANCE_HOME to a directory of yours, or run as its owner")
            raise NeedsRights(text, hint=hint) from error
        hint = say("set APPLIANCE_HOME to a directory that can be written")
        raise ApplianceError(text, hint=hint) from error


def _spawn(paths: Paths) -> subprocess.Popen[bytes]:
    with _writing(paths.logs):
        out = (paths.logs / "daemon.out").open("wb")
    with out:
        return subprocess.Popen(
            [sys.executable, "-m", "appliance.cli.main", "daemon"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            start_new_session=True,
            env=os.environ | {"APPLIANCE_DETACHED": "1"},
        )


def _await(paths: Paths, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if _answer(paths):  # one that listens and says nothing may yet find that it cannot start
            return
        if child.poll() not in (None, 0):
            break
        time.sleep(0.02)
    last = _last_words(paths.logs / "daemon.out")
    if not last and free_bytes(paths.logs) < _WORDS_BYTES:
        raise DoesNotFit(
            say("the appliance daemon did not start: {last}", last=say("the disk is full")),
            hint=say("free some space on the disk of {path}", path=paths.logs),
            code="DISK-FULL",
        )
    raise Unreachable(
        say("the appliance daemon did not start: {last}", last=last or say("no word from it")),
        hint=say("its log is {path}", path=daemon_log(paths)),
        code="DAEMON-DOWN",
    )


def await_leave(paths: Paths) -> None:
    """Return when no daemon holds this state any more. Raises `TimedOut`."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        with only_daemon(paths) as free:
            if free:
                return
        time.sleep(0.02)
    raise TimedOut(say("the daemon does not leave"), hint=say("its log is {path}", path=paths.logs))


def _last_words(path: Path) -> str:
    try:
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1].removeprefix("error: ")


@contextmanager
def sole_daemon(paths: Paths) -> Iterator[bool]:
    """As `only_daemon`, but waits for one that is leaving: that answers nobody any more."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with only_daemon(paths) as first:
            if first or daemon_answers(paths) or time.monotonic() > deadline:
                yield first
                return
        time.sleep(0.05)


def _lock_file(path: Path) -> IO[str]:
    try:
        return path.open("a")
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return path.open()  # a daemon whose disk became read-only holds it all the same


@contextmanager
def only_daemon(paths: Paths) -> Iterator[bool]:
    """Hold the lock of this state directory; yields False when another daemon holds it."""
    with _lock_file(paths.state / "node.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
