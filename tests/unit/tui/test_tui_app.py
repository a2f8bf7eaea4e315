from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual.notifications import Notification
from textual.pilot import Pilot
from tui_fakes import (
    MODEL,
    FakeModel,
    FakeNode,
    app_of,
    card,
    deployment,
    drawn,
    reading,
    shown,
    until,
)

from appliance.core.errors import ApplianceError, Unreachable
from appliance.core.i18n import current_language
from appliance.node.wishes import Event
from appliance.ops.conversation import Manner, Message
from appliance.ops.models import ModelRow
from appliance.tui.glyphs import UNICODE
from appliance.tui.screens.chat import ChatScreen, Composer
from appliance.tui.screens.dialogs import Confirm
from appliance.tui.screens.logs import LogScreen
from appliance.tui.themes import PALETTES
from appliance.tui.views.models import offers
from appliance.tui.widgets import Reader, Rows

SIZE = (80, 24)


async def test_the_board_tells_what_runs_and_how() -> None:
    async with app_of(FakeNode()).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "OK +" in shown(pilot.app))
        text = shown(pilot.app)

        assert f"serving {MODEL} to 2 now; 4 of 4 cards OK" in text
        assert "http://127.0.0.1:8080/v1" in text
        assert "41.2 tok/s" in text
        assert "52%" in text
        assert "62 C" in text
        assert "210/350 W" in text


async def test_new_readings_appear_by_themselves() -> None:
    node = FakeNode()
    async with app_of(node).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "50%" in shown(pilot.app))
        node.readings[0] = reading(0, util_pct=77.0)
        await until(pilot, lambda: "77%" in shown(pilot.app))


async def test_a_dead_daemon_is_said_and_shows_no_old_numbers() -> None:
    node = FakeNode()
    started: list[bool] = []

    def start() -> None:
        started.append(True)

    async with app_of(node, start=start).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "50%" in shown(pilot.app))
        node.go_silent()
        await until(pilot, lambda: "FAIL x" in shown(pilot.app))
        text = shown(pilot.app)

        assert "the daemon has not answered" in text
        assert "50%" not in text
        assert "41.2" not in text
        assert "ready" not in text

        started.clear()
        await pilot.press("D")
        await until(pilot, lambda: started)
        node.silent = None
        await until(pilot, lambda: "OK +" in shown(pilot.app))


async def test_a_daemon_that_never_answers_leaves_the_keys_alive() -> None:
    node = FakeNode()
    node.hang.clear()
    async with app_of(node).run_test(size=SIZE) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: "THIS SCREEN" in shown(pilot.app))
        await pilot.press("escape", "q")
        await until(pilot, lambda: pilot.app._exit)
    node.hang.set()


async def test_a_daemon_that_begins_to_hang_is_seen_before_any_timeout() -> None:
    node = FakeNode()
    async with app_of(node).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "OK +" in shown(pilot.app))
        node.hang.clear()
        await until(pilot, lambda: "STALE ?" in shown(pilot.app))
        assert "no new readings for 00:0" in shown(pilot.app)
        node.hang.set()
        await until(pilot, lambda: "STALE ?" not in shown(pilot.app))


async def test_stopping_asks_and_cancel_is_what_enter_means() -> None:
    node = FakeNode()
    async with app_of(node).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("S")
        assert f"Stop {MODEL} on ward-3?" in shown(pilot.app)
        await pilot.press("enter")
        assert not isinstance(pilot.app.screen, Confirm)
        assert node.asked("down") == []

        await pilot.press("S", "tab", "enter")
        await until(pilot, lambda: node.asked("down") == [MODEL])


@pytest.mark.parametrize(("keys", "call"), [("S", "down"), ("R", "restart")])
async def test_y_does_it_and_n_does_not(keys: str, call: str) -> None:
    node = FakeNode()
    async with app_of(node).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press(keys, "n", keys, "escape")
        assert node.asked(call) == []
        await pilot.press(keys, "y")
        await until(pilot, lambda: node.asked(call) == [MODEL])


async def test_a_refused_call_is_shown_with_its_hint() -> None:
    class Refusing(FakeNode):
        def down(self, deployment: str | None = None) -> None:
            raise ApplianceError("it is held", hint="release it first")

    app = app_of(Refusing())
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("S", "y")
        await until(pilot, lambda: "release it first" in shown(pilot.app))


