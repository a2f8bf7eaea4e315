"""Questions and answers line by line: for consoles that cannot draw, and for screen readers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from appliance.core.errors import ApplianceError
from appliance.core.i18n import _
from appliance.tui import launch
from appliance.tui.drawing import clean

_PLAIN = str.maketrans(
    {"“": '"', "”": '"', "‘": "'", "’": "'", "…": "...", "–": "-", "—": "-", "×": "x", "°": " "}
)


class Lines:
    """Asks on `source`, tells on `target`. The end of the input raises `EOFError`."""

    def __init__(self, source: TextIO = sys.stdin, target: TextIO = sys.stdout) -> None:
        self._source = source
        self._target = target
        self.utf8 = launch.utf8(target)

    def tell(self, text: object = "") -> None:
        """One line, without anything that would move the cursor."""
        self.write(clean(str(text)) + "\n")

    def write(self, text: str) -> None:
        """A piece of a line."""
        self._target.write(text if self.utf8 else text.translate(_PLAIN))
        self._target.flush()

    def ask(self, question: str) -> str:
        """What was typed, without blanks around it."""
        self.write(question)
        line = self._source.readline()
        if not line:
            raise EOFError
        return line.strip()

    def yes(self, question: str) -> bool:
        """Anything but y is a no: the harmless answer wins."""
        return self.ask(f"{question} [y/N] ").lower() in ("y", "yes")

    def rows(self, texts: Sequence[object], first: int = 1) -> None:
        """A numbered list."""
        for number, text in enumerate(texts, first):
            self.tell(f"{number}  {text}")

    def number(self, answer: str, most: int, least: int = 1) -> int | None:
        """The number that was typed; says what may be typed where it is none."""
        if answer.isdecimal() and least <= int(answer) <= most:
            return int(answer)
        told = _("Type a number from {least} to {most}, then Enter.")
        self.tell(told.format(least=least, most=most))
        return None

    def fault(self, error: ApplianceError) -> None:
        """What went wrong, and what to do."""
        self.tell(_("error: {what}").format(what=error))
        if str(error.hint):
            self.tell(_("hint: {hint}").format(hint=error.hint))
