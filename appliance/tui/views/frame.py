"""The lines every screen has: title bar on top, sentence of truth under it, key bar below."""

from __future__ import annotations

from dataclasses import replace

from appliance.core.i18n import _
from appliance.tui.actions import ACTIONS, PLACES, Action, actions_of
from appliance.tui.drawing import Line, Span, cells, clip, ends, line_cells
from appliance.tui.scene import Scene
from appliance.tui.summary import sentence
from appliance.tui.words import SEVERITIES, UNKNOWN

BY_ID = {action.id: action for action in ACTIONS}
BAR_MOST = 6


def title(scene: Scene, place: str) -> Line:
    """The places with their keys, and on the right what is special about this picture."""
    name = Span(" appliance ", "title")
    right = _flags(scene)
    room = scene.width - line_cells(right)
    gap = Span(" ", "tab")
    shapes = [(name, gap, *_tabs(place, " " * apart)) for apart in (3, 2, 1)]
    shapes.append((gap, *_tabs(place, " ")))
    left = next((shape for shape in shapes if line_cells(shape) <= room), shapes[-1])
    return ends(left, right, scene.width, ground="tab")


def _tabs(place: str, gap: str) -> Line:
    spans: list[Span] = []
    for number, name in enumerate(PLACES, 1):
        action = f"go_{name}"
        style = "tab_on" if name == place else "tab"
        key = "tab_on" if name == place else "tab_key"
        if spans:
            spans.append(Span(gap, "tab"))
        spans += [Span(str(number), key, action), Span(f" {BY_ID[action].label}", style, action)]
    return tuple(spans)


def _flags(scene: Scene) -> Line:
    flags = [scene.mark] if scene.mark else []
    if scene.paused:
        flags.append(_("PAUSED"))
    if scene.readonly:
        flags.append(_("READ-ONLY"))
    if not flags and scene.width >= 100:
        return (Span(f" {scene.snapshot.hostname} ", "tab"),)
    return (Span(f" {' '.join(flags)} ", "flag"),) if flags else ()


def truth(scene: Scene) -> Line:
    """The worst severity, and the sentence."""
    severity, whole = sentence(scene.snapshot, scene.glyphs)
    word = SEVERITIES.get(severity, UNKNOWN)
    badge = Span(f" {word.text} {getattr(scene.glyphs, word.shape)}  ", word.style)
    room = scene.width - cells(badge.text) - 1
    if cells(whole) > room:
        whole = sentence(scene.snapshot, scene.glyphs, room)[1]
    return (badge, Span(clip(whole, room, scene.glyphs.ellipsis), "strong"))


def key_bar(scene: Scene, screen: str) -> Line:
    """At most six keys of this screen, then where to find the others."""
    shown = [a for a in actions_of(screen) if a.bar and not (scene.readonly and a.writes)]
    shown.sort(key=lambda action: action.bar)
    if scene.snapshot.down_s is not None and not scene.snapshot.starting:
        shown = [a for a in shown if a.bar >= 7 or not a.writes]
        shown.insert(0, replace(BY_ID["start_daemon"], bar=1))
    left = [action for action in shown if action.bar < 7][:BAR_MOST]
    right = _keys([action for action in shown if action.bar >= 7], screen)
    while left and line_cells(_keys(left, screen)) + line_cells(right) > scene.width:
        left.pop()
    return ends(_keys(left, screen), right, scene.width, ground="key_label")


def _keys(actions: list[Action], screen: str) -> Line:
    spans: list[Span] = []
    for action in actions:
        key = action.key_while_typing if screen == "chat" else action.key
        spans.append(Span(f" {key}", "key", action.id))
        spans.append(Span(f" {action.label} ", "key_label", action.id))
    return tuple(spans)
