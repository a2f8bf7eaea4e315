"""Finds the texts of the command line for `pybabel extract`: click keeps them in docstrings and
`help=` arguments, which no keyword marks. Used by babel.cfg, never at run time.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import IO, Any

Found = tuple[int, str, str, list[str]]


def extract_help(
    fileobj: IO[bytes], keywords: Any, comment_tags: Any, options: Any
) -> Iterator[Any]:
    """What Babel finds itself, docstrings of commands, `help=` texts, the table of commands."""
    from babel.messages.extract import extract_python

    yield from extract_python(fileobj, keywords, comment_tags, options)
    fileobj.seek(0)
    for node in ast.walk(ast.parse(fileobj.read())):
        if isinstance(node, ast.FunctionDef) and any(map(_is_command, node.decorator_list)):
            if text := ast.get_docstring(node):
                yield node.lineno, "", inspect.cleandoc(text), []
        elif isinstance(node, ast.keyword) and node.arg == "help":
            yield from _constants(node.value)
        elif isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "COMMANDS":
            for pair in getattr(node.value, "values", []):
                yield from _constants(pair.elts[1])


def _is_command(decorator: ast.expr) -> bool:
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(name, ast.Attribute) and name.attr in ("command", "group")


def _constants(node: ast.expr) -> Iterator[Found]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.lineno, "", node.value, []
