"""`engines build`: llama.cpp compiled for this server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.ending import ended_by_signals
from appliance.cli.hardware import json_option
from appliance.cli.options import Command
from appliance.cli.output import print_document, print_documents, print_table
from appliance.cli.progress import ProgressLine
from appliance.core.i18n import _
from appliance.core.paths import find_paths
from appliance.core.progress import Cancel

if TYPE_CHECKING:
    from appliance.engines.environments.places import Installed
    from appliance.engines.native.builds import Build
    from appliance.engines.native.making import BuildProgress

BACKENDS = ("cpu", "cuda", "hip", "musa", "cann", "sycl", "vulkan", "metal")


@click.command(
    "build",
    cls=Command,
    changes=True,
    example="appliance engines build llama.cpp --backend cuda",
)
@click.argument("engine", type=click.Choice(["llama.cpp"]))
@click.option("--backend", type=click.Choice(BACKENDS), required=True, help="what it computes on")
@click.option(
    "--source",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="the source archive, for a server without a package index",
)
@click.option(
    "--from",
    "made",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="the archive of a build from a server of the same kind, with its .sha256 beside it",
)
@json_option
def build(engine: str, backend: str, source: Path | None, made: Path | None, as_json: bool) -> None:
    """Compile an engine for this server; it is used once it has answered a question."""
    from appliance.engines.native.making import archive_of
    from appliance.hardware.box import open_box
    from appliance.ops.builds import build_engine

    paths = find_paths()
    line = ProgressLine(quiet=as_json)
    with open_box(state=paths.state) as box:
        inventory = box.inventory()
    try:
        with ended_by_signals():
            result = build_engine(
                backend,
                inventory,
                paths,
                source=source,
                made=made,
                on_pull=line.show,
                on_build=lambda told: line.tell(
                    build_text(told), key=told.phase, pct=_percent(told)
                ),
                cancel=Cancel(),
            )
    finally:
        line.end()
    if as_json:
        print_document(result)
    else:
        text = _(
            "{engine} {version} with the backend {backend} is built and proven: `appliance up` "
            "starts it from now on. What serves already with another engine keeps that one until "
            "`appliance down`"
        )
        click.echo(text.format(engine=engine, version=result.version, backend=backend))
        archive = archive_of(backend, result.key)
        if archive.exists():
            text = _("for other servers of this kind: {archive}, with its .sha256 (--from)")
            click.echo(text.format(archive=archive))


@click.command("builds", cls=Command, example="appliance engines builds --json")
@json_option
def list_builds(as_json: bool) -> None:
    """Engines that were made here, each with what other servers need to have the same."""
    from appliance.engines.environments.environment import environments
    from appliance.engines.environments.places import installed, lock_of
    from appliance.engines.native.making import archive_of, builds

    found = [one for backend in BACKENDS for one in builds(backend)]
    packages = [one for name in environments() for one in installed(name)]
    if as_json:
        print_documents("appliance.builds/1", "builds", [*found, *packages])
        return
    made: list[tuple[str, Build | Installed, Path]] = [
        (f"llama.cpp {one.backend}", one, archive_of(one.backend, one.key)) for one in found
    ]
    made += [(one.environment, one, lock_of(one.environment, one.key)) for one in packages]
    rows = [
        (name, one.version, _("yes") if one.in_use else "", kept if kept.exists() else None)
        for name, one, kept in made
    ]
    print_table((_("ENGINE"), _("VERSION"), _("IN USE"), _("FOR OTHERS")), rows)


def _percent(told: BuildProgress) -> float | None:
    return 100.0 * told.done / told.total if told.total and told.done is not None else None


def build_text(told: BuildProgress) -> str:
    """`compile 120/340 2:10 left`."""
    parts: list[str] = [told.phase]
    if told.done is not None and told.total:
        parts.append(f"{told.done}/{told.total}")
    if told.eta_s is not None:
        minutes, seconds = divmod(round(told.eta_s), 60)
        parts.append(_("{minutes}:{seconds:02d} left").format(minutes=minutes, seconds=seconds))
    return "  ".join(parts)
