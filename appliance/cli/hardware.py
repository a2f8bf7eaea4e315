"""`detect`, `watch` and `capture`."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from appliance.cli.options import Command, settings_of
from appliance.cli.output import mib, print_document, print_table, rounded
from appliance.cli.words import state_word
from appliance.core.errors import UsageError
from appliance.core.exit_codes import ExitCode
from appliance.core.history import SPANS, Span
from appliance.core.i18n import _, say
from appliance.core.inventory import Host, Inventory
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
    from appliance.ops.detect import detect as look
    from appliance.ops.usable import with_holds

    with open_box(replay, state=find_paths().state) as box:
        if topology:
            return _show_topology(box.topology(), as_json=as_json)
        inventory = look(box) if replay else with_holds(look(box), find_paths())
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
    """The inventory for people: the server, its cards, and what is wrong with them."""
    _print_host(inventory.host)
    click.echo()
    head = (
        _("CARD"), _("NAME"), _("STATE"), _("MEMORY"), _("DRIVER"), _("ARCH"), _("PCI"), _("ID"),
    )  # fmt: skip
    rows = [
        (label_of(c.vendor, c.index), c.name, state_word(c.state), mib(c.memory_mib), c.driver,
         c.arch, c.pci, c.id if c.id != c.vendor else None)
        for c in inventory.cards
    ]  # fmt: skip
    print_table(head, rows)
    for card in inventory.cards:
        for remark in card.notes:
            click.echo(f"  {label_of(card.vendor, card.index)}: {remark}")
    for problem in inventory.problems:
        click.echo()
        click.echo(f"{problem.severity.upper()} {problem.code}: {problem.text}")
        if problem.advice:
            click.echo(f"  {problem.advice}")


def _print_host(host: Host) -> None:
    cpu = host.cpu
    known = [text for text in (host.hostname, host.os, host.arch) if text]
    click.echo("  ".join(known) or _("this capture does not tell about the server"))
    if cpu.model or cpu.cores or host.memory_mib:
        click.echo(
            _("{cpu}: {sockets} socket(s), {cores} cores, {memory} memory").format(
                cpu=cpu.model or _("processor"),
                sockets=cpu.sockets or "-",
                cores=cpu.cores or "-",
                memory=mib(host.memory_mib),
            )
        )


def label_of(vendor: str, index: int | None) -> str:
    """What people call a card: `nvidia0`."""
    return vendor if index is None or vendor == "cpu" else f"{vendor}{index}"


@click.command(cls=Command, example="appliance watch --interval 2 --count 10")
@json_option
@click.option("--interval", default=1.0, type=click.FloatRange(0.2, 3600), help="seconds between")
@click.option("--count", type=click.IntRange(1), help="end after so many samples")
@click.option("--history", "span", type=click.Choice(SPANS), help="what they did, not what they do")
@click.option("--card", help="with --history: one card step by step (id, name, host or all)")
@replay_option
@click.pass_context
def watch(
    ctx: click.Context,
    as_json: bool,
    interval: float,
    count: int | None,
    span: Span | None,
    card: str | None,
    replay: Path | None,
) -> int:
    """How the cards and the host are doing, one sample after the other; or what they did."""
    if span is None and card is None:
        return _watch(as_json, interval, count, replay)
    if replay is not None:
        raise UsageError(
            say("a capture has no history"), hint=say("leave --replay or --history out")
        )
    from appliance.cli.history import show_history

    return show_history(settings_of(ctx), span or "1h", card, as_json=as_json)


def _watch(as_json: bool, interval: float, count: int | None, replay: Path | None) -> int:
    from appliance.hardware.box import open_box

    with open_box(replay, state=find_paths().state) as box, suppress(KeyboardInterrupt):
        labels = {c.id: (label_of(c.vendor, c.index), c.name) for c in box.inventory().cards}
        for _number in _paced(interval, count):
            sample = box.sample(processes=True)
            if as_json:
                print_document(sample, lines=True)
            else:
                print_sample(sample, labels)
        return 0
    return int(ExitCode.INTERRUPTED)


def _paced(interval: float, count: int | None) -> Iterator[int]:
    """Numbers, one every `interval` seconds, the time between them included."""
    due = time.monotonic()
    for number in itertools.count():
        yield number
        if number + 1 == count:
            return
        due += interval
        time.sleep(max(0.0, due - time.monotonic()))


def print_sample(sample: Sample, labels: dict[str, tuple[str, str | None]]) -> None:
    """One sample for people."""
    head = (
        _("TIME"), _("CARD"), _("NAME"), _("USE%"), _("MEMORY"), _("TEMP C"), _("POWER W"),
        _("THROTTLE"), _("HEALTH"),
    )  # fmt: skip
    rows = []
    for card in sample.cards:
        memory = f"{mib(card.memory_used_mib)} / {mib(card.memory_total_mib)}"
        throttle = None if card.throttle is None else ",".join(card.throttle) or _("none")
        rows.append(
            (
                sample.time[11:19],
                *labels.get(card.id, (card.id, None)),
                rounded(card.util_pct),
                memory,
                rounded(card.temp_c),
                rounded(card.power_w),
                throttle,
                card.health,
            )
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
