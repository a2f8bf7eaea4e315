"""Bare `appliance`: the board where a terminal can show it, the status where none is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from appliance.cli.options import Settings

THEMES = ("dark", "light", "ansi", "high-contrast", "colour-blind")
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def screen_options() -> list[click.Option]:
    """Fresh options of everything that opens screens."""
    return [
        click.Option(
            ["--theme"],
            type=click.Choice(THEMES),
            envvar="APPLIANCE_THEME",
            help="colours of the screens",
        ),
        click.Option(
            ["--no-mouse"],
            is_flag=True,
            help="leave the mouse to the terminal: its own selecting and copying works",
        ),
    ]


def board_options(command: CommandT) -> CommandT:
    """The options of `screen_options` for a command that is made with decorators."""
    command.__dict__.setdefault("__click_params__", []).extend(screen_options())
    return command


def open_board(
    settings: Settings,
    replay: Path | None = None,
    *,
    theme: str | None = None,
    mouse: bool = True,
) -> int:
    """Decide before anything heavy is imported. `replay` is a capture to show instead."""
    from appliance.tui import launch

    streams = (sys.stdin, sys.stdout, sys.stderr)
    mode = launch.mode(os.environ, streams, shutil.get_terminal_size())
    if replay and mode != "rich":
        return _print_capture(replay)
    if mode == "plain":
        from appliance.cli.service import show_status

        return show_status(settings)
    from appliance.core.paths import find_paths

    if mode == "basic":
        from appliance.tui.basic import run_basic

        return run_basic(find_paths(), readonly=settings.readonly)
    from appliance.tui import run

    return run(
        find_paths(),
        readonly=settings.readonly,
        slow=settings.slow,
        replay=replay,
        theme=theme,
        mouse=mouse,
    )


def _print_capture(replay: Path) -> int:
    from appliance.cli.hardware import print_inventory
    from appliance.hardware.box import open_box

    with open_box(replay) as box:
        print_inventory(box.inventory())
    return 0
