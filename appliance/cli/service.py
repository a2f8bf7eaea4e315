"""`status`, `down`, `logs` and `daemon`."""

from __future__ import annotations

import click

from appliance.cli.diagnostics import note
from appliance.cli.hardware import json_option, label_of
from appliance.cli.options import Command, Settings, settings_of
from appliance.cli.output import mib, pad, print_document, print_table, rounded
from appliance.cli.words import state_word
from appliance.core.errors import UsageError
from appliance.core.exit_codes import ExitCode
from appliance.core.i18n import _, say
from appliance.core.paths import Paths, find_paths
from appliance.core.status import SERVING, DaemonStatus, DeploymentStatus, JobStatus, Status


@click.command(cls=Command, example="appliance status --json")
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> int:
    """What runs, how it is, where to reach it; exit 1 when something should run and does not."""
    return show_status(settings_of(ctx), as_json=as_json)


def show_status(settings: Settings, *, as_json: bool = False) -> int:
    """Print the status and return its exit code."""
    now = current_status(settings)
    if as_json:
        print_document(now)
    else:
        print_status(now)
    healthy = all(d.state in SERVING for d in _wanted(now))
    return int(ExitCode.OK if healthy else ExitCode.UNHEALTHY)


def current_status(settings: Settings) -> Status:
    """Ask the daemon; it is started only when something should be running."""
    from appliance.cli.daemon import daemon_client

    if not _anything_here(find_paths()):
        return Status(daemon=DaemonStatus(), listeners=[], deployments=[], cards=[])
    with daemon_client(settings) as client:
        return client.status()


def _anything_here(paths: Paths) -> bool:
    """Whether a daemon runs, or should."""
    from appliance.node.start import daemon_answers, state_file
    from appliance.node.state import anything_to_see_to

    return daemon_answers(paths) or anything_to_see_to(state_file(paths))


def _wanted(now: Status) -> list[DeploymentStatus]:
    return [deployment for deployment in now.deployments if deployment.state != "stopped"]


def print_status(now: Status) -> None:
    """The status for people."""
    if not _wanted(now):
        click.echo(_("nothing is served here; `appliance up` begins"))
    for deployment in now.deployments:
        _print_deployment(deployment)
    for job in now.jobs:
        _print_job(job)
    for remark in now.notes:
        click.echo(f"{pad(remark.code, 11)} {remark.text}")
    if now.cards:
        click.echo()
        print_cards(now)


def _print_deployment(deployment: DeploymentStatus) -> None:
    state = pad(state_word(deployment.state).upper(), 11)
    beside = _(", served as {name}").format(name=deployment.name) if deployment.served_as else ""
    click.echo(f"{state} {deployment.variant} ({deployment.engine}{beside})")
    if deployment.reason:
        click.echo(f"{'':<11} {deployment.reason}")
    if deployment.endpoint:
        click.echo(f"{'':<11} {deployment.endpoint}")
    for replica in deployment.replicas:
        text = _("{id}: {state} since {since}, pid {pid}, on {cards}, restarts: {restarts}").format(
            id=replica.id,
            state=state_word(replica.state),
            since=(replica.since or "-")[:19],
            pid=replica.pid or "-",
            cards=", ".join(replica.cards),
            restarts=replica.restarts,
        )
        click.echo(f"{'':<11} {text}")
        if replica.load_pct is not None:
            loaded = _("{pct:.0f} % loaded, about {left:.0f} s left")
            text = loaded.format(pct=replica.load_pct, left=replica.load_eta_s or 0.0)
            click.echo(f"{'':<11} {text}")


def _print_job(job: JobStatus) -> None:
    state = state_word("waiting" if job.waiting else job.state).upper()
    pct = f"  {100.0 * job.done / job.total:.0f} %" if job.done and job.total else ""
    click.echo(f"{pad(state, 11)} {job.kind} {job.subject}{pct}")
    if job.waiting:
        click.echo(f"{'':<11} {job.waiting}")


