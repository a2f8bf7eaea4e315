"""What the terminal screens cost: first picture, bytes over the line, CPU, memory, leaving.

python benchmarks/tui.py            on a simulated server
python benchmarks/tui.py --real     on this server's daemon too (`APPLIANCE_HOME` chooses which)
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from tui_pty import Terminal, demo, python

REAL = [str(Path(sys.executable).with_name("appliance"))]
WATCHED_S = 10.0
SIZE = (120, 40)


def first_picture(argv: list[str], landmark: str) -> tuple[float, float, float]:
    """Milliseconds from the start of the process to the frame and to the first readings, and the
    CPU time that went into them.
    """
    terminal = Terminal(argv, size=SIZE)
    terminal.until(lambda: "Home" in terminal.text())
    frame = time.monotonic() - terminal.started
    terminal.until(lambda: landmark in terminal.text())
    readings = time.monotonic() - terminal.started
    spent = psutil.Process(terminal.process.pid).cpu_times()
    leave(terminal)
    return frame * 1000, readings * 1000, (spent.user + spent.system) * 1000


def leave(terminal: Terminal) -> float:
    """Milliseconds from the key to the end of the process."""
    began = time.monotonic()
    terminal.send(b"\x11")
    terminal.wait()
    terminal.close()
    return (time.monotonic() - began) * 1000


def watched(argv: list[str], landmark: str, keys: bytes) -> str:
    """Bytes a second, share of a core, and memory while somebody only looks."""
    terminal = Terminal(argv, size=SIZE)
    terminal.until(lambda: landmark in terminal.text())
    terminal.send(keys)
    terminal.read(3.0)
    process = psutil.Process(terminal.process.pid)
    before = process.cpu_times()
    heard = len(terminal.read(WATCHED_S))
    after = process.cpu_times()
    busy = after.user + after.system - before.user - before.system
    memory = process.memory_info().rss / 2**20
    return (
        f"{heard / WATCHED_S / 1024:5.2f} KiB/s  {100 * busy / WATCHED_S:4.1f} % of a core  "
        f"{memory:4.0f} MiB  leaves in {leave(terminal):4.0f} ms"
    )


def growth(refreshes: int = 2000) -> str:
    """Memory before and after so many pictures of every screen, drawn without a terminal."""
    code = f"""
import asyncio, gc, psutil
from appliance.tui.app import ApplianceApp
from appliance.tui.demo import demo
from appliance.tui.feed import Feed
async def main():
    app = ApplianceApp(demo(160, "mixed"))
    async with app.run_test(size=(120, 40)) as pilot:
        app.feed.stop()
        feed = Feed(app.node, lambda snapshot: None)
        async def draw(count):
            for key in "1234567":
                await pilot.press("escape", "escape", key)
                for _ in range(count):
                    app.snapshot = feed.look()
                    app.history.add(app.snapshot.sample, app.snapshot.taken.timestamp())
                    app.redraw()
                    await pilot.pause(0)
        await draw(100)
        gc.collect()
        before = psutil.Process().memory_info().rss
        await draw({refreshes} // 7)
        gc.collect()
        print((psutil.Process().memory_info().rss - before) / 2**20)
asyncio.run(main())
"""
    import subprocess

    done = subprocess.run(python(code), capture_output=True, text=True, check=True)
    return f"{float(done.stdout.split()[-1]):+.1f} MiB over {refreshes} pictures of 160 cards"


def echo(argv: list[str], landmark: str) -> float:
    """Milliseconds from a typed letter to its picture, while everything updates; the worst."""
    terminal = Terminal(argv, size=SIZE)
    terminal.until(lambda: landmark in terminal.text())
    terminal.send(b"6")
    terminal.until(lambda: "Enter" in terminal.text())
    terminal.read(1.0)
    worst = 0.0
    for letter in "abcdefghijklmnopqrstuvwxyz":
        seen = len(terminal.written)
        began = time.monotonic()
        terminal.send(letter.encode())
        terminal.until(_arrives(terminal, seen, letter))
        worst = max(worst, time.monotonic() - began)
        terminal.read(0.1)
    leave(terminal)
    return worst * 1000


def _arrives(terminal: Terminal, seen: int, letter: str) -> Callable[[], object]:
    return lambda: letter.encode() in terminal.written[seen:]


def main() -> None:
    """Measure and print."""
    subjects = [
        ("8 cards", demo(8), "ATTENTION"),
        ("160 cards", demo(160), "ATTENTION"),
        ("160 cards, slow", demo(160, ", slow=True"), "ATTENTION"),
    ]
    if "--real" in sys.argv:
        subjects.append(("this server", REAL, "cpu" if not os.environ.get("CARDS") else "CARDS"))
    for name, argv, landmark in subjects:
        frame, readings, spent = min(first_picture(argv, landmark) for _ in range(5))
        times = f"frame {frame:4.0f} ms  readings {readings:4.0f} ms  CPU {spent:4.0f} ms"
        print(f"{name:16} {times}")
        for screen, keys in (("board", b""), ("cards", b"3")):
            print(f"{name:16} {screen:6} {watched(argv, landmark, keys)}")
    print(f"a typed letter is seen after at most {echo(demo(160), 'ATTENTION'):.0f} ms")
    print(growth())


if __name__ == "__main__":
    main()
