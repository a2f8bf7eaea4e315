"""Records a session on a simulated server for the documentation.

python docs/images/record.py

Writes `session.cast` (asciinema, from a terminal that runs `appliance demo`) and `session.svg` (the
same places as one picture that changes by itself; no script, no font, nothing is fetched).
"""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

from appliance.tui.app import ApplianceApp
from appliance.tui.backend import Backend
from appliance.tui.demo import DemoNode, demo
from appliance.tui.glyphs import UNICODE

HERE = Path(__file__).parent
SIZE = (112, 34)
WALK: list[tuple[str, float]] = [
    ("", 3.0), ("3", 3.0), ("jjj", 2.0), ("\r", 3.0), ("w", 2.0), ("w", 2.5), ("\x1b", 1.0),
    ("4", 4.0), ("5", 2.5), ("6", 1.5), ("What is a stent?\r", 4.0), ("\x071", 2.0), ("L", 3.0),
    ("3", 3.0), ("L", 1.5), ("q", 0.5),
]  # fmt: skip
"""Keys, and the seconds until the next ones."""
FRAMES: list[tuple[str, ...]] = [
    ("1",), ("3", "j", "j", "j"), ("3", "j", "j", "j", "enter", "w", "w"), ("4",), ("5",), ("7",),
]  # fmt: skip
FRAME_S = 3


def record(path: Path) -> None:
    """Type into a real terminal and keep what it was sent, with the times."""
    master, slave = pty.openpty()
    ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
    argv = [sys.executable, "-m", "appliance.cli.main", "demo"]
    env = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR")}
    env |= {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "APPLIANCE_GLYPHS": "unicode"}
    env |= {"APPLIANCE_LANG": "en", "COLORTERM": ""}
    process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    head = {"version": 2, "width": SIZE[0], "height": SIZE[1], "title": "appliance demo"}
    began = time.monotonic()
    with path.open("w", encoding="utf-8") as cast:
        cast.write(json.dumps(head) + "\n")
        for at, text in _typed(master, began):
            cast.write(json.dumps([round(at, 3), "o", text], ensure_ascii=False) + "\n")
    process.wait()
    os.close(master)


def _typed(master: int, began: float) -> Iterator[tuple[float, str]]:
    for keys, seconds in WALK:
        for key in keys if len(keys) > 3 else [keys]:
            os.write(master, key.encode())
            yield from _heard(master, began, 0.06 if len(keys) > 3 else seconds)
        if len(keys) > 3:
            yield from _heard(master, began, seconds)


def _heard(master: int, began: float, seconds: float) -> Iterator[tuple[float, str]]:
    deadline = time.monotonic() + seconds
    left = b""
    while (wait := deadline - time.monotonic()) > 0:
        if not select.select([master], [], [], wait)[0]:
            return
        try:
            heard = left + os.read(master, 1 << 16)
        except OSError:
            return
        text = heard.decode(errors="ignore")
        left = heard[len(text.encode()) :]
        yield time.monotonic() - began, text


async def frames() -> list[str]:
    """The places of the walk, each as a picture."""
    pictures = []
    for keys in FRAMES:
        backend = Backend(
            node=DemoNode(8, "nvidia"),
            converse=demo().converse,
            offers=demo().offers,
            mark="DEMO",
        )
        app = ApplianceApp(backend, glyphs=UNICODE)
        async with app.run_test(size=SIZE) as pilot:
            while app.snapshot.status is None:
                await pilot.pause(0.05)
            for key in keys:
                await pilot.press(key)
                await pilot.pause(0.2)
            await pilot.pause(4.0 if keys == ("4",) else 1.0)
            pictures.append(app.export_screenshot(title="appliance", simplify=True))
    return pictures


_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_FONT_FACE = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)
_UNIQUE = re.compile(r"terminal-\d+|terminal-[0-9a-f]+(?=-)")


def film(pictures: list[str]) -> str:
    """One SVG in which the pictures take turns; each keeps names of its own."""
    total = FRAME_S * len(pictures)
    share = 100 / len(pictures)
    turn = f"@keyframes turn{{0%,{share:.3f}%{{opacity:1}}{share + 0.01:.3f}%,100%{{opacity:0}}}}"
    shown = f".frame{{animation:turn {total}s infinite step-end}}"
    parts = []
    for number, picture in enumerate(pictures):
        named = _UNIQUE.sub(f"f{number}", picture)
        inner = named[named.index(">") + 1 : named.rindex("</svg>")]
        inner = _STYLE.sub(lambda m: f"<style>{_FONT_FACE.sub('', m[1])}</style>", inner)
        style = f"opacity:{int(number == 0)};animation-delay:{number * FRAME_S}s"
        parts.append(f'<g class="frame" style="{style}">{inner}</g>')
    head = re.match(r"<svg[^>]*>", pictures[0])
    opening = head[0] if head else "<svg xmlns='http://www.w3.org/2000/svg'>"
    return f"{opening}<style>{turn}{shown}</style>{''.join(parts)}</svg>\n"


def main() -> None:
    """Both files."""
    record(HERE / "session.cast")
    (HERE / "session.svg").write_text(film(asyncio.run(frames())), encoding="utf-8")


if __name__ == "__main__":
    main()
