"""`appliance demo`: the screens on a simulated fleet."""

from __future__ import annotations

import os
import shutil
import sys

import click

from appliance.cli.board import board_options
from appliance.cli.options import Command, settings_of
from appliance.core.i18n import _

_KINDS = ("nvidia", "ascend", "amd", "hygon", "metax", "mthreads", "mixed")
_CARDS_EACH = 8


@click.command(cls=Command, example="appliance demo --nodes 20 --cards mixed")
@click.option(
    "--nodes", default=1, show_default=True, type=click.IntRange(1, 64), help="how many servers"
)
@click.option(
    "--cards",
    default="nvidia",
    show_default=True,
    type=click.Choice(_KINDS),
    help="kind of their cards",
)
@board_options
@click.pass_context
def demo(ctx: click.Context, nodes: int, cards: str, theme: str | None, no_mouse: bool) -> int:
    """Look around on servers that do not exist: for training and pictures. Nothing is touched.

    Where no screen can be shown, the simulated cards are printed.
    """
    from appliance.tui import launch

    settings = settings_of(ctx)
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if launch.mode(os.environ, streams, shutil.get_terminal_size()) != "rich":
        return _print(nodes, cards)
    from appliance.tui import show
    from appliance.tui.demo import demo as backend

    return show(
        backend(_CARDS_EACH, cards, nodes=nodes),
        readonly=settings.readonly,
        slow=settings.slow,
        theme=theme,
        mouse=not no_mouse,
    )


def _print(nodes: int, cards: str) -> int:
    from appliance.cli.hardware import print_inventory
    from appliance.tui.demo import DemoNode

    click.echo(_("DEMO: these servers do not exist"))
    print_inventory(DemoNode(_CARDS_EACH, cards, nodes=nodes).inventory())
    return 0
