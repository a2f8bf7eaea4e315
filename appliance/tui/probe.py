"""Asks the terminal how wide it draws a mark of ambiguous width."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Mapping

from appliance.tui.glyphs import ASCII, SETS, UNICODE, Glyphs

_ANSWER = re.compile(rb"\x1b\[\d+;(\d+)R")
_PATIENCE_S = 0.4


def glyphs(environ: Mapping[str, str]) -> Glyphs:
    """`APPLIANCE_GLYPHS` where it is set; else Unicode where the terminal draws it narrow."""
    chosen = SETS.get(environ.get("APPLIANCE_GLYPHS", ""))
    if chosen:
        return chosen
    if environ.get("TERM") == "linux":
        return ASCII
    return UNICODE if mark_cells(UNICODE.full) == 1 else ASCII


def mark_cells(mark: str) -> int | None:
    """Prints `mark` at the left margin and reads where the cursor went; wipes it out again.

    `None` when the terminal does not say within 0.4 s.
    """
    try:
        source = sys.stdin.fileno()
        before = termios.tcgetattr(source)
    except (OSError, ValueError, termios.error):
        return None
    try:
        tty.setcbreak(source, termios.TCSANOW)
        sys.stderr.write(f"\r{mark}\x1b[6n")
        sys.stderr.flush()
        answer = _ANSWER.search(_read(source))
        return int(answer[1]) - 1 if answer else None
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
        termios.tcsetattr(source, termios.TCSANOW, before)


def _read(source: int) -> bytes:
    deadline = time.monotonic() + _PATIENCE_S
    heard = b""
    while (left := deadline - time.monotonic()) > 0 and not _ANSWER.search(heard):
        if not select.select([source], [], [], left)[0]:
            break
        heard += os.read(source, 64)
    return heard
