"""Which front end this terminal can bear, decided before anything that draws is imported."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Mapping
from typing import Literal, Protocol

Mode = Literal["rich", "basic", "plain"]
LEAST_COLUMNS = 70
LEAST_ROWS = 20
_WEAK = ("", "dumb", "unknown")
_SERIAL_TERMS = ("vt100", "vt102", "vt220")
_SERIAL_LINES = re.compile(r"/dev/(?:ttyS|ttyAMA|hvc|ttyUSB|ttysclp)\d+")


class Stream(Protocol):
    """What we need to know of stdin, stdout and stderr."""

    def isatty(self) -> bool: ...  # noqa: D102

    def fileno(self) -> int: ...  # noqa: D102


def mode(
    environ: Mapping[str, str],
    streams: tuple[Stream, Stream, Stream],
    size: tuple[int, int],
) -> Mode:
    """`plain` without a terminal, `basic` on one that cannot hold screens, else `rich`.

    `streams` are stdin, stdout and stderr; `size` is (columns, rows). `ACCESSIBLE` asks for the
    line prompts, which screen readers can follow.
    """
    if environ.get("CI") or not all(stream.isatty() for stream in streams):
        return "plain"
    columns, rows = size
    weak = environ.get("TERM", "") in (*_WEAK, *_SERIAL_TERMS)
    small = columns < LEAST_COLUMNS or rows < LEAST_ROWS
    asked = environ.get("ACCESSIBLE", "") not in ("", "0")
    if weak or small or asked or not utf8(streams[2]) or on_serial_line(streams[0]):
        return "basic"
    return "rich"


def on_serial_line(stream: Stream) -> bool:
    """Whether the terminal is a serial or hypervisor console."""
    try:
        return bool(_SERIAL_LINES.fullmatch(os.ttyname(stream.fileno())))
    except OSError:
        return False


def utf8(stream: object) -> bool:
    """Whether Chinese can be written to `stream`."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        return codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        return False


def language(environ: Mapping[str, str], wanted: str) -> str:
    """The Linux console has no Chinese characters; everywhere else the operator's wish holds."""
    return "en" if environ.get("TERM") == "linux" else wanted


def theme(environ: Mapping[str, str]) -> str:
    """Sixteen colours where no more are promised, or none are wanted."""
    if environ.get("NO_COLOR"):
        return "ansi"
    rich_colours = environ.get("COLORTERM", "") in ("truecolor", "24bit")
    return "dark" if rich_colours or "256color" in environ.get("TERM", "") else "ansi"
