"""Asking one tool several questions, and putting its answers together to one report."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from appliance.core.sample import Pcie
from appliance.hardware.vendors.base import ABSENT, Ask, Reading, Report, ToolAnswer
from appliance.hardware.vendors.parse import first_line

_EXTRAS_S = 1.0
"""Seconds of a live look that go into questions whose answers only round a reading off."""

_NO_DRIVER = re.compile(
    r"driver not (?:loaded|initialized)|driver is not loaded|not found in modules"
    r"|(?:failed|unable|cannot|can't) to (?:load|open|communicate|connect)[^\n]{0,40} driver"
    r"|level zero initiali[sz]ation error|no such device or driver",
    re.IGNORECASE,
)


class Inquiry:
    """The questions to one tool, in the order of asking, and what came back."""

    def __init__(self, ask: Ask, *, no_driver: str | None = None) -> None:
        """`no_driver` is a pattern of the vendor's own words for "the driver does not answer"."""
        self._ask = ask
        self._answers: list[ToolAnswer] = []
        self._own_no_driver = re.compile(no_driver, re.IGNORECASE) if no_driver else None
        self._spent_s = 0.0

    def __call__(self, *argv: str) -> str:
        """What `argv` printed on stdout; empty when there is no such tool, question or answer."""
        return self.at_once(argv)[0]

    def at_once(self, *questions: Sequence[str]) -> list[str]:
        """What each of several questions printed; asked in parallel, as tools start slowly."""
        started = time.monotonic()
        if len(questions) == 1:
            answers = [self._ask(*questions[0])]
        else:
            with ThreadPoolExecutor(len(questions)) as pool:
                answers = list(pool.map(lambda argv: self._ask(*argv), questions))
        self._spent_s += time.monotonic() - started
        self._answers += [answer for answer in answers if answer is not None]
        return ["" if answer is None else _whole(answer.stdout) for answer in answers]

    def besides(self, *argv: str) -> str:
        """As a call, but not asked any more once a live look has taken its time."""
        return self(*argv) if self._spent_s < _EXTRAS_S else ""

    @property
    def answered(self) -> bool:
        """Whether any question found a tool to answer it, well or not."""
        return bool(self._answers)

    @property
    def pace_s(self) -> float:
        """Seconds that an answer took on average, so far."""
        return self._spent_s / max(1, len(self._answers))

    def report(self, readings: list[Reading], *, lost: list[str] | None = None) -> Report:
        """The readings; or why there are none, in the tool's own words."""
        if readings or lost:
            return Report(answer="ok", readings=readings, lost=lost or [])
        if not self._answers:
            return ABSENT
        worst = next((a for a in self._answers if a.exit is None), self._answers[0])
        words = first_line(worst.stderr, worst.stdout)
        if any(self._says_no_driver(answer) for answer in self._answers):
            return Report(answer="no_driver", message=words)
        if worst.exit != 0:
            return Report(answer="no_answer", message=words)
        return Report(answer="ok", message=words)

    def _says_no_driver(self, answer: ToolAnswer) -> bool:
        words = f"{answer.stdout}\n{answer.stderr}"
        own = self._own_no_driver is not None and self._own_no_driver.search(words) is not None
        return own or _NO_DRIVER.search(words) is not None


_BARE_NUMBER_AT_END = re.compile(r"(?<![^\s,:/])[\d.]+[ \t]*\Z")


def _whole(text: str) -> str:
    """`text` without what may be the half of something: an answer can stop within a line.

    A table's row without its last bar goes; a bare number at the end may be the first digits of
    another one.
    """
    lines, newline, last = text.rpartition("\n")
    if last.lstrip().startswith("|") and not last.rstrip().endswith("|"):
        return lines + newline
    return _BARE_NUMBER_AT_END.sub("N/A", text)


def fill(reading: Reading, *others: Reading | None) -> Reading:
    """`reading`, with what it does not know taken from the first of `others` that does."""
    for other in others:
        if other is not None:
            missing = {
                name: value
                for name in Reading.__struct_fields__
                if getattr(reading, name) is None and (value := getattr(other, name)) is not None
            }
            reading = msgspec.structs.replace(reading, **missing, **_combined(reading, other))
    return reading


def _combined(reading: Reading, other: Reading) -> dict[str, Any]:
    """The fields that both may know a part of."""
    return {
        "links": reading.links or other.links,
        "notes": list(dict.fromkeys([*reading.notes, *other.notes])),
        **({"pcie": _fill_pcie(reading.pcie, other.pcie)} if reading.pcie else {}),
    }


def _fill_pcie(pcie: Pcie | None, other: Pcie | None) -> Pcie | None:
    if pcie is None or other is None:
        return pcie or other
    known = {name: value for name in Pcie.__struct_fields__ if (value := getattr(pcie, name))}
    return msgspec.structs.replace(other, **known)


def merged(readings: Iterable[tuple[int, Reading]]) -> dict[int, Reading]:
    """Readings of the same device put together, first ones first, in the order they appear."""
    devices: dict[int, Reading] = {}
    for key, reading in readings:
        devices[key] = fill(devices[key], reading) if key in devices else reading
    return devices


_GEN_OF_SPEED = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}


def pcie_generation(gigatransfers: float | None) -> int | None:
    """The PCIe generation of a link speed in GT/s; `None` for a speed no generation has."""
    return None if gigatransfers is None else _GEN_OF_SPEED.get(gigatransfers)
