"""Asking a vendor's tool: live, with a deadline that holds; or from a capture.

A tool of a wedged card may hang in the driver for good, and may leave children behind. So each
question runs in a session of its own, in a directory of its own, and everything in that session is
killed at the deadline.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from appliance.core.errors import UsageError
from appliance.core.i18n import say
from appliance.hardware.vendors.base import ToolAnswer

DEADLINE_S = 3.0
OUTPUT_LIMIT = 16 * 1024 * 1024
"""Bytes of one stream that are kept; a tool that prints more is not telling about cards."""

TOOL_DIRECTORIES = (
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/bin",
    "/sbin",
    "/usr/lib/wsl/lib",
    "/opt/rocm/bin",
    "/opt/hyhal/bin",
    "/usr/local/hyhal/bin",
    "/opt/dtk/bin",
    "/opt/mxdriver/bin",
    "/opt/maca/bin",
    "/opt/mxn100/bin",
    "/usr/local/corex/bin",
    "/usr/local/birensupa/bin",
    "/usr/local/xpu/bin",
    "/usr/local/neuware/bin",
    "/usr/local/PPU_SDK/bin",
    "/usr/local/Ascend/driver/tools",
)
"""Where vendors install their tools when it is not on the PATH of a service."""


def tool_path() -> str:
    """The search path for tools: the operator's own first, then the vendors' places."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *TOOL_DIRECTORIES])


class LiveRunner:
    """Asks the tools of this server; one runner serves one look at one vendor.

    `budget_s` is for all questions together. A program that missed its deadline is not asked again:
    what wedges it has not gone away.
    """

    def __init__(self, *, deadline_s: float = DEADLINE_S, budget_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._ends = time.monotonic() + budget_s
        self._wedged: set[str] = set()

    def installed(self, program: str) -> bool:
        """Whether the tool is on this server."""
        return shutil.which(program, path=tool_path()) is not None

    def ask(self, *argv: str) -> ToolAnswer | None:
        """What `argv` prints; `None` when it is not installed."""
        program = shutil.which(argv[0], path=tool_path())
        if program is None:
            return None
        seconds = min(self._deadline_s, self._ends - time.monotonic())
        if program in self._wedged or seconds <= 0:
            return ToolAnswer(argv=argv, exit=None, stdout="")
        answer = run_tool(program, argv, seconds)
        if answer is not None and answer.exit is None:
            self._wedged.add(program)
        return answer


def run_tool(program: str, argv: tuple[str, ...], deadline_s: float) -> ToolAnswer | None:
    """Run `program` as `argv` and end it at the deadline; `None` when it cannot be executed."""
    reap_abandoned()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="appliance-", ignore_cleanup_errors=True) as directory:
        try:
            process = subprocess.Popen(
                argv,
                executable=program,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,
            )
        except OSError:
            return None
        stdout, stderr, in_time = _collect(process, started + deadline_s)
        end_session(process, thoroughly=not in_time)
        return ToolAnswer(
            argv=argv,
            exit=_exit_status(process) if in_time else None,
            stdout=_plain(stdout),
            stderr=_plain(stderr),
            seconds=round(time.monotonic() - started, 3),
            files=_written(Path(directory)),
        )


_ESCAPES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|^\xef\xbb\xbf")


def _plain(printed: bytes) -> str:
    """Text without terminal colours or an editor's byte order mark, with plain line ends."""
    text = _ESCAPES.sub(b"", printed).decode("utf-8", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "PATH": tool_path()}


def _collect(process: subprocess.Popen[bytes], ends: float) -> tuple[bytes, bytes, bool]:
    """Both streams until the tool has ended, and whether it ended in time.

    Does not wait for the streams' end: a child that the tool left behind may hold them open.
    """
    if process.stdout is None or process.stderr is None:
        raise AssertionError("started with pipes")
    kept = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    with process.stdout, process.stderr, selectors.DefaultSelector() as selector:
        for fd in kept:
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ)
        in_time = True
        while True:
            ended = _has_ended(process)
            left = ends - time.monotonic()
            if left <= 0:
                in_time = ended
                break
            pause = 0.0 if ended else 0.05 if selector.get_map() else 0.002
            events = selector.select(min(left, pause))
            if ended and not events:
                break
            for key, _ in events:
                _read_some(selector, key.fd, kept[key.fd])
    out, err = kept.values()
    return bytes(out), bytes(err), in_time


def _read_some(selector: selectors.BaseSelector, fd: int, kept: bytearray) -> None:
    chunk = os.read(fd, 65536)
    if not chunk:
        selector.unregister(fd)
    elif len(kept) < OUTPUT_LIMIT:
        kept += chunk


