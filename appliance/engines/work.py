"""Programs that make engines and work for minutes: what they say, and their end when asked."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from appliance.core.progress import Cancel
from appliance.core.tied import tied

_POLL_S = 0.1
_BLOCK = 1 << 16


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    log: Path,
    on_line: Callable[[str], None],
    cancel: Cancel,
    on_poll: Callable[[], None] = lambda: None,
) -> int:
    """Run a program to its end with its output added to `log`; returns the exit status.

    Each line is told as it comes, and `on_poll` is called some times a second. A disk that is full
    costs the log its lines, not us. Raises `Interrupted` when asked to stop; then, and however else
    this ends, the program and what it started are gone.
    """
    process = subprocess.Popen(
        tied(argv),
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    with log.open("ab", buffering=0) as kept:
        told = _Told(process, kept, on_line)
        try:
            while process.poll() is None:
                cancel.check()
                told.read(_POLL_S)
                on_poll()
        finally:
            end(process)
            told.close()
    return process.returncode


class _Told:
    """What a program says: every line told once, all of it written down."""

    def __init__(
        self, process: subprocess.Popen[bytes], kept: IO[bytes], on_line: Callable[[str], None]
    ) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        self._pipe = process.stdout
        self._kept = kept
        self._on_line = on_line
        self._rest = b""
        self._ready = select.poll()
        self._ready.register(self._pipe, select.POLLIN)

    def read(self, within_s: float) -> bool:
        """Take what comes within this time; whether something came."""
        if not self._ready.poll(within_s * 1000):
            return False
        said = os.read(self._pipe.fileno(), _BLOCK)
        with suppress(OSError):
            self._kept.write(said)
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            self._on_line(line.decode(errors="replace"))
        return bool(said)

    def close(self) -> None:
        """Take what is left."""
        while self.read(0):
            pass
        self._on_line(self._rest.decode(errors="replace"))
        self._pipe.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill all that is left of the session that a program leads."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
