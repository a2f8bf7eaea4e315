from __future__ import annotations

import re
from collections import Counter

import click
import pytest

from appliance.cli.main import cli as commands
from appliance.tui.actions import (
    ACTIONS,
    EVERYWHERE,
    PLACES,
    Action,
    actions_of,
    for_key,
)
from appliance.tui.app import ApplianceApp
from appliance.tui.drawing import Line, line_cells
from appliance.tui.keys import key_name, typed
from appliance.tui.scene import Scene
from appliance.tui.screens.cards import CardScreen, CardsScreen
from appliance.tui.screens.chat import ChatScreen
from appliance.tui.screens.health import HealthScreen
from appliance.tui.screens.home import HomeScreen
from appliance.tui.screens.logs import LogScreen
from appliance.tui.screens.models import ModelsScreen
from appliance.tui.screens.place import Place
from appliance.tui.screens.services import ServicesScreen
from appliance.tui.screens.setup import SetupScreen
from appliance.tui.views import frame
from appliance.tui.views import help as help_view

SCREENS: dict[str, type[Place]] = {
    kind.place: kind
    for kind in (
        HomeScreen,
        SetupScreen,
        CardsScreen,
        CardScreen,
        ModelsScreen,
        ServicesScreen,
        ChatScreen,
        HealthScreen,
        LogScreen,
    )
}


def text_of(lines: list[Line]) -> str:
    return "\n".join("".join(span.text for span in line) for line in lines)


def test_the_table_names_the_screens_that_exist() -> None:
    assert set(EVERYWHERE) == set(SCREENS)
    assert set(PLACES) == set(ApplianceApp.MODES)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_is_done_named_explained_and_has_a_command(action: Action) -> None:
    assert action.keys
    assert str(action.label)
    assert len(str(action.help)) > 8
    assert action.twin.startswith("appliance") or action.id in ("back", "quit")
    for screen in action.screens:
        owners = (SCREENS[screen], ApplianceApp)
        assert any(callable(getattr(owner, f"do_{action.id}", None)) for owner in owners), screen


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_the_command_that_does_the_same_exists(action: Action) -> None:
    for text in re.split(r" && | > | \| |, then ", action.twin):
        name, *words = text.split() or [""]
        if name != "appliance":
            continue
        command: click.Command = commands
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, text
            command = found
        context = click.Context(command)
        known = {name for option in command.get_params(context) for name in option.opts}
        assert {word for word in words if word.startswith("-")} <= known, text


def test_ids_are_unique() -> None:
    assert max(Counter(action.id for action in ACTIONS).values()) == 1


@pytest.mark.parametrize("screen", EVERYWHERE)
def test_a_key_means_one_thing_on_a_screen(screen: str) -> None:
    keys = Counter(key for action in actions_of(screen) for key in action.keys)

    assert [key for key, count in keys.items() if count > 1] == []
    for key in keys:
        assert for_key(screen, key) in ACTIONS


@pytest.mark.parametrize("screen", EVERYWHERE)
def test_every_action_of_a_screen_is_in_its_help(screen: str) -> None:
    page = text_of(help_view.page(Scene(width=100), screen))

    for action in actions_of(screen):
        assert action.twin in page
        assert all(key_name(key) in page for key in action.keys)


def test_every_key_of_the_table_is_bound() -> None:
    bound = {binding.key for binding in ApplianceApp.BINDINGS}  # type: ignore[union-attr]

    assert {key for action in ACTIONS for key in action.keys} <= bound


def test_nothing_that_destroys_hangs_on_a_small_letter() -> None:
    for action in ACTIONS:
        if action.danger == "moderate":
            assert not any(len(key) == 1 and key.islower() for key in action.keys)


def test_leaving_and_help_never_need_a_letter_or_escape() -> None:
    for name in ("quit", "help", "palette"):
        (action,) = (action for action in ACTIONS if action.id == name)
        assert any(not typed(key) for key in action.keys)


@pytest.mark.parametrize("screen", EVERYWHERE)
@pytest.mark.parametrize("width", [70, 80, 120, 300])
def test_the_key_bar_fills_its_line_and_keeps_help_and_quit(screen: str, width: int) -> None:
    line = frame.key_bar(Scene(width=width), screen)

    assert line_cells(line) == width
    actions = [span.action for span in line]
    assert "help" in actions
    assert "quit" in actions


def test_read_only_hides_what_writes() -> None:
    actions = {span.action for span in frame.key_bar(Scene(width=200, readonly=True), "home")}

    assert "stop" not in actions
    assert "chat" in actions
