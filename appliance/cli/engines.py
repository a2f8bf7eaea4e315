"""`engines`: what serves which card, and the exact command."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import msgspec

from appliance.cli.hardware import json_option, replay_option
from appliance.cli.options import Group
from appliance.cli.output import print_document, print_table
from appliance.cli.plan import inventory_of, inventory_option
from appliance.core.documents import to_json
from appliance.core.errors import UsageError
from appliance.core.i18n import _, say
from appliance.core.inventory import Inventory
from appliance.core.paths import find_paths
from appliance.core.plan import Choice, Plan, Wish
from appliance.engines.command import EngineCommand


@click.group(cls=Group, example="appliance engines show deepseek-r1-distill-qwen-7b")
def engines() -> None:
    """What serves which card, and how exactly."""


@engines.command("list", example="appliance engines list --json")
@json_option
def list_engines(as_json: bool) -> None:
    """Every recipe: engine, cards, formats, and whether this appliance can start it itself."""
    from appliance.engines.recipes import load_recipes

    recipes = load_recipes()
    if as_json:
        body = ",".join(to_json(recipe) for recipe in recipes)
        click.echo(f'{{"schema":"appliance.recipes/1","recipes":[{body}]}}')
        return
    rows = [
        (r.id, r.engine, ",".join(r.vendors), ",".join(r.formats), r.start, r.mark) for r in recipes
    ]
    head = (_("RECIPE"), _("ENGINE"), _("CARDS"), _("FORMATS"), _("START"), _("KNOWN FROM"))
    print_table(head, rows)


@engines.command(example="appliance engines show deepseek-r1-distill-qwen-7b")
@click.argument("what", metavar="MODEL|PLANFILE")
@inventory_option
@replay_option
@click.option("--users", type=click.IntRange(1, 100_000), help="people who chat at the same time")
@click.option("--context", type=click.IntRange(256, 2**24), help="tokens of one conversation")
@json_option
def show(
    what: str,
    inventory_file: Path | None,
    replay: Path | None,
    users: int | None,
    context: int | None,
    as_json: bool,
) -> None:
    """The exact command and environment that a plan would run."""
    from appliance.ops.engines import command_of

    inventory = inventory_of(inventory_file, replay)
    choice = _choice(what, inventory, users, context, here=not inventory_file and not replay)
    command = command_of(choice, inventory, find_paths())
    if as_json:
        print_document(command)
    else:
        print_command(command)


def _choice(
    what: str, inventory: Inventory, users: int | None, context: int | None, *, here: bool
) -> Choice:
    from appliance.ops.planning import DEFAULT_USERS, ground_of, make_plan

    if Path(what).is_file():
        result = _read_plan(Path(what))
    else:
        wish = Wish(model=what, users=users or DEFAULT_USERS, context=context)
        result = make_plan(wish, ground_of(inventory, find_paths(), here=here))
    if not result.choices:
        reason = result.rejected[0] if result.rejected else None
        raise UsageError(
            say("nothing would run {what} here", what=what),
            hint=reason.reason if reason else say("see `appliance plan`"),
        )
    return result.choices[0]


def _read_plan(path: Path) -> Plan:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except msgspec.MsgspecError as error:
        raise UsageError(
            say("{path} is no plan: {error}", path=path, error=error),
            hint=say("`appliance plan --json` prints one"),
            code="BAD-PLAN",
        ) from error


def print_command(command: EngineCommand) -> None:
    """The command as a shell would take it."""
    if command.image:
        click.echo(_("# image {image}").format(image=command.image))
    for name, value in command.env.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    for device in command.devices:
        click.echo(_("# device {device}").format(device=device))
    for mount in command.mounts:
        click.echo(_("# mount {mount}").format(mount=mount))
    for path in command.files:
        click.echo(_("# writes {path}").format(path=path))
    click.echo(shlex.join(command.argv))
