from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tui_pty import Terminal, demo

ALTERNATE = b"\x1b[?1049h"
APPLIANCE = [sys.executable, "-m", "appliance.cli.main"]


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


def test_it_draws_and_leaves_the_terminal_as_it_was(opened: list[Terminal]) -> None:
    terminal = Terminal(demo())
    opened.append(terminal)
    terminal.until(lambda: "ATTENTION" in terminal.text())
    terminal.send(b"q")

    assert terminal.wait() == 0
    assert b"\x1b[?1049l" in terminal.written
    assert b"\x1b[?25h" in terminal.written


@pytest.mark.parametrize(("column", "mark"), [(2, "━"), (3, "#"), (None, "#")])
def test_marks_are_chosen_by_what_the_terminal_answers(
    column: int | None, mark: str, opened: list[Terminal]
) -> None:
    terminal = Terminal(demo(), column=column)
    opened.append(terminal)
    terminal.until(lambda: f" {mark * 3}" in terminal.text().split("CARDS")[-1])

    other = {"#": "━", "━": "#"}[mark]
    assert other not in terminal.text().split("CARDS")[-1]


@pytest.mark.parametrize("keys", [b"", b"3", b"3jjj\r"], ids=["board", "cards", "card"])
def test_a_hundred_and_sixty_cards_cost_at_most_six_kib_a_second(
    keys: bytes, opened: list[Terminal]
) -> None:
    terminal = Terminal(demo(160), size=(120, 40))
    opened.append(terminal)
    terminal.until(lambda: "ATTENTION" in terminal.text())
    terminal.send(keys)
    terminal.read(2.0)

    heard = terminal.read(5.0)

    assert 0 < len(heard) / 5 <= 6 * 1024


@pytest.mark.slow
@pytest.mark.parametrize("keys", [b"", b"3"], ids=["board", "cards"])
def test_a_slow_line_costs_at_most_one_kib_a_second(keys: bytes, opened: list[Terminal]) -> None:
    terminal = Terminal(demo(160, ", slow=True"), size=(120, 40))
    opened.append(terminal)
    terminal.until(lambda: "ATTENTION" in terminal.text())
    terminal.send(keys)
    terminal.read(2.0)

    assert len(terminal.read(16.0)) / 16 <= 1024


def test_a_held_picture_costs_nothing(opened: list[Terminal]) -> None:
    terminal = Terminal(demo())
    opened.append(terminal)
    terminal.until(lambda: "ATTENTION" in terminal.text())
    terminal.send(b"p")
    terminal.until(lambda: "PAUSED" in terminal.text())
    terminal.read(0.5)

    assert terminal.read(3.0) == b""


@pytest.fixture
def hanging_daemon(tmp_path: Path) -> Iterator[Path]:
    """A socket that takes every connection and never answers."""
    home = tmp_path / "h"
    (home / "state").mkdir(parents=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(home / "state" / "node.sock"))
    server.listen(16)
    kept: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                kept.append(server.accept()[0])
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    yield home
    server.close()
    for connection in kept:
        connection.close()


def test_it_ends_at_once_though_the_daemon_hangs(
    hanging_daemon: Path, opened: list[Terminal]
) -> None:
    terminal = Terminal(APPLIANCE, env={"APPLIANCE_HOME": str(hanging_daemon)})
    opened.append(terminal)
    terminal.until(lambda: "asking the daemon" in terminal.text())
    terminal.send(b"q")

    assert terminal.wait(3.0) == 0


def test_a_terminal_without_screens_gets_line_prompts(
    hanging_daemon: Path, opened: list[Terminal]
) -> None:
    home = str(hanging_daemon)
    terminal = Terminal(APPLIANCE, env={"APPLIANCE_HOME": home, "TERM": "dumb"})
    opened.append(terminal)
    terminal.until(lambda: "Number" in terminal.text(), 30.0)
    terminal.send(b"q\n")
    terminal.until(lambda: "Number: " in terminal.text(), 30.0)
    terminal.send(b"0\n")

    assert terminal.wait() == 0
    assert b"\x1b" not in terminal.written


