"""Keep the catalogue of translations in step with the code.

    python .ci/translations.py update    collect the texts of the code into the .po
    python .ci/translations.py compile   write the .mo beside it
    python .ci/translations.py missing   print what has no translation yet

Texts are the first argument of `say`, `_`, `Text` and `translate`, and in the command line also the
docstrings of commands, their `help=` and the lines of the table of commands; of data the values of
some keys.
"""

from __future__ import annotations

import ast
import inspect
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

PACKAGE = Path(__file__).parent.parent / "appliance"
PO = PACKAGE / "locale" / "zh_CN" / "LC_MESSAGES" / "appliance.po"
MO = PO.with_suffix(".mo")
MARKERS = frozenset({"say", "_", "Text", "translate"})
DATA = {
    "planner/rules.toml": frozenset({"reason", "advice"}),
    "supervisor/diagnosis.toml": frozenset({"what", "hint"}),
}


def texts() -> set[str]:
    """Every text of the code that a person may read."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        found.update(_marked(tree))
        if path.parent.name == "cli":
            found.update(_of_commands(tree))
    for name, keys in DATA.items():
        found.update(_of_data(tomllib.loads((PACKAGE / name).read_text(encoding="utf-8")), keys))
    return found - {""}


def _of_data(node: Any, keys: frozenset[str]) -> Iterator[str]:
    if isinstance(node, list):
        for value in node:
            yield from _of_data(value, keys)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in keys and isinstance(value, str):
                yield value
            else:
                yield from _of_data(value, keys)


def _marked(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and _name(node.func) in MARKERS:
            yield from _literals(node.args[0])


def _of_commands(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(_is_command(d) for d in node.decorator_list):
            yield inspect.cleandoc(ast.get_docstring(node) or "")
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in ("help", "short_help"):
                    yield from _literals(keyword.value)
        elif isinstance(node, ast.AnnAssign) and _name(node.target) == "COMMANDS" and node.value:
            pairs = [v for v in ast.walk(node.value) if isinstance(v, ast.Tuple)]
            for pair in pairs:
                yield from _literals(pair.elts[-1])


def _is_command(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return _name(called) in ("command", "group")


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _literals(node: ast.expr) -> Iterator[str]:
    """A literal, or both sides of a conditional one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)


def catalogue() -> Catalog:
    """The translations as they are written down."""
    with PO.open("rb") as file:
        return read_po(file, locale="zh_CN", domain="appliance")


def update() -> None:
    """Bring the .po in step: new texts without a translation, none that the code has no more."""
    old = catalogue()
    new = Catalog(
        "zh_CN",
        "appliance",
        header_comment="# Chinese texts of the appliance.",
        project="appliance",
        version="0",
        msgid_bugs_address="-",
        last_translator="-",
        language_team="-",
        creation_date=old.creation_date,
        revision_date=old.creation_date,
        fuzzy=False,
    )
    for text in sorted(texts()):
        known = old.get(text)
        new.add(text, known.string if known else "")
    with PO.open("wb") as file:
        write_po(file, new, width=100, no_location=True)


def compile_() -> None:
    """Write the .mo."""
    with MO.open("wb") as file:
        write_mo(file, catalogue())


def missing() -> list[str]:
    """Texts without a translation."""
    known = catalogue()
    return sorted(t for t in texts() if not ((message := known.get(t)) and message.string))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["update"]:
            update()
        case ["compile"]:
            compile_()
        case ["missing"]:
            sys.stdout.write("".join(f"{text}\n" for text in missing()))
        case _:
            sys.exit(__doc__)
