"""The screens of cards in every state, held against `pictures/cards-*.txt`.

`UPDATE_PICTURES=1 pytest tests/unit/tui/test_tui_cards_pictures.py` draws them afresh. A frame ends
with a short digest of its styles in two themes; of the states that differ little from the normal
one only the lines are kept that do. `wide` is a language as wide as Chinese that no
translator changes.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from test_tui_pictures import WideWords
from tui_fakes import drawn, shown, until

from appliance.core.i18n import use_default_language
from appliance.tui.app import ApplianceApp
from appliance.tui.backend import Backend
from appliance.tui.demo import DemoNode, demo
from appliance.tui.drawing import cells
from appliance.tui.feed import Feed
from appliance.tui.glyphs import ASCII, UNICODE

PICTURES = Path(__file__).parent / "pictures"
SIZES = [(80, 24), (120, 40)]
THEMES = ("dark", "ansi")
NOON = 1_750_161_600.0
HELD = "node-07/nvidia2"


def worst() -> DemoNode:
    """Twenty servers with 160 cards: one lost, one hot, one silent, one held."""
    node = DemoNode(8, "mixed", nodes=20, clock=lambda: NOON)
    node.hold_card(HELD, "fan is being replaced")
    return node


def well() -> DemoNode:
    return DemoNode(8, "ascend", trouble=False, clock=lambda: NOON)


STATES: dict[str, tuple[Callable[[], DemoNode], dict[str, Any], bool]] = {
    "normal": (well, {}, False),
    "worst": (worst, {}, False),
    "empty": (lambda: DemoNode(0, clock=lambda: NOON), {}, False),
    "paused": (well, {}, True),
    "readonly": (well, {"readonly": True}, False),
}
WALK = {"list": ("3",), "card": ("3", "down", "down", "w", "enter")}


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Greenwich, and no picture grows old."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(ApplianceApp, "_age", lambda app: None)


def styles(app: ApplianceApp) -> str:
    """A digest of everything on the screen but its text."""
    strips = app.screen._compositor.render_strips()
    told = [str(segment.style) + str(len(segment.text)) for strip in strips for segment in strip]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]


async def frame(
    node: DemoNode, size: tuple[int, int], keys: tuple[str, ...], *, pause: bool, **options: Any
) -> tuple[list[str], str]:
    backend = Backend(node=node, converse=demo().converse, mark="DEMO")
    app = ApplianceApp(backend, glyphs=UNICODE if size[0] > 80 else ASCII, **options)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.snapshot.status is not None)
        app.feed.stop()
        await pilot.press(*keys)
        await pilot.pause()
        still = Feed(node, lambda snapshot: None)
        still.care_for(app.feed._interest)
        app.snapshot = replace(still.look(), taken=datetime.fromtimestamp(NOON, UTC))
        app.topology = node.topology()
        app.paused = pause
        app.redraw()
        await until(pilot, lambda: "not known" not in shown(app))
        await pilot.pause(0.05)
        return drawn(app), styles(app)


@pytest.mark.parametrize("language", ["en", "wide"])
@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
@pytest.mark.parametrize(
    ("screen", "state"),
    [
        (screen, state)
        for screen in WALK
        for state in STATES
        if (screen, state) != ("card", "empty")
    ],
)
async def test_cards_are_drawn_as_they_were(
    screen: str, state: str, size: tuple[int, int], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if language == "wide":
        monkeypatch.setattr("appliance.core.i18n._translations", lambda language: WideWords())
        use_default_language("zh")
    make, options, pause = STATES[state]
    found = [
        await frame(make(), size, WALK[screen], pause=pause, theme=theme, **options)
        for theme in THEMES
    ]
    lines = found[0][0]

    assert all(text == lines for text, _digest in found)
    assert max(map(cells, lines)) <= size[0]
    if state in ("paused", "readonly"):
        normal = frames(PICTURES / f"cards-{screen}-normal.txt").get(
            f"{size[0]}x{size[1]} {language}"
        )
        lines = [line for line in lines if line not in (normal or ())]
    digests = ", ".join(f"{t} {digest}" for t, (_l, digest) in zip(THEMES, found, strict=True))
    check(f"cards-{screen}-{state}", f"{size[0]}x{size[1]} {language}", [*lines, digests])


def check(file: str, name: str, lines: list[str]) -> None:
    """Hold a frame against the one of this name in a file of several."""
    path = PICTURES / f"{file}.txt"
    known = frames(path)
    if os.environ.get("UPDATE_PICTURES"):
        known[name] = lines
        path.write_text(
            "".join(f"==== {n}\n" + "\n".join(known[n]) + "\n" for n in sorted(known)),
            encoding="utf-8",
        )
    assert known.get(name) == lines, f"{name} of {path.name} is drawn differently"


def frames(path: Path) -> dict[str, list[str]]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    parts = [part.split("\n") for part in text.split("==== ")[1:]]
    return {part[0]: part[1:-1] for part in parts}


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
@pytest.mark.parametrize("state", STATES)
async def test_chinese_fits_the_cards(state: str, size: tuple[int, int]) -> None:
    use_default_language("zh")
    make, options, pause = STATES[state]
    for keys in WALK.values():
        lines, _digest = await frame(make(), size, keys, pause=pause, **options)
        assert max(map(cells, lines)) <= size[0]
        assert any("\u4e00" <= mark <= "\u9fff" for mark in lines[0] + lines[-1])