def _exit_status(process: subprocess.Popen[bytes]) -> int:
    status = process.returncode
    return status if status >= 0 else 128 - status


def _written(directory: Path) -> dict[str, str]:
    """Files the tool left in its working directory: `cnmon -j` answers that way."""
    files: dict[str, str] = {}
    for path in sorted(directory.iterdir())[:8]:
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= OUTPUT_LIMIT:
            files[path.name] = path.read_text(errors="replace")
    return files


# -- ending what was started -------------------------------------------------------------------

_abandoned: list[subprocess.Popen[bytes]] = []
_abandoned_lock = threading.Lock()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the tool has ended; it is not reaped yet, so that its process group stays its own."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def end_session(process: subprocess.Popen[bytes], *, thoroughly: bool) -> None:
    """Kill whatever still lives in the tool's session; then reap the tool, if it can die at all.

    A process stuck in the driver (state D) ignores even KILL until the driver lets go; it is kept
    in mind and reaped by a later question.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in _session_members(process.pid) if thoroughly else ():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    try:
        process.wait(timeout=0.2)
    except subprocess.TimeoutExpired:
        with _abandoned_lock:
            _abandoned.append(process)


def reap_abandoned() -> None:
    """Collect tools that could not die when they were killed, as far as they have died since."""
    with _abandoned_lock:
        _abandoned[:] = [process for process in _abandoned if process.poll() is None]


def _session_members(session: int) -> list[int]:
    """Processes of `session` that moved to a process group of their own (Linux; else none)."""
    members = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text(errors="replace")
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()
        if len(fields) > 3 and fields[3] == str(session) and fields[0] != "Z":
            members.append(int(entry.name))
    return members


# -- captures ----------------------------------------------------------------------------------


class CapturedCommand(msgspec.Struct, frozen=True):
    """A line of a capture's manifest; `stdout` and `stderr` are paths inside the capture."""

    argv: list[str]
    exit: int | None = None
    stdout: str | None = None
    stderr: str | None = None
    seconds: float | None = None


class Manifest(msgspec.Struct, frozen=True):
    """What `manifest.json` must hold; more keys are allowed."""

    commands: list[CapturedCommand]
    host: str | None = None
    time: str | None = None


NOT_INSTALLED = 127


class ReplayRunner:
    """Answers from a capture directory (capture/1), and from nothing else.

    Raises `UsageError` (code BAD-CAPTURE) for a directory that is no capture.
    """

    def __init__(self, capture: Path) -> None:
        self.capture = capture
        self.manifest = _read_manifest(capture)
        self._by_argv: dict[tuple[str, ...], CapturedCommand] = {}
        for command in self.manifest.commands:
            self._by_argv.setdefault(tuple(command.argv), command)

    def ask(self, *argv: str) -> ToolAnswer | None:
        """What `argv` printed; `None` when it was not captured, or not installed there."""
        command = self._by_argv.get(argv)
        if command is None or command.exit == NOT_INSTALLED:
            return None
        return ToolAnswer(
            argv=argv,
            exit=command.exit,
            stdout=self._text(command.stdout),
            stderr=self._text(command.stderr),
            seconds=command.seconds or 0.0,
        )

    def installed(self, program: str) -> bool | None:
        """Whether the tool was on that server; `None` when no question to it was captured."""
        exits = [c.exit for argv, c in self._by_argv.items() if argv[0] == program]
        return any(status != NOT_INSTALLED for status in exits) if exits else None

    def _text(self, name: str | None) -> str:
        if name is None:
            return ""
        path = (self.capture / name).resolve()
        if not path.is_relative_to(self.capture.resolve()):
            raise _bad_capture(self.capture, f"{name} is outside of it")
        try:
            return _plain(path.read_bytes())
        except OSError as error:
            raise _bad_capture(self.capture, f"{name}: {error.strerror}") from error


def _read_manifest(capture: Path) -> Manifest:
    try:
        raw: Any = msgspec.json.decode((capture / "manifest.json").read_bytes())
        if not isinstance(raw, dict) or raw.get("schema") != "appliance.capture/1":
            raise _bad_capture(capture, "the schema is not appliance.capture/1")
        return msgspec.convert(raw, Manifest)
    except OSError as error:
        raise _bad_capture(capture, f"manifest.json: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _bad_capture(capture, f"manifest.json: {error}") from error


def _bad_capture(capture: Path, why: str) -> UsageError:
    return UsageError(
        say("not a capture: {directory}: {why}", directory=capture, why=why),
        hint=say("a capture is a directory that `appliance capture DIR` has written"),
        code="BAD-CAPTURE",
    )
