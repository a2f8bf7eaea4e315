"""The commands of `models` between appliances: `share` on one, `peer` on the others."""

from __future__ import annotations

import sys

import click

from appliance.cli.hardware import json_option
from appliance.cli.options import Command, settings_of
from appliance.cli.output import print_document, print_documents, print_table
from appliance.core.errors import UsageError
from appliance.core.i18n import _, say
from appliance.core.reference import PEER_PORT, parse_peer
from appliance.node.wishes import Shared, ShareOptions


@click.command(cls=Command, changes=True, example="appliance models share --address 10.0.0.7")
@click.option("--address", default="127.0.0.1", help="of this server, where others reach it")
@click.option("--port", type=click.IntRange(1, 65535), default=PEER_PORT, show_default=True)
@click.option("--off", is_flag=True, help="share no longer")
@json_option
@click.pass_context
def share(ctx: click.Context, address: str, port: int, off: bool, as_json: bool) -> None:
    """Let other appliances fetch models from this one: only with the key, and only models."""
    from appliance.cli.daemon import daemon_client

    options = ShareOptions(on=not off, address=address, port=port)
    with daemon_client(settings_of(ctx)) as client:
        shared = client.share(options)
    if as_json:
        print_document(shared)
    else:
        _tell(shared)


def _tell(shared: Shared) -> None:
    if not shared.on:
        click.echo(_("models are no longer shared"))
        return
    place = shared.address if shared.port == PEER_PORT else f"{shared.address}:{shared.port}"
    click.echo(_("models are shared at {place}; the key:").format(place=place))
    click.echo(shared.key)
    click.echo(_("on the other appliance: `appliance models peer {place}`").format(place=place))


@click.command(cls=Command, changes=True, example="appliance models peer 10.0.0.7 < key.txt")
@click.argument("place", metavar="HOST[:PORT]")
@click.option("--forget", "forgotten", is_flag=True, help="never ask it again")
@json_option
def peer(place: str, forgotten: bool, as_json: bool) -> None:
    """Get to know another appliance that shares its models, and list them. Asks for its key."""
    from appliance.weights.peers import forget, meet

    found = parse_peer(place)
    if found is None:
        raise UsageError(
            say("not a place of an appliance: {place}", place=place),
            hint=say("write HOST or HOST:PORT"),
        )
    if forgotten:
        forget(*found)
        return
    models = meet(*found, _key())
    if as_json:
        print_documents("appliance.peer-models/1", "models", models)
        return
    rows = [(f"peer:{place}/{model.id}", f"{model.bytes / 1e9:.2f}") for model in models]
    print_table((_("MODEL"), _("SIZE GB")), rows)


def _key() -> str:
    """From the terminal, unseen, or from standard input."""
    if sys.stdin.isatty():
        return str(click.prompt(_("its key"), hide_input=True, err=True))
    return sys.stdin.read()


PEER_COMMANDS = (share, peer)
