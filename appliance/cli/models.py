"""`models`: the catalogue and the store of weights."""

from __future__ import annotations

import click
import msgspec

from appliance.cli.hardware import json_option
from appliance.cli.options import Group, settings_of
from appliance.cli.output import print_table
from appliance.cli.progress import ProgressLine
from appliance.cli.store import STORE_COMMANDS
from appliance.core.documents import to_json
from appliance.core.errors import NeedsRights
from appliance.core.i18n import _, say
from appliance.core.paths import find_paths
from appliance.core.pull import Progress, Pull
from appliance.node.wishes import PullOptions


@click.group(cls=Group, example="appliance models pull hf:ORG/NAME:*Q4_K_M.gguf")
def models() -> None:
    """The catalogue and the store of weights."""


@models.command("list", example="appliance models list --stored")
@click.option("--stored", is_flag=True, help="only what is in the store")
@json_option
def list_models(stored: bool, as_json: bool) -> None:
    """Every variant of the catalogue, and what is in the store."""
    from appliance.ops.models import model_rows

    rows = [row for row in model_rows(find_paths()) if row.stored or not stored]
    if as_json:
        body = ",".join(to_json(row) for row in rows)
        click.echo(f'{{"schema":"appliance.models/1","models":[{body}]}}')
        return
    head = (_("MODEL"), _("FORMAT"), _("SIZE GB"), _("STORED"), _("LICENCE"))
    table = [
        (r.id, r.format, None if r.bytes is None else f"{r.bytes / 1e9:.1f}",
         _("yes") if r.stored else "", r.licence)
        for r in rows
    ]  # fmt: skip
    print_table(head, table)


@models.command(example="appliance models show hf:ORG/NAME:*Q4_K_M.gguf")
@click.argument("reference")
@json_option
def show(reference: str, as_json: bool) -> None:
    """What a model is, without fetching it."""
    from appliance.cli.model_card import show_model

    show_model(reference, as_json=as_json)


@models.command(example="appliance models pull deepseek-r1-distill-qwen-7b:q4_k_m")
@click.argument("reference")
@json_option
@click.pass_context
def pull(ctx: click.Context, reference: str, as_json: bool) -> None:
    """Fetch weights, verified while they arrive; a killed pull goes on where it was."""
    from appliance.core.reference import parse_reference
    from appliance.node.start import ensure_daemon

    settings = settings_of(ctx)
    if settings.readonly:
        raise NeedsRights(say("--readonly: nothing may be fetched"), hint=say("leave it out"))
    parse_reference(reference)
    client = ensure_daemon(find_paths())
    line = ProgressLine(quiet=as_json or settings.verbosity < 0)
    job_id: str | None = None
    try:
        for message in client.pull(PullOptions(model=reference)):
            if message.get("schema") == "appliance.job/1":
                job_id = message["id"]
                continue
            if as_json:
                click.echo(msgspec.json.encode(message).decode())
            if message.get("schema") == "appliance.progress/1":
                line.show(msgspec.convert(message, Progress))
            elif message.get("schema") == "appliance.pull/1":
                line.end()
                _print_pull(msgspec.convert(message, Pull), quiet=as_json)
    except KeyboardInterrupt:
        if job_id:
            client.cancel_job(job_id)
        raise
    finally:
        line.end()
        client.close()


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


for _command in STORE_COMMANDS:
    models.add_command(_command)
