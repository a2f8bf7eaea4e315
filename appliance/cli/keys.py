"""`keys`: who may ask."""

from __future__ import annotations

import click

from appliance.cli.hardware import json_option
from appliance.cli.options import Group
from appliance.cli.output import print_document, print_documents, print_table
from appliance.core.i18n import _
from appliance.core.paths import find_paths, private_directory
from appliance.gateway.keys import KeyStore
from appliance.gateway.process import KEYS_FILE


def open_keys() -> KeyStore:
    """The keys of this appliance."""
    return KeyStore(private_directory(find_paths().state) / KEYS_FILE)


@click.group(cls=Group, example="appliance keys add ward-3")
def keys() -> None:
    """Who may ask: add, list and revoke keys."""


@keys.command(changes=True, example="appliance keys add ward-3 --json")
@click.argument("name")
@click.option("--role", type=click.Choice(["user", "metrics", "admin"]), default="user")
@json_option
def add(name: str, role: str, as_json: bool) -> None:
    """Make a key; it is shown this once."""
    new = open_keys().add(name, role)  # type: ignore[arg-type]
    if as_json:
        print_document(new)
    else:
        click.echo(_("{name} ({id}): {key}").format(name=new.name, id=new.id, key=new.key))


@keys.command("list", example="appliance keys list")
@json_option
def list_keys(as_json: bool) -> None:
    """All keys, without their secret."""
    records = open_keys().list()
    if as_json:
        print_documents("appliance.keys/1", "keys", records)
        return
    rows = [(r.id, r.name, r.role, r.created[:19], r.revoked and r.revoked[:19]) for r in records]
    print_table((_("ID"), _("NAME"), _("ROLE"), _("CREATED"), _("REVOKED")), rows)


@keys.command(changes=True, example="appliance keys revoke k1a2b3c4")
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """Make a key worthless, at once."""
    record = open_keys().revoke(key_id)
    click.echo(_("revoked {id} ({name})").format(id=record.id, name=record.name))
