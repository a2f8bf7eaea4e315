"""Bare `appliance`: the board where a terminal can show it, the status where none is."""

from __future__ import annotations

from appliance.cli.options import Settings


def open_board(settings: Settings) -> int:
    """Decide before anything heavy is imported."""
    from appliance.tui.launch import launch_mode

    mode = launch_mode()
    if mode == "plain":
        from appliance.cli.service import show_status

        return show_status()
    from appliance.core.paths import find_paths

    if mode == "basic":
        from appliance.tui.basic import run_basic

        return run_basic(find_paths(), readonly=settings.readonly)
    from appliance.tui import run

    return run(find_paths(), readonly=settings.readonly, slow=settings.slow)
