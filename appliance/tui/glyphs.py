"""The marks we draw with: plain ASCII, or Unicode where the terminal draws it one cell wide.

Bars, boxes, arrows and the degree sign are of East Asian *ambiguous* width: many terminals of our
users draw them two cells wide, which breaks every column. So ASCII is what we start from, and
Unicode is used where the terminal was asked and answered (see `launch.glyphs`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Glyphs:
    """One set of marks; every mark is one cell wide, but for `degree`."""

    name: str
    full: str
    half: str
    track: str
    rule: str
    ok: str
    warn: str
    fail: str
    unknown: str
    moving: str
    idle: str
    ellipsis: str
    degree: str
    cursor: str
    folded: str
    unfolded: str
    side: str
    levels: str
    """Empty to full, for graphs: the steps within one cell."""


ASCII = Glyphs(
    name="ascii",
    full="#",
    half="",
    track="-",
    rule="-",
    ok="+",
    warn="!",
    fail="x",
    unknown="?",
    moving="~",
    idle="o",
    ellipsis="~",
    degree=" C",
    cursor=">",
    folded="+",
    unfolded="-",
    side="|",
    levels=" .:|",
)
UNICODE = Glyphs(
    name="unicode",
    full="━",
    half="╸",
    track="─",
    rule="─",
    ok="✓",
    warn="▲",
    fail="✗",
    unknown="?",
    moving="◐",
    idle="○",
    ellipsis="…",
    degree="°C",
    cursor="›",
    folded="▸",
    unfolded="▾",
    side="│",
    levels=" ▁▂▃▄▅▆▇█",
)
SETS = {"ascii": ASCII, "unicode": UNICODE}
