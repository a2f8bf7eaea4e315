"""Chat templates travel in model files and are programs: only what they need is let through."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from appliance.core.i18n import Text, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jinja2 import nodes

MAX_TEMPLATE_BYTES = 1 << 20


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CONSTRUCTS = _words(
    "Add And Assign AssignBlock Break CallBlock Compare Concat CondExpr Const Continue Dict Div "
    "ExprStmt Filter FilterBlock FloorDiv For Getattr Getitem If Keyword List Macro Mod Mul NSRef "
    "Name Neg Not Operand Or Output Pair Pos Slice Sub Template TemplateData Test Tuple With "
    "Call"
)
_FILTERS = _words(
    "abs batch capitalize count d default dictsort e escape first float forceescape format "
    "from_json groupby indent int items join last length list lower map max min reject rejectattr "
    "replace reverse round safe select selectattr slice sort string striptags sum title tojson "
    "trim truncate unique upper urlencode wordcount"
)
_BY_NAME = _words("groupby map max min rejectattr selectattr sort sum unique")
"""Filters that take names of attributes or of other filters."""
_FUNCTIONS = _words("caller cycler dict joiner namespace raise_exception range strftime_now")
_METHODS = _words(
    "append capitalize copy count endswith extend find format get index insert isalnum isalpha "
    "isdigit islower isnumeric isspace isupper items join keys ljust lower lstrip next partition "
    "pop remove removeprefix removesuffix replace reverse rfind rjust rpartition rsplit rstrip "
    "split splitlines startswith strip title update upper values zfill"
)
_KEPT = _words(
    "count first get int items keys last length list max min namespace range split values"
)
"""Filters and calls that put no new text together."""
_DUNDER = re.compile(r"^__|__\w+__")
_LOOKS_UP = re.compile(r"\{[^}]*[_.\[]")
"""A field of a format that reaches into what it is given."""


def objection(template: str) -> Text | None:
    """Why a template is refused; `None` for one that only reads messages and writes text.

    What may be in one is listed: constructs, filters, functions and methods of Jinja that templates
    of published models use. Attributes with a leading underscore are how templates have broken out
    of engines that run them in Python (CVE-2024-34359, CVE-2026-5760), also by names that are put
    together; loading other templates has no honest use.
    """
    import jinja2

    if len(template.encode(errors="replace")) > MAX_TEMPLATE_BYTES:
        return say("its chat template has {size} characters", size=len(template))
    environment = jinja2.Environment(autoescape=False, extensions=["jinja2.ext.loopcontrols"])  # noqa: S701
    try:
        tree = environment.parse(_without_marks(template))
        return next(_objections(tree), None)
    except (jinja2.TemplateSyntaxError, RecursionError):
        return say("its chat template cannot be read")


def _objections(tree: nodes.Template) -> Iterator[Text]:
    from jinja2 import nodes

    callable_names = _FUNCTIONS | {macro.name for macro in tree.find_all(nodes.Macro)}
    made = _made_names(tree)
    for node in tree.find_all(nodes.Node):
        kind = type(node).__name__
        if isinstance(node, nodes.Import | nodes.FromImport | nodes.Include | nodes.Extends):
            yield say("its chat template loads other templates")
        elif kind not in _CONSTRUCTS:
            yield say("its chat template uses {name}", name=kind)
        elif name := _forbidden(node, callable_names, made):
            yield say("its chat template reaches for {name}", name=name[:40])


def _forbidden(node: nodes.Node, callable_names: frozenset[str], made: set[str]) -> str | None:
    """What of a node is not on the list, as it is written in the template."""
    from jinja2 import nodes

    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        return node.attr
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        return node.value if _DUNDER.search(node.value) else None
    if isinstance(node, nodes.Filter):
        return _forbidden_filter(node)
    if isinstance(node, nodes.Call):
        return _forbidden_call(node, callable_names)
    if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Const | nodes.Slice):
        is_made = _makes_text(node.arg) or not made.isdisjoint(_names(node.arg))
        return "[…]" if is_made else None
    return None


def _forbidden_filter(node: nodes.Filter) -> str | None:
    from jinja2 import nodes

    if node.name not in _FILTERS:
        return f"|{node.name}"
    if node.name not in _BY_NAME:
        return None
    for given in [*node.args, *(pair.value for pair in node.kwargs)]:
        if not isinstance(given, nodes.Const):
            return f"|{node.name}(…)"
        if "attr" in (text := str(given.value)).split("attribute") or "._" in f".{text}":
            return f"|{node.name}({text})"
    return None


def _forbidden_call(node: nodes.Call, callable_names: frozenset[str]) -> str | None:
    from jinja2 import nodes

    called = node.node
    if isinstance(called, nodes.Name):
        return None if called.name in callable_names else f"{called.name}()"
    if not isinstance(called, nodes.Getattr):
        return "(…)()"
    if called.attr not in _METHODS:
        return f".{called.attr}()"
    is_plain = isinstance(called.node, nodes.Const) and not _LOOKS_UP.search(str(called.node.value))
    return ".format()" if called.attr == "format" and not is_plain else None


def _makes_text(expression: nodes.Node) -> bool:
    """Whether an expression puts text together, which then could be any name."""
    from jinja2 import nodes

    for node in [expression, *expression.find_all(nodes.Node)]:
        if isinstance(node, nodes.Concat | nodes.Mod):
            return True
        if isinstance(node, nodes.Filter) and node.name not in _KEPT:
            return True
        if isinstance(node, nodes.Call):
            name = getattr(node.node, "attr", None) or getattr(node.node, "name", None)
            if name not in _KEPT:
                return True
        if isinstance(node, nodes.Add | nodes.Mul) and any(
            isinstance(part, nodes.Const) and isinstance(part.value, str)
            for part in (node.left, node.right)
        ):
            return True
    return False


def _made_names(tree: nodes.Template) -> set[str]:
    """Variables that may hold text that the template put together."""
    from jinja2 import nodes

    given: list[tuple[nodes.Node, nodes.Node]] = [
        *((one.target, one.node) for one in tree.find_all(nodes.Assign)),
        *((one.target, one.iter) for one in tree.find_all(nodes.For)),
    ]
    blocks = tree.find_all(nodes.AssignBlock)
    made = _made_parameters(tree) | {name for block in blocks for name in _names(block.target)}
    made |= {name for target, value in given if _makes_text(value) for name in _names(target)}
    heirs: dict[str, set[str]] = {}
    for target, value in given:
        for name in _names(value):
            heirs.setdefault(name, set()).update(_names(target))
    unseen = list(made)
    while unseen:
        fresh = heirs.get(unseen.pop(), set()) - made
        made |= fresh
        unseen += fresh
    return made


def _made_parameters(tree: nodes.Template) -> set[str]:
    """Parameters of macros that are called with text that was put together."""
    from jinja2 import nodes

    handed = {
        call.node.name
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name)
        and any(map(_makes_text, [*call.args, *(pair.value for pair in call.kwargs)]))
    }
    macros = [macro for macro in tree.find_all(nodes.Macro) if macro.name in handed]
    return {parameter.name for macro in macros for parameter in macro.args}


def _names(expression: nodes.Node) -> set[str]:
    """The variables in an expression; what is in a namespace by both its names."""
    from jinja2 import nodes

    if isinstance(expression, nodes.Name):
        return {expression.name}
    if isinstance(expression, nodes.NSRef):
        return {f"{expression.name}.{expression.attr}"}
    if isinstance(expression, nodes.Getattr) and isinstance(expression.node, nodes.Name):
        return {f"{expression.node.name}.{expression.attr}"}
    return {name for child in expression.iter_child_nodes() for name in _names(child)}


def _without_marks(template: str) -> str:
    """Without `{% generation %}`, which training tools put around answers."""
    return re.sub(r"\{%-?\s*(end)?generation\s*-?%\}", "", template)
