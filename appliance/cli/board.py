"""Bare `appliance`: the board where a terminal can show it, the status where none is."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from appliance.cli.options import Settings


def open_board(settings: Settings, replay: Path | None = None) -> int:
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

    return run(find_paths(), readonly=settings.readonly, slow=settings.slow, replay=replay)


def _print_capture(replay: Path) -> int:
    from appliance.cli.hardware import print_inventory
    from appliance.hardware.box import open_box

    with open_box(replay) as box:
        print_inventory(box.inventory())
    return 0
