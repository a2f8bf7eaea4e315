"""What changes the server from the screens: each asks first, and says how it ended."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from textual.pilot import Pilot
from tui_fakes import MODEL, FakeNode, app_of, shown, until

from appliance.core.errors import VerificationFailed
from appliance.core.progress import Cancel, OnProgress
from appliance.core.pull import Progress
from appliance.core.status import JobStatus
from appliance.ops.models import ModelRow
from appliance.tui.app import ApplianceApp
from appliance.tui.views.models import offers

SIZE = (120, 40)


class FakeShelf:
    """Remembers what it was asked; `fault` is raised by verify."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.in_use: set[str] = set()
        self.fault: VerificationFailed | None = None
        self.cancel: Cancel | None = None

    def verify(self, model: str, tell: OnProgress, cancel: Cancel) -> str:
        self.calls.append(("verify", model))
        self.cancel = cancel
        tell(Progress(phase="verify", file="small.gguf", done=1, total=2))
        if self.fault:
            raise self.fault
        return f"{model}: whole"

    def export(self, model: str, directory: Path, tell: OnProgress, cancel: Cancel) -> str:
        self.calls.append(("export", str(directory)))
        return "written"

    def take(self, place: Path, tell: OnProgress, cancel: Cancel) -> str:
        self.calls.append(("take", str(place)))
        return "taken"

    def remove(self, model: str, *, in_use: Collection[str]) -> str:
        self.calls.append(("remove", model))
        self.in_use = set(in_use)
        return "gone"


def row(model: str, *, stored: bool) -> ModelRow:
    return ModelRow(id=model, title=model, format="gguf", bytes=10**9, stored=stored)


def app_with(shelf: FakeShelf, node: FakeNode | None = None) -> ApplianceApp:
    rows = [row("small:q4_k_m", stored=True), row("other:q8_0", stored=False)]
    return app_of(node or FakeNode(), offers=lambda _: offers(rows, {}), shelf=shelf)


async def to_models(pilot: Pilot[int]) -> None:
    await pilot.press("4")
    await until(pilot, lambda: "small:q4_k_m" in shown(pilot.app))


async def test_a_model_is_verified_and_the_screen_says_so() -> None:
    shelf = FakeShelf()
    async with app_with(shelf).run_test(size=SIZE, notifications=True) as pilot:
        await to_models(pilot)
        await pilot.press("v")
        await until(pilot, lambda: "small:q4_k_m: whole" in shown(pilot.app))
        assert shelf.calls == [("verify", "small:q4_k_m")]


async def test_a_damaged_file_is_said_on_the_board_too() -> None:
    shelf = FakeShelf()
    shelf.fault = VerificationFailed("small.gguf is damaged at 4 MiB", hint="pull it again")
    async with app_with(shelf).run_test(size=SIZE, notifications=True) as pilot:
        await to_models(pilot)
        await pilot.press("v")
        await until(pilot, lambda: "damaged at 4 MiB" in shown(pilot.app))
        await pilot.press("1")
        assert "verify small:q4_k_m" in shown(pilot.app)


async def test_removing_asks_first_and_tells_what_is_served() -> None:
    shelf = FakeShelf()
    async with app_with(shelf).run_test(size=SIZE, notifications=True) as pilot:
        await to_models(pilot)
        await pilot.press("delete", "enter")
        assert shelf.calls == []
        await pilot.press("delete", "y")
        await until(pilot, lambda: shelf.calls == [("remove", "small:q4_k_m")])
        assert MODEL in shelf.in_use


@pytest.mark.parametrize(("key", "call"), [("E", "export"), ("I", "take")])
async def test_disks_are_named_by_hand(key: str, call: str) -> None:
    shelf = FakeShelf()
    async with app_with(shelf).run_test(size=SIZE, notifications=True) as pilot:
        await to_models(pilot)
        await pilot.press(key, *"/usb", "enter")
        await until(pilot, lambda: shelf.calls == [(call, "/usb")])


async def test_what_is_not_here_cannot_be_verified() -> None:
    shelf = FakeShelf()
    async with app_with(shelf).run_test(size=SIZE, notifications=True) as pilot:
        await to_models(pilot)
        await pilot.press("down", "v")
        await until(pilot, lambda: "other:q8_0 is not here yet" in shown(pilot.app))
        assert shelf.calls == []


def pull_job(state: str, waiting: str | None = None) -> JobStatus:
    return JobStatus(id="7", kind="pull", subject="far:q4_k_m", state=state,  # type: ignore[arg-type]
                     done=10**9, total=4 * 10**9, since="2025-03-04T05:06:07Z",
                     waiting=waiting)  # fmt: skip


async def test_a_fetch_that_another_terminal_began_is_shown_paused_and_ended() -> None:
    node = FakeNode()
    node.under_way = [pull_job("running")]
    async with app_of(node).run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: "fetch far:q4_k_m" in shown(pilot.app))
        assert "1.0 GB/4.0 GB" in shown(pilot.app)
        node.under_way = [pull_job("running", waiting="the hub does not answer")]
        await until(pilot, lambda: "waiting: the hub does not answer" in shown(pilot.app))
        await pilot.press("P")
        await until(pilot, lambda: ("pause", "7") in node.calls)
        node.under_way = [pull_job("paused")]
        await until(pilot, lambda: "paused" in shown(pilot.app))
        await pilot.press("P")
        await until(pilot, lambda: ("resume", "7") in node.calls)
        await pilot.press("X", "y")
        await until(pilot, lambda: ("cancel", "7") in node.calls)


async def test_another_number_of_people_is_planned_anew() -> None:
    node = FakeNode()
    async with app_of(node).run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("A", *["backspace"] * 4, *"lots", "enter")
        await until(pilot, lambda: "lots is no number of people" in shown(pilot.app))
        await pilot.press("A", *["backspace"] * 4, *"12", "enter")
        await until(pilot, lambda: "for 12 people?" in shown(pilot.app))
        await pilot.press("y")
        await until(pilot, lambda: node.asked("up"))
        assert node.wished.users == 12


async def test_tuning_shows_what_each_setting_gave() -> None:
    node = FakeNode()
    trial = {"schema": "appliance.trial/1", "settings": {"ubatch": "256"}, "decode_tps_one": 9.0,
             "decode_tps_all": 31.5, "first_token_s": 1.5, "seconds": 20.0}  # fmt: skip
    node.job = [
        {"schema": "appliance.job/1", "id": "j", "kind": "tune", "subject": MODEL,
         "state": "running", "since": "2025-03-04T05:06:07Z"},
        trial,
    ]  # fmt: skip
    node.job_goes_on.set()
    async with app_of(node).run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("M", "y")
        await until(pilot, lambda: node.asked("tune") == [MODEL])
        await pilot.press("1")
        await until(pilot, lambda: "ubatch=256: 31.5 tok/s together" in shown(pilot.app))


async def test_services_show_the_end_of_the_log_where_there_is_room() -> None:
    node = FakeNode()
    node.lines = [f"slot {number} done" for number in range(60)]
    async with app_of(node).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("5")
        await until(pilot, lambda: "slot 59 done" in shown(pilot.app))
        assert "slot 1 done" not in shown(pilot.app)
        node.lines.append("slot 60 done")
        await until(pilot, lambda: "slot 60 done" in shown(pilot.app))
