"""`plan`: what could be served, and what it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from appliance.cli.hardware import json_option, replay_option
from appliance.cli.options import Command
from appliance.cli.output import print_document
from appliance.core.errors import UsageError
from appliance.core.exit_codes import ExitCode
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.paths import find_paths
from appliance.core.plan import Wish
from appliance.core.reference import from_here

inventory_option = click.option(
    "--inventory",
    "inventory_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="plan for the server of this inventory/1 file",
)


def habit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What people do with it: options of a wish."""
    for option in reversed(_HABITS):
        command = option(command)
    return command


HABITS = ("style", "prompt_tokens", "answer_tokens", "think_time_s", "first_word_s")
"""The fields of a wish that the options of `habit_options` set."""
_HABITS = (
    click.option(
        "--style",
        type=click.Choice(["chat", "documents", "code"]),
        default="chat",
        show_default=True,
        help="what people do with it; sets the following, unless they are given",
    ),
    click.option("--prompt-tokens", type=click.IntRange(1, 2**24), help="tokens of a question"),
    click.option("--answer-tokens", type=click.IntRange(1, 2**24), help="tokens of an answer"),
    click.option(
        "--think-time",
        "think_time_s",
        type=click.FloatRange(0),
        help="seconds between an answer and the next question",
    ),
    click.option(
        "--first-word",
        "first_word_s",
        type=click.FloatRange(0, min_open=True),
        help="seconds that people wait for the first word",
    ),
)


@click.command(cls=Command, example="appliance plan --users 40 --context 16384")
@click.argument("model", required=False)
@click.option("--users", type=click.IntRange(1, 100_000), help="people who chat at the same time")
@click.option("--context", type=click.IntRange(256, 2**24), help="tokens of one conversation")
@habit_options
@inventory_option
@replay_option
@json_option
@click.option("--exact", is_flag=True, help="memory and speed of exactly the following, no choice")
@click.option("--variant", help="with --exact: the catalogue id")
@click.option("--quant", help="with --exact: the quantization")
@click.option("--total-context", type=click.IntRange(1), help="with --exact: n_ctx of all slots")
@click.option("--slots", type=click.IntRange(1), default=1, help="with --exact: conversations")
@click.option("--kv-type", default="f16", help="with --exact: element type of the cache")
@click.option("--ubatch", type=click.IntRange(1), default=512, help="with --exact: micro-batch")
@click.option(
    "--flash-attn", type=click.Choice(["on", "off"]), default="on", help="with --exact: attention"
)
def plan(
    model: str | None,
    users: int | None,
    context: int | None,
    inventory_file: Path | None,
    replay: Path | None,
    as_json: bool,
    exact: bool,
    **more: Any,
) -> int:
    """What could be served here, best first, with memory and speed; and what not, and why."""
    from appliance.ops.planning import DEFAULT_USERS, ground_of, make_exact_plan, make_plan

    habits = {name: more.pop(name) for name in HABITS}
    options = _exact_options(model, more) if exact else None
    inventory = inventory_of(inventory_file, replay)
    here = not inventory_file and not replay
    ground = ground_of(inventory, find_paths(), here=here)
    if options:
        result = make_exact_plan(ground, **options)
    else:
        named = model and from_here(model)
        wish = Wish(model=named, users=users or DEFAULT_USERS, context=context, **habits)
        result = make_plan(wish, ground)
    if as_json:
        print_document(result)
    else:
        from appliance.cli.plan_view import print_plan

        print_plan(result, inventory)
    return int(ExitCode.OK if any(c.fits for c in result.choices) else ExitCode.DOES_NOT_FIT)


def _exact_options(model: str | None, exactly: dict[str, Any]) -> dict[str, Any]:
    named, _, quant = (exactly.pop("variant") or model or "").partition(":")
    exactly["quant"] = exactly["quant"] or quant
    if not (named and exactly["quant"] and exactly["total_context"]):
        raise UsageError(
            say("--exact needs --variant, --quant and --total-context"),
            hint=say("appliance plan --exact --variant deepseek-v3 --quant q4_k_m "
                     "--total-context 32768 --inventory FILE --json"),
        )  # fmt: skip
    flash = exactly.pop("flash_attn") == "on"
    return {"variant": named, "flash_attn": flash, **exactly}


def inventory_of(inventory_file: Path | None, replay: Path | None) -> Inventory:
    """The inventory to plan for: from a file, from a capture, or of this server."""
    if inventory_file:
        try:
            return msgspec.json.decode(inventory_file.read_bytes(), type=Inventory)
        except msgspec.MsgspecError as error:
            raise UsageError(
                say("{path} is no inventory: {error}", path=inventory_file, error=error),
                hint=say("`appliance detect --json` prints one"),
                code="BAD-INVENTORY",
            ) from error
    from appliance.hardware.box import open_box

    with open_box(replay, state=None if replay else find_paths().state) as box:
        return box.inventory()
