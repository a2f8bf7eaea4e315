"""The page that `plan` prints, its JSON, and what it answers to bad input."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli import main
from appliance.cli.memory_bar import bar, memory_lines
from appliance.cli.output import width
from appliance.core.inventory import Card, Host, Inventory
from appliance.core.plan import CardMemory, Choice, Memory, Speed

FOUR_CARDS = {
    "schema": "appliance.inventory/1",
    "host": {"arch": "x86_64", "memory_mib": 131072, "cpu": {"sockets": 2, "cores": 64}},
    "cards": [
        {
            "id": f"GPU-{index}",
            "vendor": "nvidia",
            "index": index,
            "name": "NVIDIA GeForce RTX 4090",
            "memory_mib": 24564,
            "arch": "sm_89",
            "driver": "580.95",
        }
        for index in range(4)
    ],
}


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps(FOUR_CARDS))
    return str(path)


def run(*words: str) -> int:
    return main.run(list(words))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("columns", ["80", "200"])
def test_the_page_is_at_most_eighty_columns_wide(
    language: str,
    columns: str,
    inventory: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert run("--lang", language, "plan", "--users", "40", "--inventory", inventory) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(width, lines)) <= 80
    assert len(lines) < 90


def test_the_page_says_what_an_administrator_asks(
    inventory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--lang", "en", "plan", "--users", "8", "--inventory", inventory) == 0
    page = capsys.readouterr().out
    assert "4 x NVIDIA GeForce RTX 4090" in page
    assert "1 BEST QUALITY" in page
    for words in (
        "chatting, first word in",
        "words/s for one alone",
        "left",
        "What more would buy",
    ):
        assert words in page
    assert "TOO-BIG" in page


def test_a_choice_that_is_named_shows_its_forms(
    inventory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("plan", "deepseek-r1-distill-qwen-32b", "--inventory", inventory)
    assert run("--lang", "en", *words) == 0
    page = capsys.readouterr().out
    assert page.count("deepseek-r1-distill-qwen-32b:") > 3


def test_assumptions_change_what_is_carried(
    inventory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def carried(*more: str) -> int:
        words = ("plan", "deepseek-r1-distill-qwen-14b:q4_k_m", "--users", "20", "--json")
        assert run(*words, "--inventory", inventory, *more) == 0
        plan = json.loads(capsys.readouterr().out)
        assert plan["schema"] == "appliance.plan/1"
        return int(plan["choices"][0]["people"]["most_users"])

    assert carried("--think-time", "300") > carried()
    assert carried("--prompt-tokens", "9000") < carried()
    assert carried("--answer-tokens", "3000") < carried()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"garbage", 2),
        (b"\xff\xfe\x00", 2),
        (b"{}", 2),
        (b'{"schema":"appliance.plan/1"}', 2),
        (b'{"schema":"appliance.inventory/1","host":{},"cards":[]}', 6),
    ],
)
def test_an_inventory_that_is_none_or_empty(
    tmp_path: Path, content: bytes, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    assert run("plan", "--inventory", str(path)) == code
    err = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in err] == (["error", "hint"] if code == 2 else [])


@pytest.mark.parametrize("model", ["deepseek-r9", "deepseek-r1:q99", "hf:x", "", "file:/nope"])
@pytest.mark.parametrize("command", ["plan", "show"])
def test_a_model_that_is_none_is_a_usage_error(
    model: str, command: str, inventory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("plan", model, "--inventory", inventory) if command == "plan" else (
        "models", "show", model)  # fmt: skip
    assert run(*words) == 2
    assert capsys.readouterr().err.startswith("error: ")


@given(
    st.floats(0, 50_000), st.floats(0, 50_000), st.floats(0, 9_000), st.floats(1, 100_000),
)  # fmt: skip
def test_a_bar_is_as_long_as_it_says(
    weights: float, kv: float, work: float, available: float
) -> None:
    card = CardMemory(
        id="x", weights_mib=weights, kv_mib=kv, compute_mib=work, overhead_mib=0,
        total_mib=weights + kv + work, available_mib=available,
    )  # fmt: skip
    drawn = bar(card)
    assert len(drawn) == len("[]") + 24
    free = 1 - card.total_mib / max(available, card.total_mib)
    assert abs(drawn.count(".") - 24 * free) <= 1


def test_cards_that_look_alike_are_one_line() -> None:
    def memory(index: int, total: float) -> CardMemory:
        return CardMemory(
            id=str(index), weights_mib=total, kv_mib=0, compute_mib=0, overhead_mib=0,
            total_mib=total, available_mib=24000,
        )  # fmt: skip

    totals = [20000, 20010, 20020, 12000]
    choice = Choice(
        model="m", variant="m:q", engine="e", recipe="r", cards=["0", "1", "2", "3"], context=1,
        slots=1, fits=True, speed=Speed(),
        memory=Memory(
            per_card=[memory(i, t) for i, t in enumerate(totals)], host_mib=0, method="formula"
        ),
    )  # fmt: skip
    cards = [Card(id=str(i), vendor="nvidia", index=i) for i in range(4)]
    lines = memory_lines(choice, Inventory(host=Host(), cards=cards))
    assert len(lines) == 2
    assert lines[0].startswith("3 cards")
    assert lines[1].startswith("card 3")
    assert "11.7 GiB left" in lines[1]


def test_an_engine_that_may_be_built_already_is_not_said_to_be_still_to_build(
    inventory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = "deepseek-r1-distill-qwen-7b:q8_0"
    assert run("plan", model, "--users", "2", "--inventory", inventory) == 0

    page = " ".join(capsys.readouterr().out.split())
    assert "built on this server" in page
    assert "on this server first" not in page
