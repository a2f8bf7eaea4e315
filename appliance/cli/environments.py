"""`engines install`: engines as Python packages, each in an environment of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.ending import ended_by_signals
from appliance.cli.hardware import json_option
from appliance.cli.options import Command
from appliance.cli.output import print_document
from appliance.cli.progress import ProgressLine
from appliance.core.i18n import _
from appliance.core.paths import find_paths
from appliance.core.progress import Cancel

if TYPE_CHECKING:
    from appliance.engines.environments.installing import InstallProgress
    from appliance.engines.environments.places import Installed


@click.command("install", cls=Command, changes=True, example="appliance engines install vllm-cuda")
@click.argument("environment", metavar="ID|RECIPE")
@click.option(
    "--wheels",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="a directory with all packages, for a server without a package index",
)
@click.option("--index", metavar="URL", help="the package index to ask instead of the usual one")
@json_option
def install(environment: str, wheels: Path | None, index: str | None, as_json: bool) -> None:
    """Install an engine as Python packages; it is used once it has been proven."""
    from appliance.hardware.box import open_box
    from appliance.ops.environments import install_environment

    with open_box(state=find_paths().state) as box:
        inventory = box.inventory()
    with ProgressLine(quiet=as_json) as line, ended_by_signals():
        result = install_environment(
            environment,
            inventory,
            wheels=wheels,
            index=index,
            on_install=lambda told: line.tell(
                install_text(told), key=told.phase, pct=_percent(told)
            ),
            cancel=Cancel(),
        )
    if as_json:
        print_document(result)
    else:
        _tell(result)


def _tell(result: Installed) -> None:
    from appliance.engines.environments.places import lock_of

    name, version = result.environment, result.version
    text = (
        _("{name} {version} is installed, has answered a question, and is in use")
        if result.served
        else _(
            "{name} {version} is installed and in use; it is proven when it serves a first model"
        )
    )
    click.echo(text.format(name=name, version=version))
    text = _("what was installed, for other servers to repeat: {lock}")
    click.echo(text.format(lock=lock_of(name, result.key)))


def _percent(told: InstallProgress) -> float | None:
    return 100.0 * told.done / told.total if told.total and told.done is not None else None


def install_text(told: InstallProgress) -> str:
    """`fetch  1200/3400 MB  2:10 left`."""
    parts: list[str] = [told.phase]
    if told.done is not None:
        unit = " MB" if told.phase == "fetch" else ""
        parts.append(f"{told.done}/{told.total or '?'}{unit}")
    if told.eta_s is not None:
        minutes, seconds = divmod(round(told.eta_s), 60)
        parts.append(_("{minutes}:{seconds:02d} left").format(minutes=minutes, seconds=seconds))
    return "  ".join(parts)