async def test_read_only_changes_nothing() -> None:
    node = FakeNode()
    app = app_of(node, readonly=True)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("S", "R", "U")
        await until(pilot, lambda: "read-only: nothing is changed" in shown(pilot.app))

        assert not isinstance(pilot.app.screen, Confirm)
        assert "READ-ONLY" in drawn(pilot.app)[0]
        assert {call for call, _ in node.calls} <= {"inventory", "sample"}


async def test_the_arrows_choose_the_deployment_that_keys_act_on() -> None:
    node = FakeNode()
    node.deployments = [deployment(), deployment("other")]
    async with app_of(node).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "other" in shown(pilot.app))
        await pilot.press("down", "S", "y")
        await until(pilot, lambda: node.asked("down") == ["other"])


async def test_pausing_holds_the_picture() -> None:
    node = FakeNode()
    app = app_of(node)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "50%" in shown(pilot.app))
        await pilot.press("p")
        assert "PAUSED" in drawn(pilot.app)[0]
        node.readings[0] = reading(0, util_pct=77.0)
        looks = len(node.asked("sample"))
        await until(pilot, lambda: len(node.asked("sample")) > looks + 1)
        assert "77%" not in shown(app)
        await pilot.press("p")
        await until(pilot, lambda: "77%" in shown(app))


async def test_the_language_changes_at_once_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from gettext import NullTranslations

    class Chinese(NullTranslations):
        def gettext(self, message: str) -> str:
            return {"Home": "主页", "serving {models}": "正在服务 {models}"}.get(message, message)

    monkeypatch.setattr("appliance.core.i18n._translations", lambda language: Chinese())
    async with app_of(FakeNode()).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "1 Home" in shown(pilot.app))
        await pilot.press("L")
        assert "1 主页" in drawn(pilot.app)[0]
        assert current_language() == "zh"
        await pilot.press("3")
        assert "1 主页" in drawn(pilot.app)[0]
        await pilot.press("L")
        assert "1 Home" in drawn(pilot.app)[0]


async def test_every_theme_has_every_style() -> None:
    async with app_of(FakeNode()).run_test(size=SIZE) as pilot:
        seen = []
        for _ in PALETTES:
            await pilot.press("T")
            seen.append(pilot.app.theme)

    assert sorted(seen) == sorted(PALETTES)
    assert len({frozenset(palette) for palette in PALETTES.values()}) == 1


async def test_the_palette_finds_and_does() -> None:
    async with app_of(FakeNode()).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("colon", *"health", "enter")
        await until(pilot, lambda: "WRONG NOW" in shown(pilot.app))


async def test_help_names_every_key_of_the_screen() -> None:
    async with app_of(FakeNode()).run_test(size=(100, 70)) as pilot:
        await pilot.press("f1")
        text = shown(pilot.app)

    assert "$ appliance down ID" in text
    assert "q ^q ^c F10" in text


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c", "f10"])
async def test_every_way_out(key: str) -> None:
    app = app_of(FakeNode())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: app._exit)

    assert app.return_value == 0


@pytest.mark.parametrize("opening", [["S"], ["6", "h"], ["colon"]])
@pytest.mark.parametrize("key", ["ctrl+q", "ctrl+c", "f10"])
async def test_a_way_out_of_dialogs_and_of_lines_of_input(opening: list[str], key: str) -> None:
    async with app_of(FakeNode()).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press(*opening, key)
        await until(pilot, lambda: pilot.app._exit)


# Chat


def composer(screen: object) -> Composer:
    assert isinstance(screen, ChatScreen)
    return screen.query_one(Composer)


def notices(pilot: Pilot[int]) -> list[Notification]:
    return list(pilot.app._notifications)


async def test_a_conversation_streams_with_reasoning_folded() -> None:
    model = FakeModel()
    model.gate.clear()
    async with app_of(FakeNode(), model).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("c", *"hi q?", "enter")
        await until(pilot, lambda: model.questions)
        model.gate.set()
        await until(pilot, lambda: "An answer number 1." in shown(pilot.app))
        text = shown(pilot.app)
        assert model.questions == [[Message("user", "hi q?")]]
        assert model.models == [MODEL]
        assert "+ thought (1)" in text
        assert "Let me think" not in text
        assert "first token 0.25 s, 40.0 tok/s, 12 tokens" in text

        await pilot.press("f3")
        assert "| Let me think about it." in shown(pilot.app)