def print_cards(now: Status) -> None:
    """The cards of a status for people."""
    rows = []
    for card in now.cards:
        sample = card.sample
        memory = sample and f"{mib(sample.memory_used_mib)} / {mib(sample.memory_total_mib)}"
        rows.append(
            (
                label_of(card.vendor, card.index),
                card.name,
                state_word(card.state),
                sample and rounded(sample.util_pct),
                memory,
                sample and rounded(sample.temp_c),
                sample and rounded(sample.power_w),
            )
        )
    head = (
        _("CARD"), _("NAME"), _("STATE"), _("USE%"), _("MEMORY"), _("TEMP C"), _("POWER W"),
    )  # fmt: skip
    print_table(head, rows)


@click.command(cls=Command, changes=True, example="appliance down")
@click.argument("deployment", required=False, metavar="[ID]")
@click.option("--now", is_flag=True, help="do not wait for running answers to end")
@click.pass_context
def down(ctx: click.Context, deployment: str | None, now: bool) -> int:
    """Stop a deployment; without ID everything of ours, the daemon too.

    Nobody new is let in; running answers get up to a minute to end.
    """
    from appliance.cli.daemon import daemon_client
    from appliance.node.start import await_leave, state_file

    paths = find_paths()
    if not deployment and not _anything_here(paths):
        click.echo(_("nothing runs here"))
        return 0
    if deployment and not state_file(paths).exists():
        raise UsageError(
            say("no such deployment: {id}", id=deployment), hint=say("see `appliance status`")
        )
    with daemon_client(settings_of(ctx)) as client:
        if not now and (running := _answers_running(client.status(), deployment)):
            text = say("answers under way: {count}; they get a minute at most, --now does not wait",
                       count=running)  # fmt: skip
            note(text, settings_of(ctx))
        client.down(deployment, now=now)
    if not deployment:
        await_leave(paths)
    click.echo(_("stopped {what}").format(what=deployment or _("everything")))
    return 0


def _answers_running(now: Status, deployment: str | None) -> int:
    concerned = [
        d for d in now.deployments if deployment in (None, d.id, d.name, d.model, d.variant)
    ]
    replicas = [replica for d in concerned for replica in d.replicas]
    return sum((r.requests_running or 0) + (r.requests_waiting or 0) for r in replicas)


@click.command(cls=Command, example="appliance logs deepseek-r1-distill-qwen-7b -f")
@click.argument("deployment", required=False, metavar="[ID]")
@click.option("-f", "--follow", is_flag=True, help="go on as the log grows")
@click.option("-n", "--lines", default=200, type=click.IntRange(1, 100_000), help="how far back")
@click.pass_context
def logs(ctx: click.Context, deployment: str | None, follow: bool, lines: int) -> int:
    """What the engine of a deployment wrote."""
    from appliance.cli.daemon import daemon_client

    with daemon_client(settings_of(ctx)) as client:
        name = deployment or _only_deployment(client.status())
        written = client.follow_logs(name, lines) if follow else client.logs(name, lines)
        try:
            for line in written:
                click.echo(line)
        except KeyboardInterrupt:
            return int(ExitCode.INTERRUPTED)
    return 0


def _only_deployment(now: Status) -> str:
    for some in (_wanted(now), now.deployments):
        if len(some) == 1:
            return some[0].id
    known = ", ".join(d.id for d in now.deployments) or "-"
    raise UsageError(
        say("which deployment? there are: {known}", known=known),
        hint=say("appliance logs ID"),
        code="WHICH-DEPLOYMENT",
    )


@click.command(cls=Command, changes=True, example="appliance daemon")
def daemon() -> int:
    """Keep what is wanted running, in the foreground: this is what systemd runs."""
    from appliance.node.daemon import run_daemon
    from appliance.node.start import daemon_answers

    paths = find_paths()
    if daemon_answers(paths):
        click.echo(_("note: the daemon runs already; see `appliance status`"), err=True)
    return run_daemon(paths)
