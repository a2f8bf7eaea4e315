"""`appliance setup` without a daemon: plans, schemas, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.cli import main
from appliance.core.errors import UsageError
from appliance.core.i18n import use_default_language
from appliance.core.paths import find_paths
from appliance.core.status import Proof, Seconds, Up
from appliance.node.wishes import UpOptions
from appliance.ops.setup.answers import Answers
from appliance.ops.setup.draft import load_draft
from appliance.ops.setup.proposal import Proposal

UP = Up(
    deployment="d", model="m", variant="m:q4_k_m", engine="llama.cpp", cards=["cpu"],
    endpoint="http://127.0.0.1:8480/v1", key="sk-1", seconds=Seconds(),
    proof=Proof(prompt="Hello?", answer="Good day.", first_token_s=0.1, decode_tps=20.0),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    yield
    use_default_language("en")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[UpOptions]:
    """What the daemon is asked for; it is not started."""
    wanted: list[UpOptions] = []

    def run_up(options: UpOptions, *_: Any, **__: Any) -> Up:
        wanted.append(options)
        return UP

    monkeypatch.setattr("appliance.cli.up.run_up", run_up)
    return wanted


def run(*words: str) -> int:
    return main.run(["setup", *words])


def file(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_schema_is_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--print-schema") == 0

    schema = json.loads(capsys.readouterr().out)
    assert schema["$defs"]["Answers"]["properties"]["style"]["enum"] == [
        "chat",
        "code",
        "documents",
    ]


def test_a_dry_run_prints_the_plan_and_the_file(
    own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--dry-run", "--users", "3", "--key-name", "ward 3") == 0

    out = capsys.readouterr().out
    assert "3 people" in out
    assert out.endswith('# answers.toml\nusers = 3\nkey_name = "ward 3"\n')
    assert list(own_home.iterdir()) == []


def test_a_dry_run_as_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--dry-run", "--users", "3", "--json") == 0

    proposal = msgspec.json.decode(capsys.readouterr().out, type=Proposal)
    assert proposal.answers == Answers(users=3)
    assert proposal.choice.fits
    assert "serve" in [step.what for step in proposal.steps]


def test_what_is_typed_goes_before_the_file(tmp_path: Path, asked: list[UpOptions]) -> None:
    answers = file(tmp_path / "a.toml", 'users = 3\nstyle = "code"\nadapt = true\n')

    assert run("--answers", answers, "--users", "9", "--yes") == 0

    assert asked == [UpOptions(users=9, style="code", adapt=True)]


def test_up_takes_the_same_file(tmp_path: Path, asked: list[UpOptions]) -> None:
    answers = file(tmp_path / "a.toml", 'language = "zh"\nusers = 3\nmodel = "fastest"\n')

    assert main.run(["up", "--answers", answers, "--context", "4096"]) == 0

    assert asked == [UpOptions(users=3, model="fastest", context=4096)]
    assert 'language = "zh"' in (find_paths().config / "config.toml").read_text()


@pytest.mark.parametrize("command", ["setup", "up"])
def test_a_bad_file_is_a_usage_error_with_lines(
    command: str, tmp_path: Path, asked: list[UpOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    answers = file(tmp_path / "a.toml", "users = 3\nstyle = 1\n")

    assert main.run([command, "--answers", answers, "--yes"]) == UsageError.exit_code

    assert "a.toml, line 2, style: 1 is not allowed; chat, documents or code" in (
        capsys.readouterr().err
    )
    assert asked == []


def test_the_result_is_told_with_url_key_and_answer(
    asked: list[UpOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--yes") == 0

    out = capsys.readouterr().out
    assert "Good day." in out
    assert "sk-1" in out


def test_the_language_typed_is_the_language_kept(asked: list[UpOptions]) -> None:
    assert run("--yes", "--lang", "zh") == 0

    assert 'language = "zh"' in (find_paths().config / "config.toml").read_text()


def test_without_a_terminal_and_a_yes_nothing_is_asked_and_nothing_done(
    asked: list[UpOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == UsageError.exit_code

    assert "no terminal" in capsys.readouterr().err
    assert asked == []


def test_read_only_plans_but_does_not_apply(
    asked: list[UpOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--readonly", "--dry-run") == 0
    assert run("--readonly", "--yes") == 5
    assert asked == []


def test_a_capture_is_planned_for_and_never_changed(
    shared: Path, asked: list[UpOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    captures = [p.parent for p in sorted((shared / "captures").rglob("manifest.json"))]

    assert run("--replay", str(captures[0]), "--yes") == UsageError.exit_code
    assert asked == []
    codes = {run("--replay", str(capture), "--dry-run") for capture in captures[:3]}
    assert codes <= {0, 3, 6}


@pytest.mark.parametrize(("mode", "front"), [("rich", "run"), ("basic", "run_basic")])
def test_given_answers_open_the_wizard_at_its_plan(
    mode: str, front: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr("appliance.tui.launch.mode", lambda *_: mode)
    where = "appliance.tui" if mode == "rich" else "appliance.tui.basic"

    def show(*_: Any, **more: Any) -> int:
        opened.append(more)
        return 0

    monkeypatch.setattr(f"{where}.{front}", show)

    assert run("--users", "6") == 0

    draft = load_draft(find_paths())
    assert draft
    assert (draft.page, draft.answers.users) == ("summary", 6)
    assert opened[0].get("place", "setup") == "setup"
    assert opened[0].get("setup", True) is True
