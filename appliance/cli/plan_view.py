"""A plan for people: the choices side by side, the first in full, and what does not run here."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import groupby

import click

from appliance.cli.output import gib, number, pad, print_table, wrapped
from appliance.core.i18n import _
from appliance.core.plan import CardMemory, Choice, Plan, Rejection

_MOST_OF_A_KIND = 8
_WIDEST = 100


def print_plan(plan: Plan) -> None:
    """All of it, at most 100 columns wide."""
    if len(plan.choices) > 1:
        _print_choices(plan.choices)
        click.echo()
    if plan.choices:
        _print_best(plan.choices[0])
    else:
        click.echo(_("nothing fits here"))
    if plan.rejected:
        click.echo()
        _print_rejected(plan.rejected)


def _print_choices(choices: Sequence[Choice]) -> None:
    head = (
        "", _("MODEL"), _("ENGINE"), _("CARDS"), _("CHATS"), _("MEMORY GiB"), _("TOKENS/S"),
        _("FETCH"),
    )  # fmt: skip
    rows = [(index, *_row(choice)) for index, choice in enumerate(choices, 1)]
    print_table(head, rows)
    click.echo()
    text = _(
        "CHATS: how many at the same time, and the tokens of each. MEMORY: of the fullest card. "
        "TOKENS/S: one person alone / all together. FETCH: GiB to download."
    )
    _print_wrapped(text, "")


def _row(choice: Choice) -> tuple[object, ...]:
    fullest = _fullest(choice)
    speed = choice.speed
    return (
        choice.variant,
        choice.engine,
        _cards(choice),
        f"{choice.slots * choice.replicas}x{choice.context}",
        f"{_plain_gib(fullest.total_mib)}/{_plain_gib(fullest.available_mib)}",
        f"{number(speed.decode_tps_one)}/{number(speed.decode_tps_all)}",
        _("here") if choice.download_mib == 0 else _plain_gib(choice.download_mib),
    )


def _cards(choice: Choice) -> str:
    return "cpu" if choice.cards == ["cpu"] else str(len(choice.cards))


def _fullest(choice: Choice) -> CardMemory:
    return max(choice.memory.per_card, key=lambda card: card.total_mib)


def _plain_gib(mib: float | None) -> str:
    return "?" if mib is None else f"{mib / 1024:.1f}"


def _print_best(choice: Choice) -> None:
    click.secho(choice.variant, bold=True)
    for label, text in _facts(choice):
        _print_wrapped(text, _label(label))
    for reason in choice.why:
        _print_wrapped(reason, _label("") + "- ")
    if not choice.fits:
        _print_wrapped(_("it does not fit here"), _label(""))


def _facts(choice: Choice) -> list[tuple[str, str]]:
    speed, fullest = choice.speed, _fullest(choice)
    return [
        (_("engine"), f"{choice.engine} ({choice.recipe})"),
        (_("runs on"), ", ".join(choice.cards)),
        (_("chats"), _("{count} at the same time, {context} tokens each").format(
            count=choice.slots * choice.replicas, context=choice.context)),
        (_("memory"), _("{weights} weights + {cache} conversations + {work} to work with = {total} "
                        "of {available}").format(
            weights=gib(fullest.weights_mib), cache=gib(fullest.kv_mib),
            work=gib(fullest.compute_mib + fullest.overhead_mib), total=gib(fullest.total_mib),
            available=gib(fullest.available_mib))),
        (_("speed"), _("{one} tokens/s alone, {all} together, first word after {first} s").format(
            one=number(speed.decode_tps_one), all=number(speed.decode_tps_all),
            first=number(speed.first_token_s))),
    ]  # fmt: skip


def _label(text: str) -> str:
    return "  " + pad(text, 10)


def _print_rejected(rejected: Sequence[Rejection]) -> None:
    """Grouped by what could be done about it."""
    click.echo(_("What does not run here:"))
    ordered = sorted(rejected, key=lambda one: (one.code, one.advice))
    for (code, advice), group in groupby(ordered, key=lambda one: (one.code, one.advice)):
        together = list(group)
        _print_wrapped(advice, f"  {code}: ")
        rows = [("   ", one.variant, one.reason) for one in together[:_MOST_OF_A_KIND]]
        print_table(None, rows)
        if len(together) > _MOST_OF_A_KIND:
            text = _("and {count} more; `appliance plan --json` names all")
            click.echo("     " + text.format(count=len(together) - _MOST_OF_A_KIND))


def _print_wrapped(text: str, first: str) -> None:
    columns = min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
    for line in wrapped(text, first, columns):
        click.echo(line)
