"""Every screen as text, held against the pictures in `pictures/`.

`UPDATE_PICTURES=1 pytest tests/unit/tui/test_tui_pictures.py` draws them afresh; look at the diff.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from gettext import NullTranslations
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from tui_fakes import MODEL, FakeNode, app_of, card, deployment, drawn, reading, shown, until

from appliance.core.i18n import use_default_language
from appliance.core.inventory import Problem
from appliance.node.wishes import Event
from appliance.tui.app import ApplianceApp
from appliance.tui.drawing import cells
from appliance.tui.glyphs import ASCII, UNICODE
from appliance.tui.views.models import offers

PICTURES = Path(__file__).parent / "pictures"
SIZES = [(80, 24), (120, 40)]
WALK: list[tuple[str, tuple[str, ...], str]] = [
    ("home", ("1",), "http://"),
    ("setup", ("2",), "Kunpeng"),
    ("cards", ("3",), "210/350 W"),
    ("card", ("3", "enter"), "0000:0"),
    ("services", ("escape", "5"), f"{MODEL}-0"),
    ("log", ("l",), "line 29"),
    ("health", ("escape", "7"), "DAEMON-START"),
    ("help", ("question_mark",), "$ appliance"),
    ("palette", ("escape", "colon"), "1 "),
    ("confirm", ("escape", "1", "S"), "(y)"),
    ("chat", ("escape", "6", "h", "i", "enter"), "number 1."),
]


@pytest.fixture(autouse=True)
def _greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def once(node: FakeNode) -> FakeNode:
    """However often it is asked, it has sampled once: one column in every graph."""
    node.sampled_at = datetime.now(UTC).isoformat()
    return node


async def hold(pilot: Pilot[int]) -> None:
    """No more pictures, also none that is on its way, and this one does not grow old."""
    app = pilot.app
    assert isinstance(app, ApplianceApp)
    app.feed.stop()
    await until(pilot, lambda: "feed" not in {thread.name for thread in threading.enumerate()})
    await pilot.pause()
    app.snapshot = replace(app.snapshot, stale_after_s=1e9)


async def hold_whole(pilot: Pilot[int]) -> None:
    """As `hold`, once the board's graphs are there."""
    app = pilot.app
    assert isinstance(app, ApplianceApp)
    await until(pilot, lambda: app.snapshot.history is not None)
    await hold(pilot)


class WideWords(NullTranslations):
    """A language as wide as Chinese that no translator changes: each word is two characters."""

    def gettext(self, message: str) -> str:
        return re.sub(r"(\{[^}]*\})|[A-Za-z']+", lambda match: match[1] or "中文", message)


def check(name: str, lines: list[str]) -> None:
    path = PICTURES / f"{name}.txt"
    text = "\n".join(lines) + "\n"
    if os.environ.get("UPDATE_PICTURES"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path.name} is drawn differently"


def worst() -> FakeNode:
    """A lost card, a hot one, one without driver, an engine that died."""
    node = FakeNode(cards=20)
    node.cards[4] = card(4, state="lost")
    node.cards[7] = card(7, state="no_driver")
    node.readings[9] = reading(9, temp_c=93.0, throttle=["thermal"], health="warning")
    node.readings[11] = reading(11, util_pct=None, temp_c=None, power_w=None)
    node.problems = [
        Problem(
            code="CARD-NO-DRIVER",
            severity="fail",
            card="GPU-0007",
            text="the card is on the bus, no driver answers for it",
            advice="install the vendor's driver",
        )
    ]
    node.deployments = [
        deployment(),
        deployment("embedder", state="failed", reason="out of memory", endpoint=None),
    ]
    node.happened.append(
        Event(
            number=2,
            time="2025-03-04T05:16:07Z",
            severity="fail",
            code="ENGINE-DEAD",
            subject="embedder-0",
            text="the engine ended with signal 9",
        )
    )
    return node


