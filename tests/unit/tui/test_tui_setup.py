from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from setup_fakes import BALANCED, FASTEST, QUALITY, FakeSetup
from textual.pilot import Pilot
from tui_fakes import FakeNode, app_of, drawn, shown, until

from appliance.core.errors import DoesNotFit
from appliance.core.i18n import current_language
from appliance.core.status import JobState, JobStatus
from appliance.node.wishes import UpOptions
from appliance.ops.setup.answers import Answers
from appliance.ops.setup.draft import Draft
from appliance.ops.setup.options import PAGES
from appliance.tui.app import ApplianceApp
from appliance.tui.screens.dialogs import Ask, Confirm
from appliance.tui.screens.setup import SetupScreen
from appliance.tui.screens.setup_state import Wizard, answered, moved, turned, went

SIZE = (80, 24)
UP = {
    "schema": "appliance.up/1",
    "deployment": "deepseek-r1-distill-qwen-32b",
    "endpoint": "http://127.0.0.1:8480/v1",
    "key": "sk-secret",
    "proof": {
        "prompt": "What is a stent?",
        "answer": "A tube.",
        "first_token_s": 0.5,
        "decode_tps": 20.0,
    },
}


class Node(FakeNode):
    """Remembers the options of `up`, and tells of the jobs that a test puts in."""

    def __init__(self) -> None:
        super().__init__()
        self.deployments = []
        self.job = [UP]
        self.options: list[UpOptions] = []
        self.under_way: list[JobStatus] = []

    def up(self, options: UpOptions) -> Any:
        self.options.append(options)
        yield from super().up(options)

    def jobs(self) -> list[JobStatus]:
        return self.under_way


class Opened:
    """The wizard on a fake setup."""

    def __init__(self, pilot: Pilot[int], node: Node, setup: FakeSetup) -> None:
        self.pilot = pilot
        self.node = node
        self.setup = setup

    @property
    def app(self) -> ApplianceApp:
        app = self.pilot.app
        assert isinstance(app, ApplianceApp)
        return app

    @property
    def wizard(self) -> Wizard:
        for screen in self.app.screen_stack:
            if isinstance(screen, SetupScreen):
                return screen.wizard
        raise AssertionError(shown(self.app))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def sees(self, text: str) -> None:
        await until(self.pilot, lambda: text in shown(self.app), text)

    async def to(self, page: str) -> None:
        """Enter until that page, each page being complete first."""
        marks = {"language": "English", "found": "ModelScope answers", "people": "wait:",
                 "choice": "(*) best", "source": "a neighbour", "access": "First key"}  # fmt: skip
        while self.wizard.page != page:
            await self.sees(marks[self.wizard.page])
            before = self.wizard.page
            await self.press("enter")
            await until(self.pilot, lambda before=before: self.wizard.page != before)  # type: ignore[misc]


@asynccontextmanager
async def opened(
    setup: FakeSetup | None = None, node: Node | None = None, **options: Any
) -> AsyncIterator[Opened]:
    setup, node = setup or FakeSetup(), node or Node()
    app = app_of(node, setup=setup, place="setup", **options)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: "step" in shown(app) or "NEXT" in shown(app))
        await until(pilot, lambda: app.snapshot.status is not None)
        yield Opened(pilot, node, setup)


async def test_every_page_in_its_order_and_nothing_is_changed_before_apply() -> None:
    async with opened() as it:
        seen = [it.wizard.page]
        for page in PAGES[1:7]:
            await it.to(page)
            seen.append(it.wizard.page)
            assert f"step {PAGES.index(page) + 1} of 8" in shown(it.app)
        await it.sees("Enter applies it")

        assert seen == list(PAGES[:7])
        assert it.node.options == []
        assert it.setup.begun == []


async def test_apply_asks_first_then_shows_phases_proof_and_key() -> None:
    async with opened() as it:
        await it.to("summary")
        await it.sees("Enter applies it")
        await it.press("enter")
        assert isinstance(it.app.screen, Confirm)
        await it.press("enter")
        assert it.node.options == []

        await it.press("A", "y")
        await it.sees("PROOF")
        text = shown(it.app)

    assert "A tube." in text
    assert "sk-secret" in text
    assert "appliance chat" in text
    assert [o.model for o in it.node.options] == [QUALITY.variant]
    assert it.node.options[0].users == 4
    assert [answers.language for answers in it.setup.begun] == ["en"]
    assert it.setup.finished == 1


