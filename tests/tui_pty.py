"""A process on a pseudo terminal that answers as a real one does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence

_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|.)")
CURSOR_QUESTION = b"\x1b[6n"


class Terminal:
    """Collects what the process writes. `column`: where a mark leaves the cursor."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        size: tuple[int, int] = (80, 24),
        column: int | None = 2,
        env: dict[str, str] | None = None,
    ) -> None:
        self.master, slave = pty.openpty()
        self.written = b""
        self._column = column
        self._answered = 0
        self.resize(size)
        environ = {key: value for key, value in os.environ.items() if key not in ("CI", "NO_COLOR")}
        environ |= {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(env or {})}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True
        )
        os.close(slave)

    def resize(self, size: tuple[int, int]) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def send(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def read(self, seconds: float) -> bytes:
        """What arrives within a time, or until the process closes the terminal."""
        begun = len(self.written)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and self._take(left):
            pass
        return self.written[begun:]

    def _take(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            heard = os.read(self.master, 1 << 16)
        except OSError:
            return False
        self.written += heard
        self._reply()
        return bool(heard)

    def _reply(self) -> None:
        asked = self.written.count(CURSOR_QUESTION)
        if asked > self._answered and self._column is not None:
            self._answered = asked
            self.send(b"\x1b[1;%dR" % self._column)

    def text(self) -> str:
        return _SEQUENCE.sub(b"", self.written).decode(errors="replace")

    def until(self, holds: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.text()[-3000:]
            assert self._take(0.05) or holds(), self.text()[-3000:]

    def wait(self, seconds: float = 10.0) -> int:
        """The exit code, the terminal being read until the end."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            self._take(0.02)
        return self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def demo(cards: int = 8, options: str = "") -> list[str]:
    """The screens on a simulated server."""
    return python(
        "import sys; from appliance.tui import show; from appliance.tui.demo import demo;"
        f"sys.exit(show(demo({cards}, 'mixed'){options}))"
    )
