"""Every key of a screen, with the command that does the same."""

from __future__ import annotations

from appliance.core.i18n import _
from appliance.tui.actions import ACTIONS, EVERYWHERE, Action, actions_of
from appliance.tui.drawing import BLANK, Line, Span, fit, section, wrap
from appliance.tui.keys import key_name
from appliance.tui.scene import Scene

_KEY = 14


def page(scene: Scene, screen: str) -> list[Line]:
    """First what belongs to the screen, then what works everywhere, then how to read states."""
    own = [action for action in actions_of(screen) if action.screens != EVERYWHERE]
    general = [action for action in ACTIONS if action.screens == EVERYWHERE]
    lines: list[Line] = [section(_("THIS SCREEN"), scene.width, scene.glyphs)]
    for action in own:
        lines += _entry(scene, action)
    lines += [BLANK, section(_("EVERYWHERE"), scene.width, scene.glyphs)]
    for action in general:
        lines += _entry(scene, action)
    return [*lines, BLANK, *_reading(scene)]


def keys_of(action: Action) -> str:
    """All keys of an action as people write them."""
    return " ".join(map(key_name, action.keys))


def _entry(scene: Scene, action: Action) -> list[Line]:
    off = scene.readonly and action.writes
    keys = fit(keys_of(action), _KEY)
    texts = wrap(str(action.help), scene.width - _KEY - 2)
    style = "dim" if off else ""
    first: Line = (Span(f"{keys}  ", style or "accent"), Span(texts[0], style))
    rest: list[Line] = [(Span(" " * (_KEY + 2) + text),) for text in texts[1:]]
    if action.twin:
        rest.append((Span(" " * (_KEY + 2) + f"$ {action.twin}", "dim"),))
    return [first, *rest]


def _reading(scene: Scene) -> list[Line]:
    marks = scene.glyphs
    lines: list[Line] = [section(_("HOW TO READ IT"), scene.width, marks)]
    texts = [
        _(
            "Every state is a word and a mark: {ok} good, {warn} look at it, {fail} broken, "
            "{unknown} not known."
        ).format(ok=marks.ok, warn=marks.warn, fail=marks.fail, unknown=marks.unknown),
        _("STALE: the readings are older than three seconds. n/a: they cannot be read."),
        _("A card's WARN and CRITICAL are its driver's words; no limits are set here."),
    ]
    for text in texts:
        lines += [(Span(line),) for line in wrap(text, scene.width)]
    return lines
