"""`chat`: the model in the terminal, its reasoning told apart from its answer."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import click

from appliance.cli.diagnostics import tell
from appliance.cli.options import Command, settings_of
from appliance.core.errors import ApplianceError, Unreachable, UsageError
from appliance.core.i18n import _, say
from appliance.core.paths import find_paths
from appliance.core.status import SERVING, Status
from appliance.ops.conversation import Finish, Manner, Message, stream_chat


@click.command(cls=Command, example='appliance chat --once "Explain a stent to a child"')
@click.argument("model", required=False)
@click.option("--once", metavar="PROMPT", help="ask this, print the answer, end")
@click.option("--system", metavar="TEXT", default="", help="what the model is to be or to heed")
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2),
    help="0 says always the same, 2 says anything; the model's own if not given",
)
@click.pass_context
def chat(
    ctx: click.Context,
    model: str | None,
    once: str | None,
    system: str,
    temperature: float | None,
) -> int:
    """Talk to the model that is served here."""
    from appliance.cli.service import current_status

    paths = find_paths()
    name = _served_model(model, current_status(settings_of(ctx)))
    manner = Manner(system=system, temperature=temperature)
    if once is not None:
        ask(paths.gateway_socket, name, [Message("user", once)], manner)
        return 0
    return _converse(paths.gateway_socket, name, manner)


def _served_model(model: str | None, now: Status) -> str:
    serving = [d for d in now.deployments if d.state in SERVING]
    if not serving:
        raise Unreachable(
            say("no model is being served here"), hint=say("run `appliance up` first")
        )
    if model is None:
        return serving[0].name
    for deployment in serving:
        if model in (deployment.id, deployment.model, deployment.variant):
            return deployment.name
    raise UsageError(
        say("{model} is not served here", model=model),
        hint=say("served: {names}", names=", ".join(sorted({d.name for d in serving}))),
        code="NOT-SERVED",
    )


def _converse(socket: Path, model: str, manner: Manner) -> int:
    click.echo(_("{model} - an empty line or Ctrl-D ends").format(model=model), err=True)
    history: list[Message] = []
    while True:
        try:
            question = input("> ")
        except EOFError:
            click.echo()
            return 0
        if not question.strip():
            return 0
        history.append(Message("user", question))
        try:
            answer = ask(socket, model, history, manner)
        except KeyboardInterrupt:
            history.pop()
            click.echo("\n" + _("(stopped)"), err=True)
            continue
        except ApplianceError as error:
            history.pop()
            tell(error.what, error.hint)
            continue
        history.append(Message("assistant", answer))


def ask(socket: Path, model: str, messages: list[Message], manner: Manner) -> str:
    """Stream the answer to stdout and the reasoning, dimmed, to stderr; return the answer."""
    answer = ""
    thinking = False
    whole = [*manner.opening(), *messages]
    with closing(stream_chat(socket, whole, model=model, options=manner.options())) as stream:
        for item in stream:
            if isinstance(item, Finish):
                _end(item)
                continue
            if thinking != (item.kind == "reasoning"):
                thinking = not thinking
                label = _("[thinking]") if thinking else "\n" + _("[answer]")
                click.secho(label, dim=True, err=True)
            if thinking:
                click.secho(item.text, dim=True, nl=False, err=True)
            else:
                answer += item.text
                click.echo(item.text, nl=False)
    return answer


def _end(finish: Finish) -> None:
    click.echo()
    if sys.stderr.isatty():
        speed = "" if finish.decode_tps is None else f", {finish.decode_tps:.1f} tokens/s"
        text = _("({tokens} tokens, first after {first:.2f} s{speed})").format(
            tokens=finish.tokens, first=finish.first_token_s, speed=speed
        )
        click.secho(text, dim=True, err=True)
