"""Documents and tables on stdout."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import click

from appliance.core.documents import to_json
from appliance.core.inventory import Document


def print_document(document: Document, *, lines: bool = False) -> None:
    """One JSON document; on one line where a stream of them is promised."""
    click.echo(to_json(document, indent=0 if lines else 2))


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; unknown values are `-`."""
    texts = [list(head), *([cell(value) for value in row] for row in rows)]
    widths = [max(width(row[i]) for row in texts) for i in range(len(head))]
    for row in texts:
        line = "  ".join(pad(text, size) for text, size in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def cell(value: object) -> str:
    """A value as a person reads it; `None` is unknown."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def width(text: str) -> int:
    """Terminal cells that `text` takes: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, size: int) -> str:
    """`text` filled up with blanks to `size` cells."""
    return text + " " * (size - width(text))


def gib(mib: float | None) -> str:
    """MiB as GiB for people."""
    return "-" if mib is None else f"{mib / 1024:.1f} GiB"


def mib(value: float | None) -> str:
    """A size in the unit that suits it."""
    if value is None:
        return "-"
    return f"{value:.0f} MiB" if value < 1024 else gib(value)
