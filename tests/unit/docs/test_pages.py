"""The pages lead where they say, and the commands they name are there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from appliance.cli.main import cli

TOP = Path(__file__).parents[3]
PAGES = sorted([*TOP.glob("*.md"), *TOP.glob("docs/*.md")])
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_COMMAND = re.compile(r"(?:^|`)appliance +([a-z-]+)(?: +([a-z]+))?", re.MULTILINE)

_TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = _LINK.findall(page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_test_that_a_page_names_exists() -> None:
    tests = "\n".join(path.read_text() for path in TOP.glob("tests/**/test_*.py"))
    there = set(_TEST.findall(tests))
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+)[\[`]", page.read_text())}
    assert len(named) > 30
    assert named - there == set()


def test_every_command_in_the_readme_exists() -> None:
    found = _COMMAND.findall((TOP / "README.md").read_text())
    assert len(found) > 5
    context = click.Context(cli)
    for name, word in found:
        command = cli.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group) and word:
            assert command.get_command(context, word) is not None, f"{name} {word}"
