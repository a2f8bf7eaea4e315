"""`up`: the main job, as a client of the daemon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from appliance.cli.daemon import daemon_client, following, note_unheard
from appliance.cli.diagnostics import note
from appliance.cli.options import Command, Settings, settings_of
from appliance.cli.output import print_document
from appliance.cli.progress import ProgressLine
from appliance.core.errors import ApplianceError
from appliance.core.i18n import _, say
from appliance.core.paths import find_paths
from appliance.core.pull import Progress
from appliance.core.status import Up
from appliance.node.wishes import UpOptions, up_options
from appliance.ops.setup.answers import answers_of, read_answers
from appliance.ops.setup.session import Session


@click.command(
    cls=Command, changes=True, example="appliance up --model deepseek-r1-distill-qwen-7b --yes"
)
@click.option("--model", help="a catalogue id or a reference; the best that fits if not given")
@click.option("--users", type=click.IntRange(1, 10_000), help="people who chat at the same time")
@click.option("--context", type=click.IntRange(256, 2**20), help="tokens of one conversation")
@click.option(
    "--answers",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="a TOML file of answers, as `appliance setup` takes",
)
@click.option("--adapt", is_flag=True, help="serve something smaller where memory does not do")
@click.option("--yes", is_flag=True, help="do not ask, say yes")
@click.option("--json", "as_json", is_flag=True, help="print up/1 at the end, nothing else")
@click.pass_context
def up(
    ctx: click.Context,
    model: str | None,
    users: int | None,
    context: int | None,
    answers: Path | None,
    adapt: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Detect, plan, fetch, serve and prove; print the URL and the key.

    Safe to repeat: what is done already is not done again.
    """
    settings = settings_of(ctx)
    given = {"model": model, "users": users, "context": context, "allow_cpu": yes or None,
             "adapt": adapt or None}  # fmt: skip
    typed = {name: value for name, value in given.items() if value is not None}
    told = answers_of({**(read_answers(answers) if answers else {}), **typed})
    options = up_options(told)
    Session(find_paths()).begin(told)
    try:
        result = run_up(options, settings, as_json=as_json)
    except ApplianceError as error:
        if error.code != "ENGINE-ON-CPU" or as_json or not _may_ask():
            raise
        click.echo(str(error), err=True)
        if not click.confirm(_("Serve from the processor all the same?"), err=True):
            raise
        result = run_up(msgspec.structs.replace(options, allow_cpu=True), settings, as_json=as_json)
    if as_json:
        print_document(result)
    else:
        print_result(result)
    return 0


def _may_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def run_up(options: UpOptions, settings: Settings, *, as_json: bool) -> Up:
    """Have the daemon do the job and tell how it goes."""
    progress = ProgressLine(quiet=settings.verbosity < 0)
    with (
        daemon_client(settings) as client,
        progress,
        following(client, client.up(options)) as messages,
    ):
        note_unheard(client, settings)
        for message in messages:
            if message["schema"] == "appliance.up/1":
                return msgspec.convert(message, Up)
            if message["schema"] == "appliance.progress/1":
                progress.show(msgspec.convert(message, Progress))
            else:
                progress.end()
                _tell(message, settings, to_stderr=as_json)
    raise ApplianceError(say("the daemon broke off"), hint=say("run `appliance up` again"))


def _tell(message: dict[str, Any], settings: Settings, *, to_stderr: bool) -> None:
    if message.get("schema") == "appliance.note/1":
        note(message["note"]["text"], settings)
    elif settings.verbosity >= 0 and not message.get("done", True):
        click.echo(f"{message['phase']:<7} {message['text']}", err=to_stderr)


def print_result(result: Up) -> None:
    """How it went and how to use it, for people."""
    proof = result.proof
    speed = (
        "" if proof.decode_tps is None else _(", {tps:.1f} tokens/s").format(tps=proof.decode_tps)
    )
    click.echo()
    click.echo(_("serving  {variant} ({engine}) on {cards}").format(
        variant=result.variant, engine=result.engine, cards=", ".join(result.cards)))  # fmt: skip
    click.echo(_("asked    {prompt}").format(prompt=proof.prompt))
    click.echo(_("answer   {answer}").format(answer=" ".join(proof.answer.split())))
    click.echo(_("speed    first token {first:.2f} s{rest}").format(
        first=proof.first_token_s, rest=speed))  # fmt: skip
    click.echo(_("URL      {url}").format(url=result.endpoint))
    key = result.key or _("(made earlier; `appliance keys add NAME` makes another)")
    click.echo(_("key      {key}").format(key=key))
    click.echo(_("try      {line}").format(line=try_line(result)))


def try_line(result: Up) -> str:
    """One line that asks the model something."""
    key = result.key or "$KEY"
    body = f'{{"model":"{result.deployment}","messages":[{{"role":"user","content":"Hello"}}]}}'
    return (
        f"curl -s {result.endpoint}/chat/completions -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d '{body}'"
    )
