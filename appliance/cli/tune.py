"""`tune`: measure settings on this box and keep the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from appliance.cli.daemon import daemon_client, following
from appliance.cli.diagnostics import note
from appliance.cli.options import Command, Settings, settings_of
from appliance.cli.output import print_document, print_table
from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import _, say
from appliance.core.status import SERVING, Status
from appliance.core.tune import Goal, Trial, Tune, broken_off
from appliance.node.wishes import TuneOptions

if TYPE_CHECKING:
    from appliance.node.client import NodeClient


@click.command(cls=Command, changes=True, example="appliance tune --for first-token")
@click.argument("deployment", required=False, metavar="[ID]")
@click.option(
    "--for",
    "goal",
    type=click.Choice(["throughput", "first-token"]),
    default="throughput",
    show_default=True,
    help="what to be best at: tokens of all people together, or the wait for the first word",
)
@click.option("--users", type=click.IntRange(1, 256), help="people who ask at once meanwhile")
@click.option(
    "--minutes",
    type=click.FloatRange(0.5, 60),
    default=5.0,
    show_default=True,
    help="what it may take in all",
)
@click.option("--json", "as_json", is_flag=True, help="print tune/1 at the end, nothing else")
@click.pass_context
def tune(
    ctx: click.Context,
    deployment: str | None,
    goal: Goal,
    users: int | None,
    minutes: float,
    as_json: bool,
) -> int:
    """Measure a handful of settings of a deployment and keep the best.

    The engine is started anew for each; whoever asks meanwhile waits a little.
    """
    settings = settings_of(ctx)
    options = TuneOptions(goal=goal, users=users, limit_s=minutes * 60)
    with daemon_client(settings) as client:
        runs = [j.subject for j in client.jobs() if j.kind == "tune" and j.state == "running"]
        name = deployment or (runs[0] if runs else only_one_serving(client.status()))
        if name in runs:
            note(_("it is being measured already: what follows is told by that run"), settings)
        try:
            result = _followed(client, name, options, settings)
        except KeyboardInterrupt:
            raise broken_off() from None
    return _show(result, as_json=as_json)


def _followed(client: NodeClient, name: str, options: TuneOptions, settings: Settings) -> Tune:
    """The end of the run; each trial is told as it comes."""
    with following(client, client.tune(name, options)) as messages:
        for message in messages:
            if message["schema"] == "appliance.tune/1":
                return msgspec.convert(message, Tune)
            trial = msgspec.convert(message, Trial)
            note(" · ".join(cell or "-" for cell in _row(trial)), settings)
    raise ApplianceError(say("the daemon broke off"), hint=say("run `appliance tune` again"))


def only_one_serving(status: Status) -> str:
    """The deployment that is meant when none is named. Raises `UsageError` unless it is clear."""
    serving = [d.id for d in status.deployments if d.state in SERVING]
    if len(serving) == 1:
        return serving[0]
    raise UsageError(
        say("nothing is served here") if not serving else say("say which deployment"),
        hint=say("`appliance up` begins") if not serving
        else say("there are: {ids}", ids=", ".join(serving)),
    )  # fmt: skip


def _show(result: Tune, *, as_json: bool) -> int:
    if as_json:
        print_document(result)
        return 0
    head = (_("SETTINGS"), _("TOKENS/S ALONE"), _("TOGETHER"), _("FIRST TOKEN"), "")
    kept = [_("kept") if t.settings == result.kept else "" for t in result.trials]
    print_table(head, [(*_row(t), k) for t, k in zip(result.trials, kept, strict=True)])
    click.echo(_("{users} asked together; {seconds:.0f} s in all").format(
        users=result.users, seconds=result.seconds))  # fmt: skip
    if len(result.trials) == 1:
        text = _("there was no time for another setting: give it more with --minutes")
        click.echo(text)
    return 0


def _row(trial: Trial) -> tuple[str, str | None, str | None, str | None]:
    settings = " ".join(f"{name}={value}" for name, value in trial.settings.items())
    if trial.fault:
        return settings, None, None, trial.fault
    return (
        settings,
        f"{trial.decode_tps_one:.1f}",
        f"{trial.decode_tps_all:.1f}",
        f"{trial.first_token_s:.2f} s",
    )
