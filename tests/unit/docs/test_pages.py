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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = _LINK.findall(page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_command_in_the_readme_exists() -> None:
    found = _COMMAND.findall((TOP / "README.md").read_text())
    assert len(found) > 5
    context = click.Context(cli)
    for name, word in found:
        command = cli.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group) and word:
            assert command.get_command(context, word) is not None, f"{name} {word}"