@pytest.fixture
def stopped_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A home with a daemon that works, and a way to stop its process in its tracks."""
    from appliance.core.paths import find_paths
    from appliance.node.start import await_leave, ensure_daemon

    home = tmp_path / "h"
    monkeypatch.setenv("APPLIANCE_HOME", str(home))
    paths = find_paths()
    with ensure_daemon(paths) as client:
        pid = client.status().daemon.pid
        assert pid is not None
        yield home, lambda: os.kill(pid, signal.SIGSTOP)
        os.kill(pid, signal.SIGCONT)
    with ensure_daemon(paths) as client:
        client.down()
    await_leave(paths)


def test_a_stopped_daemon_is_seen_and_keeps_nobody_in(
    stopped_daemon: tuple[Path, Callable[[], None]], opened: list[Terminal]
) -> None:
    home, stop = stopped_daemon
    terminal = Terminal(APPLIANCE, size=(120, 40), env={"APPLIANCE_HOME": str(home)})
    opened.append(terminal)
    terminal.until(lambda: "Home" in terminal.text(), 40.0)
    terminal.send(b"1")
    terminal.until(lambda: "CARDS" in terminal.text(), 40.0)
    stop()
    seen = len(terminal.text())
    terminal.until(lambda: "no new readings" in terminal.text()[seen:], 20.0)
    terminal.send(b"q")

    assert terminal.wait(5.0) == 0


@pytest.mark.parametrize("env", [{"TERM": "vt220"}, {"LC_ALL": "C"}, {"ACCESSIBLE": "1"}])
def test_where_screens_cannot_be_drawn_nothing_moves_the_cursor(
    env: dict[str, str], hanging_daemon: Path, opened: list[Terminal]
) -> None:
    env = {
        "APPLIANCE_HOME": str(hanging_daemon),
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    } | env
    terminal = Terminal(APPLIANCE, env=env)
    opened.append(terminal)
    terminal.until(lambda: "1" in terminal.text(), 30.0)
    terminal.send(b"\x04")
    terminal.wait(20.0)

    assert b"\x1b" not in terminal.written
    assert "Traceback" not in terminal.text()


def test_the_linux_console_gets_english_and_plain_marks(opened: list[Terminal]) -> None:
    env = {"TERM": "linux", "APPLIANCE_LANG": "zh"}
    terminal = Terminal([*APPLIANCE, "demo"], size=(100, 30), env=env)
    opened.append(terminal)
    terminal.until(lambda: "ATTENTION" in terminal.text())
    terminal.send(b"q")

    assert terminal.wait() == 0
    assert terminal.text().isascii()


def test_the_demo_needs_no_daemon_and_says_what_it_is(
    tmp_path: Path, opened: list[Terminal]
) -> None:
    home = tmp_path / "nothing-here"
    argv = [*APPLIANCE, "demo", "--nodes", "3", "--cards", "mixed", "--no-mouse"]
    terminal = Terminal(argv, size=(120, 40), env={"APPLIANCE_HOME": str(home)})
    opened.append(terminal)
    terminal.until(lambda: "ATTENTION" in terminal.text())
    for key in "234567":
        terminal.send(key.encode())
        terminal.read(0.5)
    terminal.send(b"\x11")

    assert terminal.wait() == 0
    assert "DEMO" in terminal.text()
    assert b"\x1b[?1000h" not in terminal.written
    assert not home.exists()


def test_without_a_terminal_the_demo_is_printed(tmp_path: Path) -> None:
    done = subprocess.run(
        [*APPLIANCE, "demo", "--cards", "ascend"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "APPLIANCE_HOME": str(tmp_path / "h"), "APPLIANCE_LANG": "en"},
    )

    assert done.stdout.startswith("DEMO")
    assert "910B2" in done.stdout
    assert not (tmp_path / "h").exists()


def test_a_storm_of_sizes_is_survived(opened: list[Terminal]) -> None:
    terminal = Terminal(demo(20))
    opened.append(terminal)
    terminal.until(lambda: "ATTENTION" in terminal.text())
    for size in [(300, 80), (20, 5), (80, 24), (1, 1), (132, 43)] * 4:
        terminal.resize(size)
        terminal.process.send_signal(28)
        terminal.read(0.02)
    terminal.send(b"q")

    assert terminal.wait() == 0
    assert ALTERNATE in terminal.written
    assert "Traceback" not in terminal.text()
