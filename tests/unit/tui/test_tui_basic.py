from __future__ import annotations

import io

from tui_fakes import MODEL, FakeModel, FakeNode, deployment

from appliance.core.errors import ApplianceError
from appliance.tui.backend import Backend
from appliance.tui.basic import Prompts


def talk(node: FakeNode, typed: str, *, readonly: bool = False, **backend: object) -> str:
    target = io.StringIO()
    back = Backend(node=node, converse=FakeModel(), **backend)  # type: ignore[arg-type]
    code = Prompts(back, readonly=readonly, source=io.StringIO(typed), target=target).run()
    assert code == 0
    return target.getvalue()


def test_the_end_of_input_is_the_end() -> None:
    said = talk(FakeNode(), "")

    assert f"OK: serving {MODEL} to 2 now; 4 of 4 cards OK" in said
    assert "card 2: OK, NVIDIA L40S, in use 52%, memory 29.3/45.0GiB, 62 C, 210/350 W" in said
    assert "\x1b" not in said


def test_a_wrong_number_is_asked_again() -> None:
    said = talk(FakeNode(), "9\nx\n0\n")

    assert said.count("Type a number from 0 to 7, then Enter.") == 2


def test_a_conversation_tells_reasoning_from_answer() -> None:
    said = talk(FakeNode(), "2\nWhat is a stent?\n\n0\n")

    assert "Thinking:\nLet me think about it." in said
    assert "Answer:\nAn answer number 1." in said
    assert "(0.25 s, 40.0 tok/s)" in said


def test_stopping_wants_a_yes() -> None:
    node = FakeNode()

    talk(node, "7\n\n0\n")
    assert node.asked("down") == []

    said = talk(node, "7\ny\n0\n")
    assert node.asked("down") == [MODEL]
    assert f"{MODEL} is stopped" in said


def test_of_several_deployments_a_number_chooses() -> None:
    node = FakeNode()
    node.deployments = [deployment(), deployment("other")]

    talk(node, "7\n2\ny\n0\n")

    assert node.asked("down") == ["other"]


def test_serving_tells_phases_and_shows_the_key_once() -> None:
    node = FakeNode()
    node.job = [
        {"schema": "appliance.phase/1", "phase": "fetch", "done": False, "text": "fetching"},
        {
            "schema": "appliance.progress/1",
            "phase": "fetch",
            "done": 500_000_000,
            "total": 1_000_000_000,
            "bps": 25_000_000,
        },
        {"schema": "appliance.note/1", "note": {"code": "NO-HUB", "text": "no hub"}},
        {"schema": "appliance.up/1", "endpoint": "http://127.0.0.1:1/v1", "key": "sk-1"},
    ]

    said = talk(node, "6\n\ny\n0\n")

    assert node.asked("up") == [None]
    assert "fetching\n  500.0 MB / 1.0 GB, 25.0 MB/s\nNO-HUB: no hub\n" in said
    assert "It answers at http://127.0.0.1:1/v1\nKey, shown this once: sk-1\n" in said


def test_the_processor_is_never_used_without_a_yes() -> None:
    node = FakeNode()
    node.wants_consent = True
    node.job = [{"schema": "appliance.up/1", "endpoint": "http://127.0.0.1:1/v1"}]

    assert "It answers" not in talk(node, "6\n\ny\n\n0\n")
    assert "It answers" in talk(node, "6\n\ny\ny\n0\n")
    assert node.asked("up") == [None] * 3


def test_read_only_offers_nothing_that_writes() -> None:
    said = talk(FakeNode(), "0\n", readonly=True)

    assert "Stop a model" not in said
    assert "Serve a model" not in said


def test_a_dead_daemon_costs_the_choice_not_the_program() -> None:
    node = FakeNode()
    node.go_silent()

    said = talk(node, "3\n0\n")

    assert "FAIL: the daemon has not answered" in said
    assert "error: the appliance daemon does not answer" in said


def test_a_daemon_that_cannot_start_is_said() -> None:
    def start() -> None:
        raise ApplianceError("the daemon does not start", hint="look at its log")

    said = talk(FakeNode(), "0\n", start=start)

    assert "error: the daemon does not start\nhint: look at its log\n" in said


def test_log_lines_cannot_colour_the_screen() -> None:
    node = FakeNode()
    node.lines = ["\x1b[31mred\x1b[0m"]

    assert "Number: red\n" in talk(node, "3\n0\n")
