"""`watch --history`: what the cards did, from the daemon's record."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta

import click

from appliance.cli.hardware import label_of
from appliance.cli.options import Settings
from appliance.cli.output import mib, print_document, print_table, rounded
from appliance.core.errors import UsageError
from appliance.core.history import READINGS, History, HistoryPoint, Range, Span
from appliance.core.i18n import _, say
from appliance.core.inventory import Inventory


def show_history(settings: Settings, span: Span, card: str | None, *, as_json: bool) -> int:
    """All cards in one line each, or one card step by step; as JSON one document a card."""
    from appliance.cli.daemon import daemon_client

    with daemon_client(settings) as client:
        inventory = client.inventory()
        subjects = [subject_of(inventory, card)] if card else [c.id for c in inventory.cards]
        found = [client.history(subject, span) for subject in subjects]
    if as_json:
        for history in found:
            print_document(history, lines=True)
    elif card:
        _print_steps(found[0])
    else:
        _print_cards(found, {c.id: label_of(c.vendor, c.index) for c in inventory.cards})
    return 0


def subject_of(inventory: Inventory, text: str) -> str:
    """The id of the card that is called so: by its id, its label, or its number where one has it.

    Raises `UsageError` for a name that no card has, or several.
    """
    if text in ("host", "all"):
        return text
    found = {
        c.id for c in inventory.cards if text in (c.id, label_of(c.vendor, c.index), str(c.index))
    }
    if len(found) == 1:
        return found.pop()
    known = ", ".join(label_of(c.vendor, c.index) for c in inventory.cards)
    raise UsageError(
        say("no such card: {card}", card=text) if not found
        else say("several cards are called {card}", card=text),
        hint=say("there are: {cards}, host, all", cards=known),
        code="NO-SUCH-CARD",
    )  # fmt: skip


def _print_cards(found: list[History], labels: dict[str, str]) -> None:
    head = (_("CARD"), _("KNOWN"), _("USE%"), _("MEMORY"), _("TEMP C"), _("POWER W"), _("CLOCK"))
    rows = []
    for history in found:
        known = sum(point is not None for point in history.points)
        rows.append(
            (labels.get(history.card, history.card), f"{100 * known // len(history.points)}%",
             *(_spread(history, name) for name in READINGS))
        )  # fmt: skip
    print_table(head, rows)
    click.echo()
    click.echo(_("least, mean and most over the span; KNOWN is the part of it with readings"))


def _spread(history: History, name: str) -> str | None:
    ranges = [r for point in history.points if point and (r := getattr(point, name)) is not None]
    if not ranges:
        return None
    mean = sum(r.mean for r in ranges) / len(ranges)
    return _words(
        name, Range(min=min(r.min for r in ranges), mean=mean, max=max(r.max for r in ranges))
    )


def _words(name: str, found: Range) -> str:
    parts = (found.min, found.mean, found.max)
    if name == "memory_used_mib":
        return "  ".join(map(mib, parts))
    return " ".join(f"{rounded(part):>3}" for part in parts)


def _print_steps(history: History) -> None:
    head = (_("TIME"), _("USE%"), _("MEMORY"), _("TEMP C"), _("POWER W"), _("CLOCK"))
    rows = []
    for time, point in _steps(history):
        cells = [getattr(point, name) if point else None for name in READINGS]
        rows.append(
            (time, *(None if cell is None else _words(name, cell)
                     for name, cell in zip(READINGS, cells, strict=True)))
        )  # fmt: skip
    print_table(head, rows)


def _steps(history: History) -> Iterator[tuple[str, HistoryPoint | None]]:
    """Every step with its beginning; a gap of many is told once."""
    step = timedelta(seconds=history.step_s)
    begin = datetime.fromisoformat(history.until) - step * len(history.points)
    numbered = enumerate(history.points)
    for gap, points in itertools.groupby(numbered, key=lambda pair: pair[1] is None):
        for number, point in itertools.islice(points, 1 if gap else None):
            yield (begin + number * step).astimezone().strftime("%m-%d %H:%M:%S"), point
