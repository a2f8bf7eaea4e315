"""`models update`: a newer catalogue, signed."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli.hardware import json_option
from appliance.cli.options import Command
from appliance.cli.output import print_document
from appliance.core.errors import UsageError
from appliance.core.i18n import _, say
from appliance.core.paths import find_paths


@click.command(changes=True, cls=Command, example="appliance models update --from models.toml")
@click.option("--from", "source", metavar="FILE|URL", help="the signed catalogue to use")
@click.option("--key", metavar="KEY|FILE", help="the public key that must have signed it")
@click.option("--rollback", is_flag=True, help="use the catalogue before this one again")
@click.option(
    "--sign",
    "unsigned",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="sign this file with the key of this site, for other sites",
)
@json_option
def update(
    source: str | None, key: str | None, rollback: bool, unsigned: Path | None, as_json: bool
) -> None:
    """Use a newer catalogue, go back, or sign one; without options say which is in use."""
    from appliance.catalog.updates import in_use
    from appliance.catalog.updates import rollback as roll_back
    from appliance.ops.catalogue import sign_catalogue, update_catalogue

    if sum((source is not None, rollback, unsigned is not None)) > 1 or (key and not source):
        raise UsageError(
            say("--from (with --key), --rollback and --sign exclude each other"),
            hint=say("see `appliance models update --help`"),
        )
    paths = find_paths()
    if unsigned:
        text = sign_catalogue(unsigned, paths)
        click.echo(_("{path} is signed; others check it with --key {key}").format(
            path=unsigned, key=text))  # fmt: skip
        return
    info = (
        roll_back(paths)
        if rollback
        else update_catalogue(source, paths, key)
        if source
        else in_use(paths)
    )
    if as_json:
        print_document(info)
    else:
        click.echo(catalogue_line())


def catalogue_line() -> str:
    """Which catalogue is in use, for people."""
    from appliance.catalog.updates import in_use

    info = in_use(find_paths())
    if info.origin == "release":
        text = _("catalogue of {date}, of this release")
        return text.format(date=info.updated)
    text = _("catalogue of {date}, an update signed by {site}")
    return text.format(date=info.updated, site=info.signed_by)