async def test_back_goes_to_the_page_before_with_its_answer_and_from_the_first_home() -> None:
    async with opened() as it:
        await it.to("people")
        await it.press("right", "down", "right")
        assert (it.wizard.answers.users, it.wizard.answers.style) == (8, "documents")
        await it.to("access")
        for page in ("source", "choice", "people", "found", "language"):
            await it.press("escape")
            assert it.wizard.page == page
        assert (it.wizard.answers.users, it.wizard.answers.style) == (8, "documents")
        await it.press("escape")
        assert it.app.place == "home"


async def test_whoever_quits_goes_on_there() -> None:
    setup = FakeSetup()
    async with opened(setup) as it:
        await it.to("choice")
        await it.sees("another:")
        await it.press("down", "enter")
        assert it.wizard.page == "source"
        await it.press("q")

    async with opened(setup) as it:
        assert it.wizard.page == "source"
        assert it.wizard.answers.model == BALANCED.variant
        await it.sees("a neighbour")


async def test_an_applied_setup_that_broke_off_begins_at_its_plan() -> None:
    draft = Draft(page="work", answers=Answers(model=QUALITY.variant))
    async with opened(FakeSetup(draft)) as it:
        await it.sees("Enter applies it")
        assert it.node.options == []


async def test_work_that_still_goes_on_is_shown_again() -> None:
    node = Node()
    state: JobState = "running"
    node.under_way = [JobStatus(id="j", kind="up", subject="x", state=state, since="")]
    draft = Draft(page="work", answers=Answers(model=QUALITY.variant, users=9))
    async with opened(FakeSetup(draft), node) as it:
        await it.sees("PROOF")

    assert [(o.model, o.users) for o in node.options] == [(QUALITY.variant, 9)]


async def test_the_language_counts_from_its_page_on() -> None:
    async with opened() as it:
        await it.press("down", "enter")
        await until(it.pilot, lambda: current_language() == "zh")
        await it.sees("中" if "中" in shown(it.app) else "2")
        assert it.wizard.answers.language == "zh"


async def test_every_page_names_its_flags_and_its_lines_of_the_file() -> None:
    async with opened() as it:
        await it.to("people")
        await it.press("right")
        assert "$ appliance setup --users 8" in shown(it.app)
        assert "answers.toml: users = 8" in shown(it.app)
        await it.to("summary")
        await it.sees("--answers answers.toml --yes")
        assert f'model = "{QUALITY.variant}"' in shown(it.app)


async def test_the_planner_is_asked_again_when_people_change() -> None:
    async with opened() as it:
        await it.to("people")
        await it.press("right", "right")
        await until(it.pilot, lambda: it.setup.planned[-1].users == 12)


async def test_r_looks_again_and_asks_the_hubs_afresh() -> None:
    async with opened() as it:
        await it.to("found")
        await it.sees("ModelScope answers")
        planned = len(it.setup.planned)
        await it.press("r")
        await until(it.pilot, lambda: it.setup.forgotten == 1 and len(it.setup.planned) > planned)
        await it.sees("ModelScope answers")


async def test_numbers_can_be_typed_and_nonsense_is_refused_with_what_is_allowed() -> None:
    async with opened() as it:
        await it.to("people")
        await it.press("e")
        assert isinstance(it.app.screen, Ask)
        await it.press("ctrl+u", "3", "7", "enter")
        assert it.wizard.answers.users == 37
        await it.press("e", "ctrl+u", "0", "enter")
        await it.sees("0 is not allowed")
        assert it.wizard.answers.users == 37
        await it.press("right")
        assert it.wizard.answers.users == 40


async def test_another_model_is_named_and_an_unknown_one_is_told() -> None:
    async with opened() as it:
        await it.to("choice")
        await it.sees("another:")
        await it.press("down", "down", "down", "enter", *FASTEST.model, "enter")
        await it.sees("(*) fastest")
        await it.press("e", "ctrl+u", *"no-such-model", "enter")
        await it.sees("no such model: no-such-model")
        await it.press("e", "ctrl+u", *"what is this", "enter")
        await it.sees("is not allowed")


