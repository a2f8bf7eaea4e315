"""`cards`: which cards may be used."""

from __future__ import annotations

import click

from appliance.cli.daemon import daemon_client
from appliance.cli.hardware import json_option, label_of
from appliance.cli.options import Group, settings_of
from appliance.cli.output import print_documents, print_table
from appliance.cli.words import state_word
from appliance.core.i18n import _


@click.group(cls=Group, example="appliance cards hold nvidia0 --reason 'fan is being replaced'")
def cards() -> None:
    """Which cards may be used: take them out of service, and let them back."""


@cards.command("list", example="appliance cards list --json")
@json_option
@click.pass_context
def list_cards(ctx: click.Context, as_json: bool) -> None:
    """Every card, and why it is held where it is."""
    with daemon_client(settings_of(ctx)) as client:
        found = client.status().cards
    if as_json:
        print_documents("appliance.cards/1", "cards", found)
        return
    rows = [
        (
            label_of(card.vendor, card.index),
            card.name,
            state_word(card.state),
            card.hold and state_word(card.hold.kind),
            card.hold and card.hold.since[:19],
            card.hold and card.hold.reason,
            card.id,
        )
        for card in found
    ]
    head = (
        _("CARD"), _("NAME"), _("STATE"), _("HELD"), _("SINCE"), _("REASON"), _("ID"),
    )  # fmt: skip
    print_table(head, rows)
    for card in found:
        if card.hold and card.hold.evidence:
            click.echo(_("{card}: see {path}").format(card=card.id, path=card.hold.evidence))


@cards.command(changes=True, example="appliance cards hold nvidia0 --reason 'fan is replaced'")
@click.argument("card", metavar="ID")
@click.option("--reason", default="maintenance", help="why, for whoever looks later")
@click.pass_context
def hold(ctx: click.Context, card: str, reason: str) -> None:
    """Use a card no more: running answers end, then its engines stop or move."""
    with daemon_client(settings_of(ctx)) as client:
        client.hold_card(card, reason)
    click.echo(_("{card} is held").format(card=card))


@cards.command(changes=True, example="appliance cards release nvidia0")
@click.argument("card", metavar="ID")
@click.pass_context
def release(ctx: click.Context, card: str) -> None:
    """Use a held card again; what ran on it before comes back."""
    with daemon_client(settings_of(ctx)) as client:
        client.release_card(card)
    click.echo(_("{card} is released").format(card=card))
