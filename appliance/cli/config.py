"""`config`: settings, and where each value came from."""

from __future__ import annotations

import json

import click

from appliance.cli.hardware import json_option
from appliance.cli.options import Group
from appliance.cli.output import print_table
from appliance.core.config import config_file, origins, schema
from appliance.core.i18n import _
from appliance.core.paths import find_paths


@click.group(cls=Group, example="appliance config show")
def config() -> None:
    """Settings, and where each value came from."""


@config.command(example="appliance config show --json")
@json_option
def show(as_json: bool) -> None:
    """Every setting with its value and its origin."""
    found = origins(find_paths())
    if as_json:
        click.echo(json.dumps({"schema": "appliance.config/1", "settings": found}, indent=2))
        return
    rows = [(name, entry["value"], entry["origin"]) for name, entry in found.items()]
    print_table((_("SETTING"), _("VALUE"), _("FROM")), rows)


@config.command(example="appliance config path")
def path() -> None:
    """Where the settings file is."""
    click.echo(str(config_file(find_paths())))


@config.command("schema", example="appliance config schema")
def print_schema() -> None:
    """The JSON schema of the settings file."""
    click.echo(json.dumps(schema(), indent=2))
