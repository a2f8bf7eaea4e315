"""`status`, `down`, `logs` and `daemon`."""

from __future__ import annotations

import click

from appliance.cli.hardware import json_option
from appliance.cli.options import Command, settings_of
from appliance.cli.output import mib, print_document, print_table
from appliance.core.errors import NeedsRights, UsageError
from appliance.core.exit_codes import ExitCode
from appliance.core.i18n import _, say
from appliance.core.paths import Paths, find_paths
from appliance.core.status import SERVING, DaemonStatus, Status


@click.command(cls=Command, example="appliance status --json")
@json_option
def status(as_json: bool) -> int:
    """What runs, how it is, where to reach it; exit 1 when something should run and does not."""
    return show_status(as_json=as_json)


def show_status(*, as_json: bool = False) -> int:
    """Print the status and return its exit code."""
    now = current_status(find_paths())
    if as_json:
        print_document(now)
    else:
        print_status(now)
    wanted = [d for d in now.deployments if d.state != "stopped"]
    healthy = all(d.state in SERVING for d in wanted)
    return int(ExitCode.OK if healthy else ExitCode.UNHEALTHY)


def current_status(paths: Paths) -> Status:
    """Ask the daemon; it is started only when something should be running."""
    from appliance.node.start import daemon_answers, ensure_daemon, state_file
    from appliance.node.state import anything_wanted

    if not daemon_answers(paths) and not anything_wanted(state_file(paths)):
        return Status(daemon=DaemonStatus(), listeners=[], deployments=[], cards=[])
    client = ensure_daemon(paths)
    try:
        return client.status()
    finally:
        client.close()


def print_status(now: Status) -> None:
    """The status for people."""
    if not [d for d in now.deployments if d.state != "stopped"]:
        click.echo(_("nothing is served here; `appliance up` begins"))
    for deployment in now.deployments:
        reason = f" - {deployment.reason}" if deployment.reason else ""
        click.echo(
            f"{deployment.state.upper():<11} {deployment.variant} ({deployment.engine}){reason}"
        )
        if deployment.endpoint and deployment.state in SERVING:
            click.echo(f"{'':<11} {deployment.endpoint}")
        for replica in deployment.replicas:
            click.echo(
                _("            replica {id}: pid {pid}, on {cards}, {restarts} restart(s)").format(
                    id=replica.id,
                    pid=replica.pid or "-",
                    cards=", ".join(replica.cards),
                    restarts=replica.restarts,
                )
            )
    if now.cards:
        click.echo()
        print_cards(now)


def print_cards(now: Status) -> None:
    """The cards of a status for people."""
    rows = []
    for card in now.cards:
        sample = card.sample
        memory = sample and f"{mib(sample.memory_used_mib)} / {mib(sample.memory_total_mib)}"
        rows.append(
            (
                card.name or card.id,
                card.state,
                sample and sample.util_pct,
                memory,
                sample and sample.temp_c,
                sample and sample.power_w,
            )
        )
    print_table((_("CARD"), _("STATE"), _("USE%"), _("MEMORY"), _("TEMP C"), _("POWER W")), rows)


@click.command(cls=Command, example="appliance down")
@click.argument("deployment", required=False, metavar="[ID]")
@click.pass_context
def down(ctx: click.Context, deployment: str | None) -> int:
    """Stop a deployment; without ID everything of ours, the daemon too."""
    from appliance.node.start import await_leave, daemon_answers, ensure_daemon, state_file
    from appliance.node.state import anything_wanted

    if settings_of(ctx).readonly:
        raise NeedsRights(say("--readonly: nothing may be stopped"), hint=say("leave it out"))
    paths = find_paths()
    running = daemon_answers(paths)
    if not running and not state_file(paths).exists():
        if deployment:
            raise UsageError(
                say("no such deployment: {id}", id=deployment), hint=say("see `appliance status`")
            )
        click.echo(_("nothing runs here"))
        return 0
    if not running and not anything_wanted(state_file(paths)) and not deployment:
        click.echo(_("nothing runs here"))
        return 0
    client = ensure_daemon(paths)
    client.down(deployment)
    client.close()
    if not deployment:
        await_leave(paths)
    click.echo(_("stopped {what}").format(what=deployment or _("everything")))
    return 0


@click.command(cls=Command, example="appliance logs deepseek-r1-distill-qwen-7b -f")
@click.argument("deployment", required=False, metavar="[ID]")
@click.option("-f", "--follow", is_flag=True, help="go on as the log grows")
@click.option("-n", "--lines", default=200, type=click.IntRange(1, 100_000), help="how far back")
def logs(deployment: str | None, follow: bool, lines: int) -> int:
    """What the engine of a deployment wrote."""
    from appliance.node.start import ensure_daemon

    client = ensure_daemon(find_paths())
    name = deployment or _only_deployment(client.status())
    if follow:
        for line in client.follow_logs(name, lines):
            click.echo(line)
    else:
        for line in client.logs(name, lines):
            click.echo(line)
    return 0


def _only_deployment(now: Status) -> str:
    if len(now.deployments) == 1:
        return now.deployments[0].id
    known = ", ".join(d.id for d in now.deployments) or "-"
    raise UsageError(
        say("which deployment? there are: {known}", known=known),
        hint=say("appliance logs ID"),
        code="WHICH-DEPLOYMENT",
    )


@click.command(cls=Command, example="appliance daemon")
def daemon() -> int:
    """Keep what is wanted running, in the foreground: this is what systemd runs."""
    from appliance.node.daemon import run_daemon

    return run_daemon(find_paths())
