"""Chat templates travel in model files and are programs: only what they need is let through."""

from __future__ import annotations

from appliance.core.i18n import Text, say

MAX_TEMPLATE_BYTES = 1 << 20


def objection(template: str) -> Text | None:
    """Why a template is refused; `None` for one that only reads messages and writes text.

    Attributes with a leading underscore are how templates have broken out of engines that run
    them in Python (CVE-2024-34359, CVE-2026-5760); loading other templates has no honest use.
    """
    import jinja2
    from jinja2 import nodes

    if len(template.encode(errors="replace")) > MAX_TEMPLATE_BYTES:
        return say("its chat template has {size} characters", size=len(template))
    environment = jinja2.Environment(autoescape=False, extensions=["jinja2.ext.loopcontrols"])  # noqa: S701
    try:
        tree = environment.parse(_without_marks(template))
    except (jinja2.TemplateSyntaxError, RecursionError):
        return say("its chat template cannot be read")
    loading = (nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends)
    if next(tree.find_all(loading), None) is not None:
        return say("its chat template loads other templates")
    for attribute in tree.find_all(nodes.Getattr):
        if attribute.attr.startswith("_"):
            return say("its chat template reaches for {name}", name=attribute.attr)
    for constant in tree.find_all(nodes.Const):
        if isinstance(constant.value, str) and constant.value.startswith("__"):
            return say("its chat template reaches for {name}", name=constant.value[:40])
    if any(item.name == "attr" for item in tree.find_all(nodes.Filter)):
        return say("its chat template reaches for attributes by name")
    return None


def _without_marks(template: str) -> str:
    """Without `{% generation %}`, which training tools put around answers."""
    import re

    return re.sub(r"\{%-?\s*(end)?generation\s*-?%\}", "", template)
