"""Documents and tables on stdout."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import click

from appliance.core.documents import to_json
from appliance.core.inventory import Document

_PARTS = re.compile(
    r"\s*[^\s\u2e80-\u9fff\uff00-\uffef]+|\s*[\u2e80-\u9fff\uff00-\uffef][，。；：、）]*"
)


def print_document(document: Document, *, lines: bool = False) -> None:
    """One JSON document; on one line where a stream of them is promised."""
    click.echo(to_json(document, indent=0 if lines else 2))


def print_documents(
    schema: str, name: str, documents: Sequence[Document], **more: Document
) -> None:
    """One JSON document that holds a list of documents under `name`, and `more` ones by name."""
    body = ",".join(to_json(document) for document in documents)
    others = "".join(f'"{key}":{to_json(document)},' for key, document in more.items())
    click.echo(f'{{"schema":"{schema}",{others}"{name}":[{body}]}}')


def print_table(head: Sequence[str] | None, rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; unknown values are `-`."""
    texts = [*([list(head)] if head else []), *([cell(value) for value in row] for row in rows)]
    widths = [max(width(row[i]) for row in texts) for i in range(len(texts[0]))] if texts else []
    for row in texts:
        line = "  ".join(pad(text, size) for text, size in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def cell(value: object) -> str:
    """A value as a person reads it; `None` is unknown."""
    if value is None:
        return "-"
    return number(value) if isinstance(value, float) else str(value)


def number(value: float | None) -> str:
    """Three digits or so: nobody reads more."""
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 1 else 2
    return f"{value:.{digits}f}"


def rounded(value: float | None) -> int | None:
    """Without a fraction: a reading that changes every second needs none."""
    return None if value is None else round(value)


def width(text: str) -> int:
    """Terminal cells that `text` takes: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, size: int) -> str:
    """`text` filled up with blanks to `size` cells."""
    return text + " " * (size - width(text))


def clipped(text: str, columns: int) -> str:
    """`text`, or as much of it as `columns` cells hold, with an ellipsis."""
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return f"{text}…"


def wrapped(text: str, first: str, columns: int) -> list[str]:
    """`text` after `first` in lines of at most `columns` cells, the next ones indented alike.

    Lines break at blanks, and between East Asian wide characters.
    """
    lines, line = [], first
    indent = " " * width(first)
    for part in _PARTS.findall(text):
        if width(line) + width(part.rstrip()) > columns and line.strip() and line != first:
            lines.append(line.rstrip())
            line = indent
        line += part if line not in (first, indent) else part.lstrip()
    return [*lines, line.rstrip()]


def gib(mib: float | None) -> str:
    """MiB as GiB for people."""
    return "-" if mib is None else f"{mib / 1024:.1f} GiB"


def mib(value: float | None) -> str:
    """A size in the unit that suits it."""
    if value is None:
        return "-"
    return f"{value:.0f} MiB" if value < 1024 else gib(value)
