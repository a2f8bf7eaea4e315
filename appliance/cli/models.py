"""`models`: the catalogue and the store of weights."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from appliance.cli.catalogue import update
from appliance.cli.diagnostics import note
from appliance.cli.hardware import json_option
from appliance.cli.options import Group, Settings, settings_of
from appliance.cli.output import print_documents
from appliance.cli.peers import PEER_COMMANDS
from appliance.cli.progress import ProgressLine
from appliance.cli.pulls import JOB_COMMANDS
from appliance.cli.store import STORE_COMMANDS
from appliance.core.i18n import _, say
from appliance.core.paths import find_paths
from appliance.core.pull import Progress, Pull
from appliance.core.reference import from_here, parse_reference
from appliance.node.wishes import PullOptions


@click.group(cls=Group, example="appliance models pull hf:ORG/NAME:*Q4_K_M.gguf")
def models() -> None:
    """The catalogue and the store of weights."""


@models.command("list", example="appliance models list --all")
@click.option("--stored", is_flag=True, help="only what is in the store")
@click.option("--all", "everything", is_flag=True, help="also what does not run here, and why")
@json_option
def list_models(stored: bool, everything: bool, as_json: bool) -> None:
    """What runs on this server, best first, and what is in the store."""
    from appliance.catalog.updates import in_use
    from appliance.cli.models_view import print_models, print_stored
    from appliance.cli.plan import inventory_of
    from appliance.ops.models import model_rows

    paths = find_paths()
    rows = model_rows(paths, None if stored else inventory_of(None, None))
    if stored:
        rows = [row for row in rows if row.stored]
    if as_json:
        print_documents("appliance.models/1", "models", rows, catalogue=in_use(paths))
    elif stored:
        print_stored(rows)
    else:
        print_models(rows, everything=everything)


@models.command(example="appliance models show hf:ORG/NAME:*Q4_K_M.gguf")
@click.argument("reference")
@json_option
def show(reference: str, as_json: bool) -> None:
    """What a model is, without fetching it."""
    from appliance.cli.model_card import show_model

    show_model(from_here(reference), as_json=as_json)


@models.command(changes=True, example="appliance models pull deepseek-r1-distill-qwen-7b:q4_k_m")
@click.argument("reference")
@click.option("--limit", metavar="SPEED", help="such as 50M, or 10M@08:00-18:00,100M by the hour")
@json_option
@click.pass_context
def pull(ctx: click.Context, reference: str, limit: str | None, as_json: bool) -> None:
    """Fetch weights, verified while they arrive; a killed pull goes on where it was."""
    from appliance.cli.daemon import daemon_client, following, note_unheard

    settings = settings_of(ctx)
    parse_reference(reference)
    options = PullOptions(model=from_here(reference), limit=limit)
    line = ProgressLine(quiet=as_json or settings.verbosity < 0)
    with (
        daemon_client(settings) as client,
        line,
        following(client, client.pull(options), line.paused) as messages,
    ):
        note_unheard(client, settings)
        for message in messages:
            if as_json:
                click.echo(msgspec.json.encode(message).decode())
            if message["schema"] == "appliance.progress/1":
                line.show(msgspec.convert(message, Progress))
            elif message["schema"] == "appliance.pull/1":
                line.end()
                result = msgspec.convert(message, Pull)
                _note_trust(result, settings)
                _print_pull(result, quiet=as_json)


def _note_trust(result: Pull, settings: Settings) -> None:
    """Say it where nobody published what a file must be."""
    names = [Path(file.path).name for file in result.files if file.trust == "first-use"]
    if names:
        text = say(
            "nobody publishes a hash of {names}: this first copy is trusted, and that is recorded",
            names=", ".join(names[:3]) + (" …" if len(names) > 3 else ""),
        )
        note(text, settings)


def _print_pull(result: Pull, *, quiet: bool) -> None:
    if quiet:
        return
    for file in result.files:
        click.echo(f"{file.sha256}  {file.path}")
    click.echo(
        _("{model}: {fetched:.1f} MB fetched, {reused:.1f} MB were here, {seconds:.0f} s").format(
            model=result.model,
            fetched=result.bytes_fetched / 1e6,
            reused=result.bytes_reused / 1e6,
            seconds=result.seconds,
        )
    )


for _command in (update, *JOB_COMMANDS, *STORE_COMMANDS, *PEER_COMMANDS):
    models.add_command(_command)
