"""What a tool would print, for readers under test; and ways to spoil it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import strategies as st

from appliance.hardware.runner import ReplayRunner
from appliance.hardware.vendors.base import Ask, Reading, Report, ToolAnswer, Vendor

CAPTURES = Path(__file__).parents[4] / "shared" / "captures"
needs_captures = pytest.mark.skipif(not CAPTURES.exists(), reason="needs ../shared")

UNREADABLE = ("N/A", "[N/A]", "NA", "-", "ERR!", "[Unknown Error]", "[Not Supported]", "")


def asking(answers: dict[str, str], **files: str) -> Ask:
    """Answers by command line; all else is not installed. `files` are left by every command."""

    def ask(*argv: str) -> ToolAnswer | None:
        text = answers.get(" ".join(argv))
        return None if text is None else ToolAnswer(argv=argv, exit=0, stdout=text, files=files)

    return ask


def failing(program: str, *, stderr: str, exit_status: int | None = 1) -> Ask:
    """A tool that says the same about everything."""

    def ask(*argv: str) -> ToolAnswer | None:
        if argv[0] != program:
            return None
        return ToolAnswer(argv=argv, exit=exit_status, stdout="", stderr=stderr)

    return ask


def read(vendor: Vendor, answers: dict[str, str]) -> list[Reading]:
    report = vendor.read_tool(asking(answers), None)
    assert report.answer == "ok"
    return report.readings


def read_spoiled(vendor: Vendor, answers: dict[str, str]) -> list[Reading]:
    """As `read`, of output that may no longer be told from that of a broken driver."""
    return vendor.read_tool(asking(answers), None).readings


def replay(vendor: Vendor, capture: str) -> list[Reading]:
    report: Report = vendor.read_tool(ReplayRunner(CAPTURES / vendor.name / capture).ask, None)
    assert report.answer == "ok"
    return report.readings


_CHARACTERS = st.characters(max_codepoint=0x3000, exclude_characters="KMGTkmgt.")
"""No other unit, no decimal point: those would make another value that is readable."""


@st.composite
def spoiled(draw: st.DrawFn, text: str) -> str:
    """`text` with bytes changed, lines shuffled, lost or joined, or its end cut off."""
    how = draw(st.sampled_from(("bytes", "cut", "shuffle", "drop", "join", "blanks")))
    if how == "cut":
        return text[: draw(st.integers(0, len(text)))]
    if how == "bytes":
        for _ in range(draw(st.integers(1, 6))):
            at = draw(st.integers(0, max(0, len(text) - 1)))
            text = text[:at] + draw(_CHARACTERS) + text[at + 1 :]
        return text
    return "\n".join(_lines(text.splitlines(), how, random.Random(draw(st.integers()))))


def _lines(lines: list[str], how: str, rng: random.Random) -> list[str]:
    if how == "shuffle":
        rng.shuffle(lines)
    elif how == "drop":
        lines = [line for line in lines if rng.random() < 0.8]
    elif how == "join":
        lines = [line + (rng.choice(lines) if rng.random() < 0.2 else "") for line in lines]
    else:
        lines = [" ".join(line.split()) for line in lines]
    return lines


_NUMBERS = (
    "memory_mib",
    "memory_used_mib",
    "util_pct",
    "temp_c",
    "temp_memory_c",
    "power_w",
    "power_limit_w",
    "clock_mhz",
    "fan_pct",
)


def assert_printed(cards: list[Reading], text: str) -> None:
    """Every number of the readings stands in what the tool printed; none is invented."""
    for card in cards:
        values = {name: getattr(card, name) for name in _NUMBERS}
        for name, value in values.items():
            assert value is None or f"{value:.10g}" in text, (name, value)
