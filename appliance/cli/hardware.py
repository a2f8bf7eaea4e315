"""`detect`, `watch` and `capture`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from appliance.cli.options import Command
from appliance.cli.output import mib, print_document, print_table
from appliance.core.i18n import _
from appliance.core.inventory import Inventory
from appliance.core.paths import find_paths
from appliance.core.sample import Sample
from appliance.core.topology import Topology

replay_option = click.option(
    "--replay",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="answer from a capture, not from this server",
)
json_option = click.option("--json", "as_json", is_flag=True, help="print JSON")


@click.command(cls=Command, example="appliance detect --json")
@json_option
@replay_option
@click.option("--topology", is_flag=True, help="how the cards are linked")
def detect(as_json: bool, replay: Path | None, topology: bool) -> int:
    """What is in this server: cards, drivers, processors, memory, disks."""
    from appliance.hardware.box import open_box

    with open_box(replay, state=find_paths().state) as box:
        if topology:
            return _show_topology(box.topology(), as_json=as_json)
        inventory = box.inventory()
    if as_json:
        print_document(inventory)
    else:
        print_inventory(inventory)
    return 0


def _show_topology(found: Topology, *, as_json: bool) -> int:
    if as_json:
        print_document(found)
    else:
        from appliance.cli.topology import print_topology

        print_topology(found)
    return 0


def print_inventory(inventory: Inventory) -> None:
    """The inventory for people."""
    host = inventory.host
    cpu = host.cpu
    click.echo(f"{host.hostname or '-'}  {host.os or '-'}  {host.arch or '-'}")
    click.echo(
        _("{cpu}: {sockets} socket(s), {cores} cores, {memory} memory").format(
            cpu=cpu.model or _("processor"),
            sockets=cpu.sockets or "-",
            cores=cpu.cores or "-",
            memory=mib(host.memory_mib),
        )
    )
    click.echo()
    head = (_("CARD"), _("NAME"), _("STATE"), _("MEMORY"), _("DRIVER"), _("ARCH"), _("PCI"))
    rows = [
        (c.id, c.name, c.state, mib(c.memory_mib), c.driver, c.arch, c.pci) for c in inventory.cards
    ]
    print_table(head, rows)
    for problem in inventory.problems:
        click.echo()
        click.echo(f"{problem.severity.upper()} {problem.code}: {problem.text}")
        if problem.advice:
            click.echo(f"  {problem.advice}")


@click.command(cls=Command, example="appliance watch --interval 2 --count 10")
@json_option
@click.option("--interval", default=1.0, type=click.FloatRange(0.2, 3600), help="seconds between")
@click.option("--count", type=click.IntRange(1), help="end after so many samples")
@replay_option
def watch(as_json: bool, interval: float, count: int | None, replay: Path | None) -> int:
    """How the cards and the host are doing, one sample after the other."""
    from appliance.hardware.box import open_box

    with open_box(replay, state=find_paths().state) as box:
        inventory = box.inventory()
        names = {card.id: card.name or card.vendor for card in inventory.cards}
        done = 0
        due = time.monotonic()
        while count is None or done < count:
            sample = box.sample()
            if as_json:
                print_document(sample, lines=True)
            else:
                print_sample(sample, names)
            done += 1
            due += interval
            if count is None or done < count:
                time.sleep(max(0.0, due - time.monotonic()))
    return 0


def print_sample(sample: Sample, names: dict[str, str]) -> None:
    """One sample for people."""
    head = (
        _("TIME"), _("CARD"), _("USE%"), _("MEMORY"), _("TEMP"), _("POWER"), _("THROTTLE"),
        _("HEALTH"),
    )  # fmt: skip
    rows = []
    for card in sample.cards:
        memory = f"{mib(card.memory_used_mib)} / {mib(card.memory_total_mib)}"
        throttle = None if card.throttle is None else ",".join(card.throttle) or _("none")
        temp = None if card.temp_c is None else f"{card.temp_c:.0f} C"
        power = None if card.power_w is None else f"{card.power_w:.0f} W"
        name = names.get(card.id, card.id)
        rows.append(
            (sample.time[11:19], name, card.util_pct, memory, temp, power, throttle, card.health)
        )
    print_table(head, rows)


@click.command(cls=Command, example="appliance capture /tmp/box-17")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def capture(directory: Path) -> int:
    """Record this server's tool output and bus for replay elsewhere, secrets removed."""
    from appliance.hardware.capture import capture as record

    summary = record(directory)
    click.echo(str(summary))
    return 0
