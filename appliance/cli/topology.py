"""How the cards are linked, as a matrix."""

from __future__ import annotations

import click

from appliance.cli.output import print_table
from appliance.core.i18n import _
from appliance.core.topology import Topology


def _legend() -> str:
    return _(
        "X itself, PIX one PCIe switch, PXB several, PHB a host bridge, NODE within a NUMA node, "
        "SYS between NUMA nodes; other words are interconnects"
    )


def print_topology(found: Topology) -> None:
    """The matrix for people."""
    if not found.cards:
        click.echo(_("there are no cards"))
        return
    names = [f"{card.vendor}{'' if card.index is None else card.index}" for card in found.cards]
    rows = [
        (name, *row, card.numa, card.cpus)
        for name, row, card in zip(names, found.matrix, found.cards, strict=True)
    ]
    print_table(("", *names, _("NUMA"), _("PROCESSORS")), rows)
    click.echo()
    click.echo(_legend())
