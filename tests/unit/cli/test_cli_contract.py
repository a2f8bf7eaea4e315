"""What every command promises: help with an example, global options, exit codes, JSON alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import click
import pytest

from appliance.cli import main
from appliance.cli.diagnostics import exit_code_of
from appliance.cli.options import Settings
from appliance.core import i18n
from appliance.core.errors import ApplianceError, DoesNotFit, NeedsRights, TimedOut, Unreachable


def commands(
    group: click.Group = main.cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Every command and group by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def leaves() -> list[tuple[str, ...]]:
    every = list(commands())
    return [one for one in every if not any(o[: len(one)] == one and o != one for o in every)]


ALL = list(commands())
CHANGING = [
    ("up",), ("down",), ("daemon",), ("models", "pull", "x"), ("models", "import", "/"),
    ("models", "rm", "x"), ("models", "gc"), ("keys", "add", "x"), ("keys", "revoke", "x"),
    ("models", "export", "x", "y"), ("engines", "build", "llama.cpp", "--backend", "cpu"),
    ("engines", "pull", "x"), ("engines", "load", __file__),
]  # fmt: skip
JSON = [
    ("status",), ("detect",), ("detect", "--topology"), ("watch", "--count", "1"), ("plan",),
    ("models", "list"), ("models", "list", "--stored"), ("models", "show", "deepseek-v3"),
    ("models", "show", "deepseek-v3:q4_k_m"), ("engines", "list"),
    ("engines", "show", "deepseek-r1-distill-qwen-1.5b:q4_k_m"), ("keys", "list"),
    ("keys", "add", "x"), ("config", "show"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def language_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a fresh process: nobody has chosen a language."""
    monkeypatch.setattr(i18n, "_language", ContextVar("language", default=None))
    monkeypatch.setattr(i18n, "_default", "en")


def run(*words: str) -> int:
    return main.run(list(words))


@pytest.mark.parametrize("words", [(), *ALL], ids=" ".join)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_command_has_help_with_an_example(
    words: tuple[str, ...], language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--lang", language, *words, "--help") == 0

    out = capsys.readouterr().out
    example = {"en": "Example: appliance ", "zh": "示例"}[language]
    assert example in out
    assert " ".join(("appliance", *words)) in out.rpartition(example[:2])[2] + out
    assert (max(out) >= "一" and language == "zh") or language == "en"


@pytest.mark.parametrize("words", leaves(), ids=" ".join)
def test_every_command_takes_the_global_options_on_both_sides(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--lang", "en", "--no-color", "--readonly", "--slow", "-v", "-q")

    assert run(*given, *words, "--help") == 0
    assert run(*words, *given, "--help") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", CHANGING, ids=" ".join)
@pytest.mark.parametrize("place", ["before", "after"])
def test_readonly_refuses_what_changes_something(
    words: tuple[str, ...], place: str, capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    arguments = ("--readonly", *words) if place == "before" else (*words, "--readonly")

    assert run(*arguments) == 5
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]
    assert list(own_home.iterdir()) == []


def test_an_empty_store_is_said_to_be_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "list", "--stored") == 0

    assert capsys.readouterr().out.splitlines()[-1] == "the store is empty"


@pytest.mark.parametrize("words", JSON, ids=" ".join)
def test_json_is_one_document_and_nothing_else(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words, "--json") == 0

    assert json.loads(capsys.readouterr().out)["schema"].startswith("appliance.")


def said_by_sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("whatever its words are")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ApplianceError("x", hint="y"), 1),
        (click.UsageError("x"), 2),
        (Unreachable("x", hint="y"), 3),
        (TimedOut("x", hint="y"), 4),
        (NeedsRights("x", hint="y"), 5),
        (PermissionError(13, "denied", "/x"), 5),
        (OSError(30, "Read-only file system", "/x"), 5),
        (DoesNotFit("x", hint="y"), 6),
        (OSError(28, "No space left on device", "/x"), 6),
        (said_by_sqlite(sqlite3.SQLITE_FULL), 6),
        (said_by_sqlite(sqlite3.SQLITE_READONLY), 5),
        (OSError(5, "Input/output error", "/x"), 1),
        (KeyboardInterrupt(), 130),
        (RuntimeError("a bug"), 1),
    ],
)
def test_errors_are_two_lines_and_a_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(error, Settings()) == code

    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]


@pytest.mark.parametrize("group", ["models", "engines", "keys", "config"])
def test_a_group_alone_says_that_a_command_is_missing(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(group) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_settings_choose_the_language_but_the_environment_goes_first(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_home / "config").mkdir()
    (own_home / "config" / "config.toml").write_text('[ui]\nlanguage = "zh"\n')
    for environment, example in (("", "示例"), ("en", "Example")):
        monkeypatch.setenv("APPLIANCE_LANG", environment)
        with pytest.raises(SystemExit):
            main.main(["status", "--help"])
        assert example in capsys.readouterr().out


def test_a_plan_without_fit_exits_6(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "deepseek-v3", "--users", "4") == 6
    assert "TOO-BIG" in capsys.readouterr().out


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_plan_is_read_at_100_columns(
    language: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.cli.output import width

    monkeypatch.setenv("COLUMNS", "100")
    assert run("--lang", language, "plan", "--users", "40") in (0, 6)

    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if width(line) > 100] == []


@pytest.mark.parametrize("text", ["model = 1", "modl = 'x'", "not toml", "users = 'many'"])
def test_an_answer_file_that_cannot_be_meant_is_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = tmp_path / "answers.toml"
    answers.write_text(text)

    assert run("up", "--answers", str(answers), "--yes") == 2
    assert str(answers) in capsys.readouterr().err


def test_what_is_typed_goes_before_the_answer_file(tmp_path: Path, monkeypatch: Any) -> None:
    from appliance.node.wishes import up_options
    from appliance.ops.setup.answers import answers_of, read_answers

    monkeypatch.chdir(tmp_path)
    answers = tmp_path / "answers.toml"
    answers.write_text('model = "file:x.gguf"\nusers = 3\nallow_cpu = true\n')

    options = up_options(answers_of({**read_answers(answers), "users": 7}))

    assert (options.model, options.users, options.allow_cpu) == (
        f"file:{tmp_path}/x.gguf",
        7,
        True,
    )


def test_verbose_tells_where_the_daemon_writes(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    assert run("logs", "-v") == 2
    err = capsys.readouterr().err
    assert str(own_home / "logs" / "daemon.log") in err
    assert run("down") == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("up", "--users", "0"), "的值无效"),
        (("nothing-like-it",), "没有命令"),
        (("chat", "--nothing-like-it"), "没有选项"),
        (("engines", "show"), "缺少参数"),
        (("up", "--users"), "需要一个值"),
    ],
)
def test_wrong_usage_is_told_in_the_language_of_the_reader(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--lang", "zh", *words) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert told in error
    assert not any(word in error for word in ("Invalid", "No such", "Missing", "requires"))
    assert "--help" in hint


def test_the_frame_of_a_help_page_is_in_the_language_of_the_reader(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--lang", "zh", "up", "--help") == 0
    page = capsys.readouterr().out
    assert page.startswith("用法：")
    assert "\n选项" in page
    assert run("--lang", "en", "up", "--help") == 0
    assert capsys.readouterr().out.startswith("Usage: ")