async def test_the_next_question_carries_the_answers_but_no_reasoning() -> None:
    model = FakeModel()
    async with app_of(FakeNode(), model).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("6", "a", "enter")
        await until(pilot, lambda: "number 1." in shown(pilot.app))
        await pilot.press("b", "enter")
        await until(pilot, lambda: "number 2." in shown(pilot.app))

    assert model.questions[1] == [
        Message("user", "a"),
        Message("assistant", "An answer number 1."),
        Message("user", "b"),
    ]


async def test_stopping_an_answer_ends_the_generation_and_a_retry_asks_again() -> None:
    model = FakeModel()
    model.gate.clear()
    async with app_of(FakeNode(), model).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("6", "a", "enter")
        await until(pilot, lambda: model.questions)
        await pilot.press("escape")
        assert "stopped" in shown(pilot.app)
        model.gate.set()
        await until(pilot, model.closed.is_set)
        await pilot.press("f4")
        await until(pilot, lambda: "number 2." in shown(pilot.app))

    assert model.questions == [[Message("user", "a")]] * 2


async def test_a_stream_that_breaks_is_said_with_what_came_before() -> None:
    model = FakeModel()
    model.fault = Unreachable("the model does not answer", hint="see `appliance status`")
    async with app_of(FakeNode(), model).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("6", "a", "enter")
        await until(pilot, lambda: "the model does not answer" in shown(pilot.app))
        assert "see `appliance status`" in shown(pilot.app)


async def test_letters_are_typed_and_lines_can_be_made() -> None:
    model = FakeModel()
    async with app_of(FakeNode(), model).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("6", "q", "1", "ctrl+j", "中", "?")
        assert composer(pilot.app.screen).text == "q1\n中?"
        await pilot.press("escape", "1")
        await until(pilot, lambda: "CARDS" in shown(pilot.app))
        await pilot.press("6", "enter")
        await until(pilot, lambda: model.questions == [[Message("user", "q1\n中?")]])


async def test_nobody_answers_where_nothing_serves() -> None:
    node = FakeNode()
    node.deployments = []
    async with app_of(node).run_test(size=SIZE) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "nobody can answer" in shown(pilot.app))


async def test_the_conversation_can_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with app_of(FakeNode()).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("6", "f7")
        await until(pilot, lambda: any("nothing was said" in n.message for n in notices(pilot)))
        assert not list(tmp_path.iterdir())
        await pilot.press("a", "enter")
        await until(pilot, lambda: "number 1." in shown(pilot.app))
        await pilot.press("f7")
        await until(pilot, lambda: list(tmp_path.iterdir()))

    (saved,) = tmp_path.iterdir()
    assert saved.read_text() == "**a**\n\nAn answer number 1.\n"


# Logs


async def test_the_log_is_followed_filtered_and_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    node = FakeNode()
    async with app_of(node).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("l")
        await until(pilot, lambda: "line 29" in shown(pilot.app))
        node.lines.append("\x1b[31merror: a new one\x1b[0m")
        await until(pilot, lambda: "error: a new one" in shown(pilot.app))
        assert "following" in drawn(pilot.app)[2]

        await pilot.press("slash", *"line 1", "enter")
        await until(pilot, lambda: "contains: line 1" in shown(pilot.app))
        assert "line 29" not in shown(pilot.app)
        assert "line 19" in shown(pilot.app)

        await pilot.press("w")
        await until(pilot, lambda: list(tmp_path.iterdir()))
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, LogScreen)

    (saved,) = tmp_path.iterdir()
    assert saved.read_text().splitlines() == ["line 1", *(f"line {n}" for n in range(10, 20))]


async def test_going_up_stops_following_and_f_goes_on() -> None:
    node = FakeNode()
    async with app_of(node).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("l")
        await until(pilot, lambda: "line 29" in shown(pilot.app))
        await pilot.press("home")
        await until(pilot, lambda: "line 0" in shown(pilot.app))
        node.lines.append("new")
        screen = pilot.app.screen
        assert isinstance(screen, LogScreen)
        await until(pilot, lambda: "new" in screen.lines)
        assert "held" in drawn(pilot.app)[2]
        assert "line 0" in shown(pilot.app)
        await pilot.press("f")
        await until(pilot, lambda: "following" in drawn(pilot.app)[2])
        assert "new" in shown(pilot.app)


# Cards, services, health, models