@pytest.mark.parametrize("language", ["en", "wide"])
@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_every_screen_is_drawn_as_it_was(
    size: tuple[int, int], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if language == "wide":
        monkeypatch.setattr("appliance.core.i18n._translations", lambda language: WideWords())
        use_default_language("zh")
    app = app_of(once(FakeNode()), glyphs=UNICODE if size[0] > 80 else ASCII)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: MODEL in shown(app))
        await hold_whole(pilot)
        await pilot.pause(0.05)
        for name, keys, landmark in WALK:
            await pilot.press(*keys)
            await until(pilot, lambda mark=landmark: mark in shown(app))  # type: ignore[misc]
            await pilot.pause()
            lines = drawn(app)
            assert max(map(cells, lines)) <= size[0]
            check(f"{name}-{size[0]}x{size[1]}-{language}", lines)


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_chinese_fits_every_screen(size: tuple[int, int]) -> None:
    use_default_language("zh")
    app = app_of(once(worst()))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: MODEL in shown(app))
        await hold_whole(pilot)
        for name, keys, landmark in WALK:
            await pilot.press(*keys)
            await until(pilot, lambda mark=landmark: mark in shown(app))  # type: ignore[misc]
            lines = drawn(app)
            assert max(map(cells, lines)) <= size[0], name
            assert any("\u4e00" <= mark <= "\u9fff" for mark in lines[0] + lines[-1]), name


def empty() -> FakeNode:
    node = FakeNode(cards=1)
    node.deployments = []
    node.readings = []
    node.happened = []
    return node


STATES: dict[str, tuple[Callable[[], FakeNode], dict[str, Any], tuple[str, ...], str]] = {
    "worst": (worst, {}, (), "FAIL"),
    "empty": (empty, {}, (), "Nothing is served yet"),
    "paused": (FakeNode, {}, ("p",), "PAUSED"),
    "readonly": (FakeNode, {"readonly": True}, (), "READ-ONLY"),
    "demo": (FakeNode, {"mark": "DEMO"}, (), "DEMO"),
}


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
@pytest.mark.parametrize("state", STATES)
async def test_the_board_in_every_state(state: str, size: tuple[int, int]) -> None:
    make, options, keys, landmark = STATES[state]
    app = app_of(once(make()), **options)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.snapshot.status is not None)
        await hold_whole(pilot)
        await pilot.press(*keys)
        await until(pilot, lambda: landmark in shown(app))
        await pilot.pause()
        check(f"board-{state}-{size[0]}x{size[1]}", drawn(app))


async def test_a_dead_daemon_has_a_picture_without_numbers() -> None:
    node = once(FakeNode())
    app = app_of(node)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.snapshot.status is not None)
        node.go_silent()
        await until(pilot, lambda: "not answered for 00:0" in shown(app))
        lines = [re.sub(r"for 00:0\d", "for 00:00", line) for line in drawn(app)]
        check("board-dead-80x24", lines)


@pytest.fixture
async def models() -> AsyncIterator[tuple[ApplianceApp, Pilot[int]]]:
    from appliance.core.plan import CardMemory, Choice, Memory, Rejection, Speed
    from appliance.ops.models import ModelRow
    from appliance.planner.survey import Verdict

    rows = [
        ModelRow(id="small:q4_k_m", title="Small", format="gguf", bytes=10**9, stored=True),
        ModelRow(id="large:q8_0", title="Large", format="gguf", bytes=10**12, stored=False),
    ]
    card_memory = CardMemory(
        id="GPU-0000",
        weights_mib=900,
        kv_mib=300,
        compute_mib=200,
        overhead_mib=100,
        total_mib=1500,
        available_mib=46068,
    )
    choice = Choice(
        model="small",
        variant="small:q4_k_m",
        engine="llama.cpp",
        recipe="llamacpp-cuda",
        cards=["GPU-0000"],
        context=8192,
        slots=4,
        fits=True,
        memory=Memory(per_card=[card_memory], host_mib=300, method="engine"),
        speed=Speed(decode_tps_one=120.0, decode_tps_all=400.0),
        why=["fits on one card"],
    )
    rejection = Rejection(
        variant="large:q8_0",
        engine="llama.cpp",
        code="TOO-LARGE",
        reason="needs 980 GiB, there are 180 GiB",
        advice="take a smaller quantization",
    )
    verdicts = {
        "small:q4_k_m": Verdict(rank=0, choice=choice, meets_wish=True),
        "large:q8_0": Verdict(rank=1, rejection=rejection),
    }
    app = app_of(once(FakeNode()), offers=lambda inventory: offers(rows, verdicts))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.snapshot.status is not None)
        await hold_whole(pilot)
        yield app, pilot


async def test_models_show_what_fits_and_why_not(models: tuple[ApplianceApp, Pilot[int]]) -> None:
    app, pilot = models
    await pilot.press("4")
    await until(pilot, lambda: "small:q4_k_m" in shown(app))
    await pilot.pause()
    check("models-80x24-en", drawn(app))
    await pilot.press("down")
    await until(pilot, lambda: "needs 980 GiB, there are 180 GiB" in shown(app))
    assert "take a smaller quantization" in shown(app)
