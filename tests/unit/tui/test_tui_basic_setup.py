from __future__ import annotations

import io
from typing import Any

import pytest
from setup_fakes import BALANCED, FASTEST, QUALITY, FakeSetup
from tui_fakes import FakeModel, FakeNode

from appliance.core.errors import DoesNotFit
from appliance.core.i18n import current_language, use_default_language
from appliance.node.wishes import UpOptions
from appliance.ops.setup.answers import Answers
from appliance.ops.setup.draft import Draft
from appliance.tui.backend import Backend
from appliance.tui.basic import Prompts

PEOPLE = ["12", "2", "8192", "1"]
TO_PLAN = ["1", "", *PEOPLE, "", "", "ward-3"]
"""Language, found, people, choice, source, access."""
UP = {
    "schema": "appliance.up/1",
    "deployment": "d",
    "endpoint": "http://127.0.0.1:1/v1",
    "key": "sk-1",
    "proof": {
        "prompt": "Hello?",
        "answer": "Good day.",
        "first_token_s": 0.1,
        "decode_tps": 20.0,
    },
}


class Node(FakeNode):
    def __init__(self) -> None:
        super().__init__()
        self.job = [UP]
        self.options: list[UpOptions] = []

    def up(self, options: UpOptions) -> Any:
        self.options.append(options)
        yield from super().up(options)


def talk(
    typed: list[str], setup: FakeSetup | None = None, node: Node | None = None, **options: Any
) -> str:
    """What is told when `typed` is typed and the input ends."""
    target = io.TextIOWrapper(io.BytesIO(), encoding=options.pop("encoding", "utf-8"))
    backend = Backend(node=node or Node(), converse=FakeModel(), setup=setup or FakeSetup())
    source = io.StringIO("".join(f"{line}\n" for line in typed))
    prompts = Prompts(backend, source=source, target=target, **options)
    assert prompts.run(setup=True) == 0
    target.seek(0)
    return target.read()


def test_all_of_it_in_one_go() -> None:
    node, setup = Node(), FakeSetup()

    said = talk([*TO_PLAN, "1", "y", "0"], setup, node)

    assert "cards: found. 4 x NVIDIA L40S" in said
    assert f"1  {QUALITY.variant}: up to 12 people" in said
    assert "gives up: answers come slower" in said
    assert f"serve: {QUALITY.variant} by llama.cpp" in said
    assert 'key_name = "ward-3"' in said
    assert "answer   Good day." in said
    assert "Key, shown this once: sk-1" in said
    assert node.options == [
        UpOptions(
            model=QUALITY.variant, users=12, style="documents", context=8192, key_name="ward-3"
        )
    ]
    assert setup.finished == 1
    assert "\x1b" not in said


def test_enter_takes_what_is_offered() -> None:
    node = Node()

    talk(["", "", "", "", "", "", "", "", "", "", "y"], node=node)

    assert node.options == [UpOptions(model=QUALITY.variant, users=4)]


def test_nothing_is_applied_without_a_yes() -> None:
    node, setup = Node(), FakeSetup()

    talk([*TO_PLAN, "1", "", "q", "0"], setup, node)

    assert node.options == []
    assert setup.begun == []


def test_the_end_of_the_input_keeps_the_page() -> None:
    setup = FakeSetup()

    talk(["1", "", "12"], setup)

    assert setup.kept.page == "people"
    assert "Who will use it (step 3 of 8)" in talk([], setup)


def test_back_goes_back_and_leaving_leads_to_the_menu() -> None:
    setup = FakeSetup()

    said = talk(["1", "", "b", "", "q", "0"], setup)

    assert said.count("What is here (step 2 of 8)") == 2
    assert "0  Quit" in said


def test_nonsense_is_asked_again_with_what_is_allowed() -> None:
    said = talk(["1", "", "many", "0", "12", "7", "2"])

    assert "'many' is not allowed; a whole number from 1 to 10000" in said
    assert "0 is not allowed" in said
    assert "Type a number from 1 to 3, then Enter." in said


def test_another_model_and_a_path_are_typed() -> None:
    node = Node()
    choose = ["1", "", *PEOPLE, "4", FASTEST.variant, ""]

    talk([*choose, "5", "/mnt/usb", "", "1", "y"], node=node)

    assert node.options[0].model == FASTEST.variant
    assert node.options[0].source == "file:/mnt/usb"


def test_a_place_without_the_weights_is_asked_again() -> None:
    said = talk(["1", "", *PEOPLE, "2", "3", "q", "0"])

    assert said.count("Where the weights come from (step 5 of 8)") == 2


def test_answers_are_saved_on_request() -> None:
    setup = FakeSetup()

    said = talk([*TO_PLAN, "2", "q", "0"], setup)

    assert "written to /somewhere/answers.toml" in said
    assert setup.saved[0].key_name == "ward-3"


def test_what_does_not_fit_is_told_and_leads_back() -> None:
    setup = FakeSetup()
    setup.fault = DoesNotFit("no model fits into 4 GiB", hint="add memory")

    said = talk(["1", "", "q", "0"], setup)

    assert "error: no model fits into 4 GiB\nhint: add memory\n" in said


def test_the_processor_beside_cards_wants_a_yes() -> None:
    node, setup = Node(), FakeSetup()
    fields = {name: getattr(BALANCED, name) for name in BALANCED.__struct_fields__}
    setup.choices = [BALANCED.__class__(**{**fields, "cards": ["cpu"]})]

    said = talk([*TO_PLAN, "n", "1", "", "y", "1", "y"], setup, node)

    assert "not yet: allow the processor first" in said
    assert node.options[0].allow_cpu is True


def test_chinese_is_offered_where_it_can_be_written() -> None:
    said = talk(["2", "q", "0"])

    assert current_language() == "zh"
    assert "2  中文" in said
    use_default_language("en")
    assert "中文" not in talk(["q", "0"], encoding="ascii")


def test_an_ascii_console_gets_ascii() -> None:
    assert talk([*TO_PLAN, "q", "0"], encoding="ascii").isascii()


def test_a_setup_that_was_applied_begins_at_its_plan() -> None:
    draft = Draft(page="work", answers=Answers(model=QUALITY.variant))

    assert "The plan (step 7 of 8)" in talk([], FakeSetup(draft))


def test_a_picture_of_another_server_cannot_be_set_up() -> None:
    target = io.StringIO()
    backend = Backend(node=Node(), converse=FakeModel())

    Prompts(backend, source=io.StringIO("4\n0\n"), target=target).run()

    assert "error: this is a picture of another server" in target.getvalue()


@pytest.mark.parametrize("answer", ["", "deepseek-r1"])
def test_a_model_is_fetched_with_its_progress(answer: str) -> None:
    node = Node()
    node.job = [
        {"schema": "appliance.progress/1", "phase": "fetch", "done": 5, "total": 10, "bps": 1.0},
        {
            "schema": "appliance.progress/1",
            "phase": "fetch",
            "done": 5,
            "total": 10,
            "waiting": "no network",
        },
        {"schema": "appliance.pull/1", "model": answer, "files": []},
    ]
    node.job_goes_on.clear()
    target = io.StringIO()
    backend = Backend(node=node, converse=FakeModel())

    Prompts(backend, source=io.StringIO(f"5\n{answer}\n0\n"), target=target).run()

    assert node.asked("pull") == ([answer] if answer else [])
    assert ("5 B / 10 B" in target.getvalue()) == bool(answer)
    assert target.getvalue().count("waiting: no network") == bool(answer)
    assert ("is here and verified" in target.getvalue()) == bool(answer)
