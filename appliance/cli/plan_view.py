"""A plan on one page: the picks, what more hardware would buy, and what does not start, and why."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from itertools import groupby

import click

from appliance.cli.memory_bar import LEGEND, memory_lines
from appliance.cli.output import gib, number, pad, print_table, wrapped
from appliance.core.i18n import Text, _, current_language, say
from appliance.core.inventory import Card, Inventory
from appliance.core.plan import Choice, Plan, Rejection, Wish
from appliance.engines.recipes import recipe
from appliance.planner.people import habits_of
from appliance.planner.rules import rules
from appliance.planner.wording import pace, pace_number

_MOST_OF_A_KIND = 4
_MOST_OTHERS = 6
_WIDEST = 80
_INDENT = "  "
_TITLES = {
    "quality": say("BEST QUALITY"),
    "balanced": say("BALANCED"),
    "fastest": say("FASTEST"),
}


def print_plan(plan: Plan, inventory: Inventory) -> None:
    """All of it, at most 80 columns wide."""
    _print_line(_("server"), _server(inventory))
    _print_line(_("wish"), _wish(plan.wish))
    picks = [choice for choice in plan.choices if choice.pick] or plan.choices[:1]
    for index, choice in enumerate(_in_order(picks), 1):
        click.echo()
        _print_pick(choice, index, inventory, plan.wish)
    if picks:
        click.echo()
        _print_wrapped(str(LEGEND), _INDENT)
    else:
        click.echo()
        click.echo(_("nothing fits here"))
    _print_others([choice for choice in plan.choices if choice not in picks])
    _print_improvements(plan)
    if plan.rejected:
        click.echo()
        click.echo(_("What does not start here, and why:"))
    print_rejected(plan.rejected, _MOST_OF_A_KIND)


def _in_order(picks: Sequence[Choice]) -> list[Choice]:
    order = list(_TITLES)
    return sorted(picks, key=lambda choice: order.index(choice.pick or "quality"))


def _server(inventory: Inventory) -> str:
    kinds: dict[tuple[str, int | None], int] = {}
    for card in inventory.accelerators():
        kind = (card.name or card.vendor, card.memory_mib)
        kinds[kind] = kinds.get(kind, 0) + 1
    parts = [f"{count} x {name} ({gib(memory)})" for (name, memory), count in kinds.items()]
    host = inventory.host
    if not parts:
        parts.append(host.cpu.model or _("a processor"))
    return ", ".join([*parts, _("{memory} of memory").format(memory=gib(host.memory_mib))])


def _wish(wish: Wish) -> str:
    habits = habits_of(wish)
    first_s = wish.first_word_s or rules().people.first_word_s
    text = _(
        "{users} people; each asks {prompt} tokens, gets {answer}, reads and thinks {think} s; "
        "first word within {first} s"
    )
    return text.format(
        users=wish.users,
        prompt=habits.prompt_tokens,
        answer=habits.answer_tokens,
        think=number(habits.think_s),
        first=number(first_s),
    )


def _print_pick(choice: Choice, index: int, inventory: Inventory, wish: Wish) -> None:
    title = f"{_TITLES[choice.pick]}  " if choice.pick else ""
    click.secho(f"{index} {title}{choice.variant}", bold=True)
    for label, text in _facts(choice, inventory, wish):
        _print_line(label, text)
    for label, line in zip(_labels(_("memory")), memory_lines(choice, inventory), strict=False):
        click.echo(_label(label) + line)
    for label, text in zip(_labels(_("but")), _drawbacks(choice), strict=False):
        _print_line(label, text)


def _labels(first: str) -> Iterator[str]:
    yield first
    while True:
        yield ""


def _facts(choice: Choice, inventory: Inventory, wish: Wish) -> Iterator[tuple[str, str]]:
    if people := _people(choice, wish):
        yield _("people"), people
    yield _("speed"), _speed(choice)
    yield _("engine"), _engine(choice, inventory)
    conversations = choice.slots * choice.replicas
    yield (
        _("chats"),
        _("{count} at the same time, {context} tokens each").format(
            count=conversations, context=choice.context
        ),
    )
    if choice.download_mib is not None:
        here = _("nothing, it is here")
        yield _("fetch"), gib(choice.download_mib) if choice.download_mib else here


def _people(choice: Choice, wish: Wish) -> str | None:
    people = choice.people
    if people is None or people.words_per_s is None:
        return None
    parts = [
        _("{users} chatting, first word in {first} s, {pace} each").format(
            users=people.users,
            first=number(people.first_word_s),
            pace=pace(people.words_per_s / rules().people.words_per_token),
        )
    ]
    if people.most_users and people.most_users > people.users:
        parts.append(_("set up for more: up to {most}").format(most=people.most_users))
    return "; ".join(parts)


def _speed(choice: Choice) -> str:
    speed = choice.speed
    alone = _("{pace} for one alone").format(pace=pace(speed.decode_tps_one or 0.0))
    together = _("{pace} together").format(pace=pace(speed.decode_tps_all or 0.0))
    parts = [
        alone + _between(speed.decode_tps_one_range),
        together + _between(speed.decode_tps_all_range),
    ]
    if speed.predicted_tps_one is not None:
        parts.append(_("measured here; foretold {pace}").format(pace=pace(speed.predicted_tps_one)))
    return ", ".join(parts)


def _between(tps: tuple[float, float] | None) -> str:
    if tps is None:
        return ""
    low, high = (number(pace_number(end)) for end in tps)
    return " " + _("({low} to {high})").format(low=low, high=high)


def _engine(choice: Choice, inventory: Inventory) -> str:
    text = f"{choice.engine} ({choice.recipe}), {_where(choice, inventory)}"
    ways = {
        "container": _("in a container"),
        "build": _("built on this server"),
        "environment": _("installed on this server"),
    }
    way = ways.get(recipe(choice.recipe).start)
    return f"{text}; {way}" if way else text


def _where(choice: Choice, inventory: Inventory) -> str:
    if choice.cards == ["cpu"]:
        return _("on the processor")
    names = {_name(inventory.card(card)) for card in choice.cards}
    text = f"{len(choice.cards)} x {', '.join(sorted(names))}"
    if choice.host_layers:
        text += ", " + _("experts of {count} layers in host memory").format(
            count=choice.host_layers
        )
    if choice.replicas > 1:
        text += ", " + _("{count} replicas").format(count=choice.replicas)
    return text


def _name(card: Card | None) -> str:
    return (card.name or card.vendor) if card else "?"


def _drawbacks(choice: Choice) -> list[str]:
    lacks = list(choice.gives_up)
    return lacks if choice.fits else [*lacks, _("it does not fit here")]


def _print_others(others: Sequence[Choice]) -> None:
    if not others:
        return
    click.echo()
    click.echo(_("Also possible, best first:"))
    head = ("", _("MODEL"), _("ENGINE"), _("CARDS"), _("PEOPLE"), _pace_head())
    rows = [(" ", *_row(choice)) for choice in others[:_MOST_OTHERS]]
    print_table(head, rows)
    if len(others) > _MOST_OTHERS:
        text = _("and {count} more; `appliance plan --json` names all")
        click.echo(_INDENT + text.format(count=len(others) - _MOST_OTHERS))


def _row(choice: Choice) -> tuple[object, ...]:
    return (
        choice.variant,
        choice.engine,
        "cpu" if choice.cards == ["cpu"] else str(len(choice.cards)),
        str(choice.people.users) if choice.people else None,
        number(pace_number(choice.speed.decode_tps_one or 0.0)),
    )


def _pace_head() -> str:
    return _("CHARACTERS/S") if current_language() == "zh" else _("WORDS/S")


def _print_improvements(plan: Plan) -> None:
    if plan.improvements:
        click.echo()
        click.echo(_("What more would buy:"))
    for improvement in plan.improvements:
        _print_wrapped(improvement.text, _INDENT + "- ")


def print_rejected(rejected: Sequence[Rejection], most: int | None = None) -> None:
    """Grouped by what could be done about it; at most so many of a kind."""
    ordered = sorted(rejected, key=lambda one: (one.code, one.advice))
    for (code, advice), group in groupby(ordered, key=lambda one: (one.code, one.advice)):
        together = list(group)
        _print_wrapped(advice, f"{_INDENT}{code}: ")
        for one in together[:most]:
            _print_wrapped(f"{one.variant}: {one.reason}", _INDENT * 2)
        if most is not None and len(together) > most:
            text = _("and {count} more; `appliance plan --json` names all")
            _print_wrapped(text.format(count=len(together) - most), _INDENT * 2)


def _print_line(label: str, text: str | Text) -> None:
    _print_wrapped(str(text), _label(label))


def _label(text: str) -> str:
    return _INDENT + pad(text, 9)


def _print_wrapped(text: str, first: str) -> None:
    columns = min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
    for line in wrapped(text, first, columns):
        click.echo(line)
