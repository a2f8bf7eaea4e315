"""Every page of the wizard as text, held against the pictures in `pictures/`.

`UPDATE_PICTURES=1 pytest tests/unit/tui/test_tui_setup_pictures.py` draws them afresh; look at the
diff.
"""

from __future__ import annotations

from typing import Any

import pytest
from setup_fakes import FakeSetup
from test_tui_pictures import SIZES, WideWords, check, hold, once
from tui_fakes import FakeNode, app_of, drawn, shown, until

from appliance.core.i18n import use_default_language
from appliance.tui.app import ApplianceApp
from appliance.tui.drawing import cells
from appliance.tui.glyphs import ASCII, UNICODE

WALK: list[tuple[str, tuple[str, ...], str]] = [
    ("language", (), "appliance setup"),
    ("found", ("enter",), "ModelScope"),
    ("people", ("enter", "right"), "--users 8"),
    ("choice", ("enter", "down"), "12.1 GB"),
    ("source", ("enter",), "/media/usb"),
    ("access", ("enter",), "8480"),
    ("summary", ("enter",), "--answers answers.toml --yes"),
    ("confirm", ("A",), "(y)"),
    ("done", ("y",), "sk-secret"),
]
PHASES = ("detect", "plan", "fetch", "load", "prove")
UP = {
    "schema": "appliance.up/1",
    "deployment": "deepseek-r1-distill-qwen-14b",
    "endpoint": "http://127.0.0.1:8480/v1",
    "key": "sk-secret",
    "proof": {
        "prompt": "What is a stent?",
        "answer": "A small mesh tube that holds an artery open.",
        "first_token_s": 0.21,
        "decode_tps": 38.4,
    },
}


def node() -> FakeNode:
    node = once(FakeNode())
    node.deployments = []
    node.job = [
        *({"schema": "appliance.phase/1", "phase": p, "done": True, "text": p} for p in PHASES),
        UP,
    ]
    return node


def styles(app: ApplianceApp) -> list[list[str]]:
    """The colours of the screen in front."""
    strips = app.screen._compositor.render_strips()
    return [[str(segment.style) for segment in strip] for strip in strips]


@pytest.mark.parametrize("theme", ["dark", "ansi"])
@pytest.mark.parametrize("language", ["en", "wide"])
@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_every_page_is_drawn_as_it_was(
    size: tuple[int, int], language: str, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if language == "wide":
        monkeypatch.setattr("appliance.core.i18n._translations", lambda language: WideWords())
        use_default_language("zh")
    glyphs = UNICODE if theme == "dark" else ASCII
    app = app_of(node(), setup=FakeSetup(), place="setup", glyphs=glyphs, theme=theme)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.snapshot.status is not None)
        await hold(pilot)
        if language == "wide":
            await pilot.press("down")
        for name, keys, landmark in WALK:
            await pilot.press(*keys)
            await until(pilot, lambda mark=landmark: mark in shown(app))  # type: ignore[misc]
            await pilot.pause(0.4)
            await hold(pilot)
            app.redraw()
            await pilot.pause()
            lines = drawn(app)
            assert max(map(cells, lines)) <= size[0]
            assert any("rgb" in s or "#" in s for line in styles(app) for s in line) == (
                theme == "dark"
            )
            check(f"setup-{name}-{size[0]}x{size[1]}-{language}-{theme}", lines)


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_chinese_fits_every_page_without_scrolling(size: tuple[int, int]) -> None:
    use_default_language("zh")
    app = app_of(node(), setup=FakeSetup(), place="setup")
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.snapshot.status is not None)
        await hold(pilot)
        await pilot.press("down")
        for name, keys, landmark in WALK[:7]:
            await pilot.press(*keys)
            await until(pilot, lambda mark=landmark: mark in shown(app))  # type: ignore[misc]
            lines = drawn(app)
            page: Any = app.screen.query_one("#page")
            assert max(map(cells, lines)) <= size[0], name
            assert page.virtual_size.height <= page.size.height, name
            assert any("\u4e00" <= mark <= "\u9fff" for mark in lines[2] + lines[3]), name
