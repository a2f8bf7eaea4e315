"""The commands of `models` for pulls that are under way: jobs, pause, resume, cancel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from appliance.cli.hardware import json_option
from appliance.cli.options import Command, Settings, settings_of
from appliance.cli.output import print_documents, print_table
from appliance.cli.words import state_word
from appliance.core.errors import UsageError
from appliance.core.i18n import _, say
from appliance.core.paths import find_paths
from appliance.core.reference import from_here

if TYPE_CHECKING:
    from appliance.core.status import JobStatus
    from appliance.node.client import NodeClient


@click.command(cls=Command, example="appliance models jobs")
@json_option
@click.pass_context
def jobs(ctx: click.Context, as_json: bool) -> None:
    """Pulls that are under way or paused, and what ended lately."""
    with daemon_of_jobs(settings_of(ctx)) as client:
        found = client.jobs() if client else []
    if as_json:
        print_documents("appliance.jobs/1", "jobs", found)
    elif not found:
        click.echo(_("nothing is under way"))
    else:
        head = (_("JOB"), _("WORK"), _("MODEL"), _("STATE"), _("GB"), _("SINCE"), _("WHY"))
        print_table(head, [_cells(job) for job in found])


def _cells(job: JobStatus) -> tuple[object, ...]:
    size = None
    if job.done is not None:
        total = "?" if job.total is None else f"{job.total / 1e9:.2f}"
        size = f"{job.done / 1e9:.2f}/{total}"
    state = state_word("waiting" if job.waiting else job.state)
    why = job.waiting or job.why or ""
    return (job.id, job.kind, job.subject, state, size, job.since[:19], why)


@contextmanager
def daemon_of_jobs(settings: Settings) -> Iterator[NodeClient | None]:
    """The daemon where it runs or has a pull to go on with."""
    from appliance.cli.daemon import daemon_client
    from appliance.node.pulls import recorded_pulls
    from appliance.node.start import daemon_answers, state_file

    paths = find_paths()
    if daemon_answers(paths) or recorded_pulls(state_file(paths)):
        with daemon_client(settings) as client:
            yield client
    else:
        yield None


@contextmanager
def _named(ctx: click.Context, name: str | None) -> Iterator[tuple[NodeClient, JobStatus]]:
    """The daemon, and the pull that is meant: by id or model, or the only one there is."""
    with daemon_of_jobs(settings_of(ctx)) as client:
        pulls = [job for job in client.jobs() if _is_open_pull(job)] if client else []
        if name is not None:
            pulls = [job for job in pulls if name == job.id or from_here(name) == job.subject]
        if client is None or not pulls:
            raise _no_pull(name)
        if len(pulls) > 1:
            raise UsageError(
                say("which pull? there are: {names}", names=", ".join(j.subject for j in pulls)),
                hint=say("name its model or its job: `appliance models jobs`"),
                code="WHICH-JOB",
            )
        yield client, pulls[0]


def _is_open_pull(job: JobStatus) -> bool:
    return job.kind == "pull" and job.state != "ended"


def _no_pull(name: str | None) -> UsageError:
    text = (
        say("no pull of {model} is under way", model=name) if name else say("no pull is under way")
    )
    return UsageError(text, hint=say("`appliance models jobs` shows what is"), code="NO-SUCH-JOB")


@click.command(cls=Command, changes=True, example="appliance models pause deepseek-v3:q4_k_m")
@click.argument("name", required=False, metavar="[MODEL|JOB]")
@click.pass_context
def pause(ctx: click.Context, name: str | None) -> None:
    """Stop a pull for now; its bytes are kept, also over a restart of the server."""
    with _named(ctx, name) as (client, job):
        client.pause_job(job.id)
    click.echo(_("{model} is paused; `appliance models resume` goes on").format(model=job.subject))


@click.command(cls=Command, changes=True, example="appliance models resume deepseek-v3:q4_k_m")
@click.argument("name", required=False, metavar="[MODEL|JOB]")
@click.pass_context
def resume(ctx: click.Context, name: str | None) -> None:
    """Go on with a paused pull, in the background."""
    from appliance.cli.daemon import note_unheard

    with _named(ctx, name) as (client, job):
        note_unheard(client, settings_of(ctx))
        client.resume_job(job.id)
    click.echo(_("the pull of {model} goes on").format(model=job.subject))


@click.command(cls=Command, changes=True, example="appliance models cancel deepseek-v3:q4_k_m")
@click.argument("name", required=False, metavar="[MODEL|JOB]")
@click.pass_context
def cancel(ctx: click.Context, name: str | None) -> None:
    """End a pull; what came is kept for a week, and the same pull goes on from there."""
    with _named(ctx, name) as (client, job):
        client.cancel_job(job.id)
    click.echo(
        _("the pull of {model} is ended; `appliance models rm` frees what came of it").format(
            model=job.subject
        )
    )


JOB_COMMANDS = (jobs, pause, resume, cancel)