async def test_cards_come_worst_first_and_open_in_full() -> None:
    node = FakeNode()
    node.cards[2] = card(2, state="lost")
    async with app_of(node).run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "LOST x" in shown(pilot.app))
        assert drawn(pilot.app)[3].split()[0] == "2"
        await pilot.press("s")
        assert drawn(pilot.app)[3].split()[0] == "0"
        await pilot.press("down", "enter")
        await until(pilot, lambda: "PCI address" in shown(pilot.app))
        assert "0000:01:00.0" in shown(pilot.app)
        await pilot.press("escape")
        await until(pilot, lambda: "PCI address" not in shown(pilot.app))


async def test_the_cursor_stays_on_its_card_when_the_order_changes() -> None:
    node = FakeNode()
    async with app_of(node).run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "53%" in shown(pilot.app))
        await pilot.press("down", "down", "down")
        rows = pilot.app.screen.query_one(Rows)
        assert rows.cursor == 3
        node.readings[3] = reading(3, throttle=["power"])
        await until(pilot, lambda: "WARN !" in shown(pilot.app))
        assert rows.chosen == "GPU-0003"
        assert rows.cursor == 0


async def test_a_hundred_and_sixty_cards_scroll() -> None:
    async with app_of(FakeNode(cards=160)).run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "160 of 160 cards OK" in shown(pilot.app))
        await pilot.press("end")
        await until(pilot, lambda: "159   ####" in shown(pilot.app))
        assert drawn(pilot.app)[2].split()[0] == "card"


async def test_old_readings_are_marked_on_the_card() -> None:
    node = FakeNode()
    node.sampled_at = (datetime.now(UTC) - timedelta(seconds=90)).isoformat()
    async with app_of(node).run_test(size=(140, 30)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "STALE ?" in shown(pilot.app))
        assert "01:3" in shown(pilot.app)


async def test_services_show_replicas_and_the_engines_command() -> None:
    node = FakeNode()
    app = app_of(node, command=lambda deployment: f"engine --port 1 {deployment.id}")
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: f"{MODEL}-0" in shown(pilot.app))
        assert "8,192 tokens a conversation, 4 conversations at a time" in shown(pilot.app)
        await pilot.press("e")
        await until(pilot, lambda: f"engine --port 1 {MODEL}" in shown(pilot.app))


async def test_health_tells_what_is_wrong_and_filters_what_happened() -> None:
    node = FakeNode()
    node.readings[1] = reading(1, throttle=["thermal"])
    node.happened.append(
        Event(number=2, time="", severity="fail", code="ENGINE-DEAD", subject=MODEL, text="died")
    )
    async with app_of(node).run_test(size=(100, 30)) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: "ENGINE-DEAD" in shown(pilot.app))
        assert "THROTTLE-THERMAL" in shown(pilot.app)
        await pilot.press("slash", *"!died", "enter")
        await until(pilot, lambda: "ENGINE-DEAD" not in shown(pilot.app))
        assert "DAEMON-START" in shown(pilot.app)


def rows() -> list[ModelRow]:
    return [
        ModelRow(id="a:q4", title="A", format="gguf", bytes=4_000_000_000, stored=False),
        ModelRow(id="b:q8", title="B", format="gguf", bytes=8_000_000_000, stored=True),
    ]


async def test_models_are_fetched_and_served_from_their_list() -> None:
    node = FakeNode()
    node.job = [{"schema": "appliance.pull/1", "model": "a:q4", "files": []}]
    app = app_of(node, offers=lambda inventory: offers(rows(), {}))
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("4")
        await until(pilot, lambda: "a:q4" in shown(pilot.app))
        assert drawn(pilot.app)[3].split()[0] == "b:q8"
        await pilot.press("down", "g")
        await until(pilot, lambda: node.asked("pull") == ["a:q4"])
        await pilot.press("enter", "y")
        await until(pilot, lambda: node.asked("up") == ["a:q4"])


async def test_a_fetch_shows_its_progress_and_can_be_ended() -> None:
    node = FakeNode()
    node.job_goes_on.set()
    node.job = [
        {"schema": "appliance.job/1", "id": "j1"},
        {
            "schema": "appliance.progress/1",
            "phase": "fetch",
            "done": 500_000_000,
            "total": 1_000_000_000,
            "bps": 25_000_000,
            "eta_s": 20,
        },
    ]
    app = app_of(node, offers=lambda inventory: offers(rows(), {}))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "a:q4" in shown(app))
        await pilot.press("down", "g", "1")
        await until(pilot, lambda: "500.0 MB/1.0 GB  25.0 MB/s  00:20 left" in shown(app))
        assert "~ fetch a:q4" in shown(app)
        await pilot.press("X", "y")
        await until(pilot, lambda: node.asked("cancel") == ["j1"])
        await until(pilot, lambda: "x fetch a:q4" in shown(app))


