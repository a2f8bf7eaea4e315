"""What the terminal screens cost: first picture, bytes over the line, CPU, memory, leaving.

python benchmarks/tui.py            on simulated servers
python benchmarks/tui.py --real     on this server's daemon too (`APPLIANCE_HOME` chooses which)
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from tui_pty import Terminal, demo, python

APPLIANCE = str(Path(sys.executable).with_name("appliance"))
FLEET = [APPLIANCE, "demo", "--nodes", "20", "--cards", "mixed"]
WATCHED_S, WATCHED_SLOW_S = 10.0, 32.0
SIZE = (120, 40)
SCREENS = {
    "home": b"1", "setup": b"2", "cards": b"3", "card": b"3jjj\r", "models": b"4",
    "services": b"5", "chat": b"6", "health": b"7",
}  # fmt: skip
_LEAVE = b"\x11"


def first_picture(argv: list[str], landmark: str) -> str:
    """Milliseconds from the start of the process to the frame and to the first readings, and the
    CPU time that went into them: the least of five.
    """
    runs = []
    for _ in range(5):
        terminal = Terminal(argv, size=SIZE)
        terminal.until(lambda: "Home" in terminal.text())  # noqa: B023
        frame = time.monotonic() - terminal.started
        terminal.until(lambda: landmark in terminal.text())  # noqa: B023
        readings = time.monotonic() - terminal.started
        spent = psutil.Process(terminal.process.pid).cpu_times()
        leave(terminal)
        runs.append((frame * 1000, readings * 1000, (spent.user + spent.system) * 1000))
    frame, readings, cpu = (min(run[i] for run in runs) for i in range(3))
    return f"frame {frame:4.0f} ms  readings {readings:4.0f} ms  CPU {cpu:4.0f} ms"


def leave(terminal: Terminal) -> float:
    """Milliseconds from the key to the end of the process."""
    began = time.monotonic()
    terminal.send(_LEAVE)
    terminal.wait()
    terminal.close()
    return (time.monotonic() - began) * 1000


def watched(argv: list[str], landmark: str, keys: bytes, seconds: float) -> str:
    """Bytes a second, share of a core, and memory while somebody only looks."""
    terminal = Terminal(argv, size=SIZE)
    terminal.until(lambda: landmark in terminal.text())
    for key in keys:
        terminal.send(bytes([key]))
        terminal.read(1.5)
    terminal.read(9.0 if "--slow" in argv else 3.0)
    process = psutil.Process(terminal.process.pid)
    before = process.cpu_times()
    heard = len(terminal.read(seconds))
    after = process.cpu_times()
    busy = after.user + after.system - before.user - before.system
    memory = process.memory_info().rss / 2**20
    return (
        f"{heard / seconds / 1024:5.2f} KiB/s  {100 * busy / seconds:4.1f} % of a core  "
        f"{memory:4.0f} MiB  leaves in {leave(terminal):4.0f} ms"
    )


def still(argv: list[str], landmark: str) -> str:
    """Bytes and CPU of a held picture."""
    terminal = Terminal(argv, size=SIZE)
    terminal.until(lambda: landmark in terminal.text())
    terminal.send(b"p")
    terminal.read(1.0)
    process = psutil.Process(terminal.process.pid)
    before = process.cpu_times()
    heard = len(terminal.read(WATCHED_S))
    after = process.cpu_times()
    busy = after.user + after.system - before.user - before.system
    leave(terminal)
    return f"{heard} bytes, {100 * busy / WATCHED_S:.1f} % of a core in {WATCHED_S:.0f} s"


_GROWTH = """
import asyncio, gc, sys, psutil
from appliance.tui.app import ApplianceApp
from appliance.tui.demo import demo
from appliance.tui.feed import Feed
async def main():
    app = ApplianceApp(demo(8, "mixed", nodes=20))
    async with app.run_test(size=(120, 40)) as pilot:
        app.feed.stop()
        feed = Feed(app.node, lambda snapshot: None)
        async def draw(count):
            for _ in range(count):
                feed.care_for(app.feed._interest)
                app.snapshot = feed.look()
                app.redraw()
                await pilot.pause(0)
            gc.collect()
            return psutil.Process().memory_info().rss
        await draw(5)
        for key in sys.argv[1:]:
            await pilot.press(key)
        before = await draw(200)
        print((await draw({refreshes}) - before) / 2**20)
asyncio.run(main())
"""


def growth(keys: bytes, refreshes: int = 2000) -> float:
    """MiB that the pictures of one screen of 160 cards add, drawn without a terminal."""
    names = ["enter" if key == 13 else chr(key) for key in keys]
    code = _GROWTH.replace("{refreshes}", str(refreshes))
    done = subprocess.run([*python(code), *names], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


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
    subjects: list[tuple[str, list[str], str]] = [
        ("8 cards", demo(8), "ATTENTION"),
        ("160 cards", FLEET, "ATTENTION"),
        ("160 cards, slow", [*FLEET, "--slow"], "ATTENTION"),
    ]
    if "--real" in sys.argv:
        subjects.append(("this server", [APPLIANCE], "CARDS"))
    for name, argv, landmark in subjects:
        print(f"{name:16} {first_picture(argv, landmark)}", flush=True)
        seconds = WATCHED_SLOW_S if "--slow" in argv else WATCHED_S
        for screen, keys in SCREENS.items():
            print(f"{name:16} {screen:8} {watched(argv, landmark, keys, seconds)}", flush=True)
    print(f"a held picture: {still(FLEET, 'ATTENTION')}")
    print(f"a typed letter is seen after at most {echo(FLEET, 'ATTENTION'):.0f} ms", flush=True)
    for screen, keys in SCREENS.items():
        print(f"2,000 pictures of {screen:8} {growth(keys):+.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
