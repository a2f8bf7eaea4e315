"""`setup`: the wizard, or its unattended twin."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
import msgspec
from click.core import ParameterSource

from appliance.cli.hardware import json_option, replay_option
from appliance.cli.options import Command, Settings, settings_of
from appliance.cli.output import pad, print_document, width, wrapped
from appliance.core.errors import NeedsRights, UsageError
from appliance.core.i18n import current_language, say
from appliance.core.paths import Paths, find_paths
from appliance.ops.setup.answers import Answers, answers_of, answers_schema, read_answers
from appliance.ops.setup.draft import Draft, keep_draft
from appliance.ops.setup.options import OPTIONS, Option, lines

if TYPE_CHECKING:
    from appliance.core.inventory import Inventory
    from appliance.ops.setup.proposal import Proposal

_COLUMNS = 100


def _flag(option: Option) -> click.Option:
    if isinstance(option.example, bool):
        return click.Option([option.flag], is_flag=True, default=None, help=option.help.template)
    kind = click.INT if isinstance(option.example, int) else click.STRING
    return click.Option([option.flag], type=kind, help=option.help.template)


@click.command(
    cls=Command,
    example="appliance setup --answers answers.toml --yes",
    params=[_flag(option) for option in OPTIONS if option.name != "language"],
)
@click.option(
    "--answers",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="a TOML file with the answers; what is typed here goes before it",
)
@click.option("--yes", is_flag=True, help="ask nothing: do what the answers say")
@click.option("--dry-run", is_flag=True, help="print the plan and touch nothing")
@click.option("--print-schema", is_flag=True, help="print the JSON schema of the answers")
@replay_option
@json_option
@click.pass_context
def setup(
    ctx: click.Context,
    /,
    answers: Path | None,
    yes: bool,
    dry_run: bool,
    print_schema: bool,
    replay: Path | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Set this server up, page by page; or without a question, from a file of answers.

    With --replay and --dry-run: plan for the server of a capture.
    """
    if print_schema:
        click.echo(json.dumps(answers_schema(), indent=2, ensure_ascii=False))
        return 0
    given = {name: value for name, value in flags.items() if value is not None}
    if ctx.get_parameter_source("lang") == ParameterSource.COMMANDLINE:
        given["language"] = current_language()
    wanted = answers_of({**(read_answers(answers) if answers else {}), **given})
    if dry_run:
        return _print_plan(wanted, replay, as_json=as_json)
    if replay:
        raise UsageError(say("--replay wants --dry-run: a capture is never changed"))
    if settings_of(ctx).readonly and yes:
        raise NeedsRights(
            say("--readonly: `{command}` would change something", command=ctx.command_path),
            hint=say("leave --readonly out"),
            code="READONLY",
        )
    if yes:
        return _apply(wanted, settings_of(ctx), as_json=as_json)
    return _open_wizard(wanted if answers or given else None, settings_of(ctx))


def _apply(answers: Answers, settings: Settings, *, as_json: bool) -> int:
    """What the wizard does after Apply."""
    from appliance.cli.up import print_result, run_up
    from appliance.node.wishes import up_options
    from appliance.ops.setup.session import Session

    session = Session(find_paths())
    session.begin(answers)
    result = run_up(up_options(answers), settings, as_json=as_json)
    session.finish()
    if as_json:
        print_document(result)
    else:
        print_result(result)
    return 0


def _print_plan(answers: Answers, replay: Path | None, *, as_json: bool) -> int:
    proposal = _proposal(answers, replay)
    if as_json:
        print_document(proposal)
        return 0
    first = max(width(step.title) for step in proposal.steps) + 2
    for step in proposal.steps:
        for line in wrapped(step.text, pad(step.title, first), _COLUMNS):
            click.echo(line)
    click.echo()
    click.echo("# answers.toml")
    for line in lines(answers):
        click.echo(line)
    return 0


def _proposal(answers: Answers, replay: Path | None) -> Proposal:
    """What Apply would do; the cards of what is served already are not free."""
    from appliance.ops.setup.session import Session

    paths = find_paths()
    running = [] if replay else _running(paths)
    with TemporaryDirectory() as cache:
        untouched = msgspec.structs.replace(paths, cache=Path(cache))
        session = Session(untouched, here=replay is None, asking=False)
        offered = session.offers(answers, _inventory(replay), running)
        return session.propose(answers, offered)


def _inventory(replay: Path | None) -> Inventory:
    from appliance.hardware.box import open_box

    with open_box(replay) as box:
        return box.inventory()


def _running(paths: Paths) -> list[Any]:
    """What a daemon that is up serves; none is started for this."""
    from appliance.node.client import NodeClient
    from appliance.node.start import daemon_answers

    if not daemon_answers(paths):
        return []
    with NodeClient(paths) as client:
        return client.status().deployments


def _open_wizard(answers: Answers | None, settings: Settings) -> int:
    """Where answers were given, the page that shows what they lead to."""
    from appliance.tui import launch

    streams = (sys.stdin, sys.stdout, sys.stderr)
    mode = launch.mode(os.environ, streams, shutil.get_terminal_size())
    if mode == "plain":
        raise UsageError(
            say("there is no terminal to ask on"),
            hint=say("appliance setup --answers FILE --yes; or --dry-run to see the plan"),
            code="NO-TERMINAL",
        )
    paths = find_paths()
    if answers is not None:
        keep_draft(paths, Draft(page="summary", answers=answers))
    if mode == "basic":
        from appliance.tui.basic import run_basic

        return run_basic(paths, readonly=settings.readonly, setup=True)
    from appliance.tui import run

    return run(paths, readonly=settings.readonly, slow=settings.slow, place="setup")