async def test_a_place_without_the_weights_is_not_taken_and_a_path_is_asked_for() -> None:
    async with opened() as it:
        await it.to("source")
        await it.sees("a neighbour")
        await it.press("down", "down", "enter")
        assert it.wizard.page == "source"
        await it.press("down", "down", "enter", *"/mnt/usb", "enter")
        await until(it.pilot, lambda: it.wizard.page == "access")
        assert it.wizard.answers.source == "file:/mnt/usb"
        await it.press("escape")
        await it.sees("(*)   another disk               /mnt/usb")


async def test_what_does_not_fit_is_said_with_the_way_out() -> None:
    setup = FakeSetup()
    setup.fault = DoesNotFit("no model fits into 4 GiB", hint="add memory")
    async with opened(setup) as it:
        await it.press("enter", "enter", "enter")
        await it.sees("no model fits into 4 GiB")
        await it.sees("add memory")
        await it.press("enter")
        assert it.wizard.page == "choice"


async def test_the_processor_is_never_used_beside_cards_without_a_yes() -> None:
    setup = FakeSetup()
    setup.choices = [QUALITY.__class__(**{**_fields(QUALITY), "cards": ["cpu"]})]
    async with opened(setup) as it:
        await it.to("summary")
        await it.sees("allow the processor first")
        await it.press("A")
        await it.sees("Processor")
        assert it.wizard.page == "access"
        assert it.node.options == []
        await it.press("right")
        await it.to("summary")
        await it.sees("Enter applies it")
        assert "not yet" not in shown(it.app)
        await it.press("A", "y")
        await it.sees("PROOF")
        assert it.node.options[0].allow_cpu is True


def _fields(choice: Any) -> dict[str, Any]:
    return {name: getattr(choice, name) for name in choice.__struct_fields__}


async def test_read_only_walks_through_but_applies_nothing() -> None:
    async with opened(readonly=True) as it:
        await it.to("summary")
        await it.sees("Enter applies it")
        await it.press("A")
        await it.sees("read-only")
        assert not isinstance(it.app.screen, Confirm)


async def test_answers_are_saved_on_request() -> None:
    async with opened() as it:
        await it.to("people")
        await it.press("right", "w")
        await it.sees("written to /somewhere/answers.toml")
        assert it.setup.saved[0].users == 8


async def test_a_failed_job_leads_back_to_the_plan() -> None:
    node = Node()
    node.job = [{"schema": "appliance.phase/1", "phase": "plan", "done": False, "text": "planning"}]
    async with opened(node=node) as it:
        await it.to("summary")
        await it.sees("Enter applies it")
        await it.press("A", "y")
        await it.sees("the daemon ended without a result")
        await it.press("enter")
        await it.sees("Enter applies it")
        assert it.setup.finished == 0


async def test_a_picture_of_another_server_shows_what_was_found_there() -> None:
    app = app_of(Node(), place="setup")
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: "4 x NVIDIA L40S" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: "a picture of another server" in shown(app))


@pytest.mark.parametrize("size", [(70, 20), (80, 24), (120, 40), (300, 80)])
async def test_every_page_fits_any_size(size: tuple[int, int]) -> None:
    app = app_of(Node(), setup=FakeSetup(), place="setup")
    async with app.run_test(size=size) as pilot:
        it = Opened(pilot, Node(), FakeSetup())
        await until(pilot, lambda: app.snapshot.status is not None)
        for page in PAGES[1:7]:
            await it.to(page)
            assert max(map(len, drawn(app))) <= size[0]


def test_arrows_stay_within_the_usual_answers() -> None:
    wizard = went(Wizard(), "people")

    for _ in range(30):
        wizard = turned(wizard, 1)
    assert wizard.answers.users == 500
    for _ in range(30):
        wizard = turned(wizard, -1)
    assert wizard.answers.users == 1
    assert turned(answered(wizard, "users", 37), -1).answers.users == 20
    assert moved(wizard, 99).field == "adapt"
    assert moved(wizard, -99).field == "users"
