"""`engines`: what serves which card, and the exact command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from appliance.cli.build import build, list_builds
from appliance.cli.engine_images import load_image, pull_image
from appliance.cli.environments import install
from appliance.cli.hardware import json_option, replay_option
from appliance.cli.options import Group
from appliance.cli.output import print_documents, print_table
from appliance.cli.plan import inventory_of, inventory_option
from appliance.core.errors import UsageError
from appliance.core.i18n import _, say
from appliance.core.inventory import Inventory
from appliance.core.paths import find_paths
from appliance.core.plan import Choice, Plan, Wish
from appliance.core.reference import from_here

if TYPE_CHECKING:
    from appliance.engines.show import Form


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
        print_documents("appliance.recipes/1", "recipes", recipes)
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
@click.option(
    "--form",
    type=click.Choice(["shell", "compose", "quadlet", "unit"]),
    default="shell",
    help="a shell's command, Docker Compose, a Podman quadlet or a systemd unit",
)
@click.option("--diff", is_flag=True, help="what would change in the engine that runs here")
@json_option
def show(
    what: str,
    inventory_file: Path | None,
    replay: Path | None,
    users: int | None,
    context: int | None,
    form: Form,
    diff: bool,
    as_json: bool,
) -> None:
    """The exact command and environment that a plan would run."""
    from appliance.engines.show import shown
    from appliance.ops.deployment import deployment_id
    from appliance.ops.engines import command_of

    inventory = inventory_of(inventory_file, replay)
    here = not inventory_file and not replay
    choice = _choice(what, inventory, users, context, here=here)
    if diff:
        _show_difference(choice, inventory, as_json)
        return
    command = command_of(choice, inventory, find_paths(), here=here)
    if as_json:
        click.echo(json.dumps({"schema": "appliance.command/1", **msgspec.to_builtins(command)}))
    else:
        click.echo(shown(command, deployment_id(choice.model), form), nl=False)


def _show_difference(choice: Choice, inventory: Inventory, as_json: bool) -> None:
    from appliance.engines.compare import difference
    from appliance.ops.engines import running_beside

    beside = running_beside(choice, inventory, find_paths())
    lines = difference(beside.seen, beside.planned)
    if as_json:
        schema = {"schema": "appliance.difference/1", "replica": beside.replica}
        click.echo(json.dumps({**schema, "pid": beside.pid, "lines": lines}))
    elif lines:
        head = _("what {replica} (process {pid}) runs with (-), what would run (+)")
        click.echo("\n".join([head.format(replica=beside.replica, pid=beside.pid), *lines]))
    else:
        click.echo(_("{replica} runs with just that").format(replica=beside.replica))


def _choice(
    what: str, inventory: Inventory, users: int | None, context: int | None, *, here: bool
) -> Choice:
    from appliance.ops.planning import DEFAULT_USERS, ground_of, make_plan

    if Path(what).is_file():
        result = _read_plan(Path(what))
    else:
        wish = Wish(model=from_here(what), users=users or DEFAULT_USERS, context=context)
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


engines.add_command(build)
engines.add_command(list_builds)
engines.add_command(install)
engines.add_command(pull_image)
engines.add_command(load_image)