async def test_the_main_job_shows_phases_then_the_proof_and_the_key() -> None:
    node = FakeNode()
    node.deployments = []
    node.job = [
        {"schema": "appliance.phase/1", "phase": "load", "done": False, "text": "loading it"},
        {"schema": "appliance.phase/1", "phase": "load", "done": True, "text": "loading it"},
        {
            "schema": "appliance.up/1",
            "endpoint": "http://127.0.0.1:1/v1",
            "key": "sk-secret",
            "proof": {
                "prompt": "What is a stent?",
                "answer": "A tube.",
                "first_token_s": 0.5,
                "decode_tps": 20.0,
            },
        },
    ]
    async with app_of(node).run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: "Nothing is served yet." in shown(pilot.app))
        await pilot.press("U", "y")
        await until(pilot, lambda: "PROOF" in shown(pilot.app))
        text = shown(pilot.app)

    assert "+ loaded" in text
    assert "A tube." in text
    assert "first token after 0.50 s, then 20.0 tok/s" in text
    assert "sk-secret" in text
    assert node.asked("up") == [None]


async def test_a_failed_job_says_why_and_what_to_do() -> None:
    node = FakeNode()
    node.job = [{"schema": "appliance.phase/1", "phase": "plan", "done": False, "text": "planning"}]
    async with app_of(node).run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("U", "y")
        await until(pilot, lambda: "x the daemon ended without a result" in shown(pilot.app))


async def test_the_processor_is_never_used_without_a_yes() -> None:
    node = FakeNode()
    node.wants_consent = True
    node.job = [{"schema": "appliance.up/1", "endpoint": "http://127.0.0.1:1/v1"}]
    async with app_of(node).run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("U", "y")
        await until(pilot, lambda: "it would run on the processor" in shown(pilot.app))
        await pilot.press("enter")
        assert node.asked("up") == [None]

        await pilot.press("1", "U", "y")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: node.asked("up") == [None] * 3)


async def test_any_size_and_any_resize() -> None:
    app = app_of(FakeNode(cards=20), glyphs=UNICODE)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(app))
        for key in "1234567":
            await pilot.press("escape", "escape", key)
            for size in ((300, 80), (70, 20), (1, 1), (120, 40)):
                await pilot.resize_terminal(*size)
        assert len(drawn(app)) == 40


async def test_a_reader_repaints_nothing_when_nothing_changed() -> None:
    node = FakeNode()
    async with app_of(node).run_test(size=SIZE) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: "WHAT HAPPENED" in shown(pilot.app))
        reader = pilot.app.screen.query_one(Reader)
        reader._repaint_regions.clear()
        reader.redraw()
        assert not reader._repaint_regions


async def test_the_chat_is_held_in_the_manner_that_was_given() -> None:
    model = FakeModel()
    async with app_of(FakeNode(), model).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("6", "ctrl+o", *"Be brief.", "tab", *"5", "enter")
        await until(pilot, lambda: "5 is no temperature" in shown(pilot.app))
        await pilot.press("backspace", *"0.2", "enter")
        await until(pilot, lambda: "system prompt, temperature 0.2" in shown(pilot.app))
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: "number 1." in shown(pilot.app))
        assert model.manners == [Manner(system="Be brief.", temperature=0.2)]
        assert model.questions == [[Message("system", "Be brief."), Message("user", "hi")]]
        await pilot.press("ctrl+o", "escape")
        assert "system prompt" in shown(pilot.app)


async def test_a_name_that_several_answer_to_is_asked_by_that_name() -> None:
    node, model = FakeNode(), FakeModel()
    other = deployment(f"{MODEL}@ascend", served_as=MODEL)
    node.deployments = [other, *node.deployments]
    async with app_of(node, model).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: MODEL in shown(pilot.app))
        await pilot.press("6", *"hi", "enter")
        await until(pilot, lambda: "number 1." in shown(pilot.app))
        assert model.models == [MODEL]
