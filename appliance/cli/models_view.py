"""`models list` for people: a line for each model, in the form that does best here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from appliance.cli.catalogue import catalogue_line
from appliance.cli.output import print_table
from appliance.cli.plan_view import print_rejected
from appliance.core.i18n import _
from appliance.core.plan import Rejection
from appliance.planner.wording import pace

if TYPE_CHECKING:
    from appliance.ops.models import ModelRow


def print_stored(rows: Sequence[ModelRow]) -> None:
    """What is in the store."""
    click.echo(catalogue_line())
    click.echo()
    if rows:
        _print_table(rows)
    else:
        click.echo(_("the store is empty"))


def print_models(rows: Sequence[ModelRow], *, everything: bool) -> None:
    """What runs here and what is stored; with `everything` also the rest, with reason and fix."""
    click.echo(catalogue_line())
    best = list(_best_of_each(rows))
    shown = [row for row in rows if row.stored or row in best]
    click.echo()
    if shown:
        _print_table(shown)
    else:
        click.echo(_("nothing fits here"))
    if everything:
        _print_rest(rows, {_family(row) for row in shown})


def _print_table(rows: Sequence[ModelRow]) -> None:
    head = (_("MODEL"), _("GB"), _("ENGINE"), _("ALONE"), _("NOTE"))
    print_table(head, [_cells(row) for row in rows])


def _family(row: ModelRow) -> str:
    return row.id.partition(":")[0]


def _best_of_each(rows: Iterable[ModelRow]) -> Iterator[ModelRow]:
    """The first that runs of each model: rows come best first."""
    seen: set[str] = set()
    for row in rows:
        if row.fits and row.kind == "deepseek" and _family(row) not in seen:
            seen.add(_family(row))
            yield row


def _cells(row: ModelRow) -> tuple[object, ...]:
    size = None if row.bytes is None else f"{row.bytes / 1e9:.1f}"
    speed = None if row.decode_tps_one is None else pace(row.decode_tps_one)
    note = stored_note(row) if row.stored else ""
    if row.fits and not row.sources and not row.stored:
        note = _("import it")
    elif row.meets_wish is False and not row.stored:
        note = _("slow here")
    return (row.id, size, row.engine, speed, note)


def stored_note(row: ModelRow) -> str:
    """How a stored model is, as far as that is known without reading it."""
    return _("damaged: pull it again") if row.whole is False else _("stored")


def _print_rest(rows: Sequence[ModelRow], shown: set[str]) -> None:
    """One form of each model that is not shown, the one that comes nearest."""
    rest: dict[str, ModelRow] = {}
    for row in sorted(rows, key=lambda row: (row.code != "TOO-BIG", row.bytes or 0)):
        if row.fits is False and _family(row) not in shown:
            rest.setdefault(_family(row), row)
    if not rest:
        return
    click.echo()
    click.echo(_("Does not run here, and why:"))
    print_rejected(
        [
            Rejection(
                variant=row.id,
                engine=row.engine or "",
                code=row.code or "",
                reason=row.reason or "",
                advice=row.advice or "",
            )
            for row in rest.values()
        ]
    )
