"""The log of an engine: follow, filter, save."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from textual.widget import Widget

from appliance.core.errors import ApplianceError
from appliance.core.i18n import _
from appliance.tui.backend import Node
from appliance.tui.drawing import Line, Span, clean, section, wrap
from appliance.tui.messages import Read
from appliance.tui.screens.dialogs import Ask
from appliance.tui.screens.place import Place
from appliance.tui.widgets import Canvas, Reader

LINES_KEPT = 5000
_BATCH_S = 0.25
_readers = count(1)


class LogScreen(Place):
    """The newest lines first seen at the end; going up stops following."""

    place = "logs"
    tab = "services"

    def __init__(self, deployment: str) -> None:
        super().__init__()
        self.deployment = deployment
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.filtered = ""
        self.error: ApplianceError | None = None
        self._reader = next(_readers)
        self._left = threading.Event()
        self._wrapped: tuple[int, list[Line]] | None = None

    def body(self) -> Iterator[Widget]:
        """A line that says what is shown, then the log."""
        yield Canvas(self._heading, id="heading", classes="line body")
        yield Reader(self._log, id="log")

    def on_mount(self) -> None:
        """Begin to read."""
        reader = self.query_one(Reader)
        reader.follows = True
        reader.focus()
        self.watch(reader, "scroll_y", self._scrolled, init=False)
        threading.Thread(target=self._read, args=(self.appliance.node,), daemon=True).start()

    def on_unmount(self) -> None:
        """The thread ends with the next line."""
        self._left.set()

    def _read(self, node: Node) -> None:
        batch = Batch(lambda lines: self.post_message(Read(self._reader, lines)))
        error = None
        try:
            for line in node.follow_logs(self.deployment, 500):
                if self._left.is_set():
                    return
                batch.add(line)
        except ApplianceError as fault:
            error = fault
        batch.flush()
        self.post_message(Read(self._reader, (), error))

    def on_read(self, message: Read) -> None:
        """Keep the lines, draw the end."""
        if message.reader != self._reader:
            return
        self.lines.extend(clean(line) for line in message.lines)
        self._wrapped = None
        self.error = message.error or self.error
        self.redraw()

    def _scrolled(self) -> None:
        reader = self.query_one(Reader)
        at_end = reader.scroll_offset.y >= reader.max_scroll_y
        if at_end != reader.follows:
            reader.follows = at_end
            self.query_one("#heading", Canvas).redraw()

    def _heading(self, width: int, height: int) -> list[Line]:
        following = self.query_one(Reader).follows
        notes = [_("following") if following else _("held; f follows")]
        if self.filtered:
            notes.append(_("contains: {text}").format(text=self.filtered))
        return [section(self.deployment, width, self.appliance.glyphs, ", ".join(notes))]

    def _log(self, width: int, height: int) -> list[Line]:
        if self._wrapped is None or self._wrapped[0] != width:
            self._wrapped = (width, self._wrap(width))
        return self._wrapped[1]

    def _wrap(self, width: int) -> list[Line]:
        lines: list[Line] = []
        for line in self.shown():
            lines += [(Span(text, _style(line)),) for text in wrap(line, width)]
        if self.error:
            lines.append((Span(str(self.error), "fail"),))
        return lines or [(Span(_("nothing yet"), "dim"),)]

    def shown(self) -> list[str]:
        """The lines that pass the filter."""
        wanted = self.filtered.removeprefix("!").lower()
        inverse = self.filtered.startswith("!")
        return [line for line in self.lines if not wanted or (wanted in line.lower()) != inverse]

    def do_follow(self) -> None:
        """To the end and stay there, or hold."""
        reader = self.query_one(Reader)
        reader.follows = not reader.follows
        self.redraw()

    def do_filter(self) -> None:
        """Ask for a text."""
        self.app.push_screen(Ask(self.filtered), self._filter)

    def _filter(self, text: str | None) -> None:
        if text is not None:
            self.filtered = text
            self._wrapped = None
            self.redraw()

    def do_save(self) -> None:
        """Write what is shown to the current directory."""
        self.appliance.save(Path(f"{self.deployment}.log"), "\n".join(self.shown()) + "\n")

    def text(self) -> str:
        """What copying gives."""
        return "\n".join(self.shown()[-200:])


class Batch:
    """Collects lines and passes them on four times a second, so that a flood costs few pictures."""

    def __init__(self, tell: Callable[[tuple[str, ...]], object]) -> None:
        self._tell = tell
        self._lines: list[str] = []
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        """One more."""
        with self._lock:
            self._lines.append(line)
            if self._timer is None:
                self._timer = threading.Timer(_BATCH_S, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Pass on what there is."""
        with self._lock:
            lines, self._lines, self._timer = tuple(self._lines), [], None
        if lines:
            self._tell(lines)


def _style(line: str) -> str:
    low = line[:200].lower()
    if "error" in low or "fatal" in low or "failed" in low:
        return "fail"
    return "warn" if "warn" in low else ""
