from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator

import pytest

from appliance.tui import launch, probe
from appliance.tui.glyphs import ASCII, UNICODE


class Terminal(io.StringIO):
    encoding = "utf-8"

    def __init__(self, *, tty: bool = True, encoding: str = "utf-8") -> None:
        super().__init__()
        self._tty = tty
        self.encoding = encoding

    def isatty(self) -> bool:
        return self._tty


TTY = Terminal()
PIPE = Terminal(tty=False)
LATIN = Terminal(encoding="ANSI_X3.4-1968")


@pytest.mark.parametrize(
    ("environ", "streams", "size", "wanted"),
    [
        ({"TERM": "xterm-256color"}, (TTY, TTY, TTY), (80, 24), "rich"),
        ({"TERM": "linux"}, (TTY, TTY, TTY), (80, 25), "rich"),
        ({"TERM": "xterm", "SSH_CONNECTION": "x"}, (TTY, TTY, TTY), (300, 80), "rich"),
        ({"TERM": "xterm"}, (PIPE, TTY, TTY), (80, 24), "plain"),
        ({"TERM": "xterm"}, (TTY, PIPE, TTY), (80, 24), "plain"),
        ({"TERM": "xterm"}, (TTY, TTY, PIPE), (80, 24), "plain"),
        ({"TERM": "xterm", "CI": "true"}, (TTY, TTY, TTY), (80, 24), "plain"),
        ({"TERM": "dumb"}, (TTY, TTY, TTY), (80, 24), "basic"),
        ({"TERM": "unknown"}, (TTY, TTY, TTY), (80, 24), "basic"),
        ({}, (TTY, TTY, TTY), (80, 24), "basic"),
        ({"TERM": "vt220"}, (TTY, TTY, TTY), (80, 24), "basic"),
        ({"TERM": "vt100"}, (TTY, TTY, TTY), (80, 24), "basic"),
        ({"TERM": "screen-256color", "STY": "x"}, (TTY, TTY, TTY), (80, 24), "rich"),
        ({"TERM": "tmux-256color", "TMUX": "x"}, (TTY, TTY, TTY), (80, 24), "rich"),
        ({"TERM": "screen"}, (TTY, TTY, TTY), (80, 24), "rich"),
        ({"TERM": "xterm"}, (TTY, TTY, LATIN), (80, 24), "basic"),
        ({"TERM": "xterm"}, (TTY, TTY, TTY), (69, 24), "basic"),
        ({"TERM": "xterm"}, (TTY, TTY, TTY), (80, 19), "basic"),
        ({"TERM": "xterm", "ACCESSIBLE": "1"}, (TTY, TTY, TTY), (80, 24), "basic"),
        ({"TERM": "xterm", "ACCESSIBLE": "0"}, (TTY, TTY, TTY), (80, 24), "rich"),
    ],
)
def test_the_launch_table(
    environ: dict[str, str],
    streams: tuple[Terminal, Terminal, Terminal],
    size: tuple[int, int],
    wanted: str,
) -> None:
    assert launch.mode(environ, streams, size) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("/dev/ttyS0", "basic"),
        ("/dev/ttyAMA0", "basic"),
        ("/dev/hvc0", "basic"),
        ("/dev/ttyUSB1", "basic"),
        ("/dev/pts/3", "rich"),
        ("/dev/tty1", "rich"),
    ],
)
def test_a_serial_line_gets_line_prompts(
    name: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Named(Terminal):
        def fileno(self) -> int:
            return 0

    monkeypatch.setattr(os, "ttyname", lambda number: name)

    assert launch.mode({"TERM": "xterm"}, (Named(), TTY, TTY), (80, 24)) == wanted


def test_the_decision_is_taken_before_anything_draws() -> None:
    code = (
        "import sys, appliance.tui, appliance.tui.launch, appliance.tui.basic;"
        "sys.exit(any(name.split('.')[0] == 'textual' for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_linux_console_speaks_english() -> None:
    assert launch.language({"TERM": "linux"}, "zh") == "en"
    assert launch.language({"TERM": "xterm"}, "zh") == "zh"


def test_sixteen_colours_where_no_more_are_promised() -> None:
    assert launch.theme({"TERM": "xterm"}) == "ansi"
    assert launch.theme({"TERM": "xterm-256color"}) == "dark"
    assert launch.theme({"TERM": "xterm", "COLORTERM": "truecolor"}) == "dark"
    assert launch.theme({"TERM": "xterm-256color", "NO_COLOR": "1"}) == "ansi"


class AnsweringTerminal:
    """The other end of a pseudo terminal; says where the cursor is when it is asked."""

    def __init__(self, column: int | None) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.slave = os.fdopen(slave, "r+b", buffering=0)
        self.column = column
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        heard = b""
        while b"\x1b[6n" not in heard:
            heard += os.read(self.master, 100)
        if self.column is not None:
            os.write(self.master, b"\x1b[1;%dR" % self.column)


@pytest.fixture(params=[2, 3, None])
def terminal(request: pytest.FixtureRequest) -> Iterator[AnsweringTerminal]:
    terminal = AnsweringTerminal(request.param)
    yield terminal
    terminal.slave.close()
    os.close(terminal.master)


def test_marks_follow_the_width_the_terminal_draws(
    terminal: AnsweringTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", terminal.slave)
    stderr = io.TextIOWrapper(terminal.slave, write_through=True)
    monkeypatch.setattr(sys, "stderr", stderr)

    assert probe.glyphs({}) is (UNICODE if terminal.column == 2 else ASCII)
    stderr.detach()


def test_the_operators_choice_of_marks_is_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    assert probe.glyphs({"APPLIANCE_GLYPHS": "unicode"}) is UNICODE
    assert probe.glyphs({"TERM": "linux"}) is ASCII
    assert probe.glyphs({}) is ASCII


def test_the_command_line_names_the_themes_that_exist() -> None:
    from appliance.cli.board import THEMES
    from appliance.tui.themes import PALETTES

    assert set(THEMES) == set(PALETTES)


def test_the_command_line_names_the_cards_that_are_simulated() -> None:
    from appliance.cli.demo import _KINDS
    from appliance.tui.simulated import KINDS

    assert {*KINDS, "mixed"} == set(_KINDS)
