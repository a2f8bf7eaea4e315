"""The board: what runs, what needs attention, how the cards are."""

from __future__ import annotations

from appliance.core.i18n import _
from appliance.tui.drawing import BLANK, Line, Span, section
from appliance.tui.scene import Scene
from appliance.tui.snapshot import CardRow
from appliance.tui.views import cards, graphs, health, jobs, services
from appliance.tui.words import gib

_LEAST_GRAPH = 4
_MOST_GRAPH = 10
_ROOMY = 30
"""Rows from which on there is room for a whole example request."""


def board(scene: Scene) -> list[Line]:
    """Sections in the order of their urgency; what room is left shows history and events."""
    top = [*_spaced(_trouble(scene)), *_spaced(_work(scene)), *_service(scene)]
    lines = [*top, BLANK, *_cards(scene, scene.height - len(top) - 1)]
    room = scene.height - len(lines) - 1
    graph = _graph(scene, room)
    lines += [BLANK, *graph] if graph else []
    return [*lines, *_events(scene, scene.height - len(lines) - 2)][: scene.height]


def _events(scene: Scene, room: int) -> list[Line]:
    if room < 1 or not scene.snapshot.events:
        return []
    heading = section(_("WHAT HAPPENED"), scene.width, scene.glyphs)
    return [BLANK, heading, *health.happened(scene, room)]


def _spaced(lines: list[Line]) -> list[Line]:
    return [*lines, BLANK] if lines else []


def _trouble(scene: Scene) -> list[Line]:
    return health.attention(scene, max(4, scene.height // 5))


def _work(scene: Scene) -> list[Line]:
    return jobs.running(scene)


def _service(scene: Scene) -> list[Line]:
    deployments = scene.snapshot.deployments
    lines: list[Line] = [section(_("SERVICE"), scene.width, scene.glyphs)]
    if not deployments:
        known = scene.snapshot.status is not None
        return [*lines, *(services.empty() if known else [(Span(_("not known"), "dim"),)])]
    most = max(2, scene.height // 4)
    lines += services.table(scene)[: most + 1]
    chosen = scene.snapshot.deployment(scene.deployment)
    if chosen:
        lines += services.endpoint(scene, chosen, example=scene.height >= _ROOMY)
    return lines


def _cards(scene: Scene, room: int) -> list[Line]:
    rows = scene.snapshot.worst_first()
    shown = rows[: max(1, room - 2)]
    more = len(rows) - len(shown)
    lines: list[Line] = [section(_("CARDS"), scene.width, scene.glyphs, _note(scene, more))]
    if not rows:
        return [*lines, (Span(_("not known"), "dim"),)]
    if more == 0:
        shown = _in_order(rows)
    return [*lines, *cards.table(scene, shown, cards.BOARD)]


def _in_order(rows: list[CardRow]) -> list[CardRow]:
    """The order of the driver where all fit: a card stays where it was."""
    return sorted(rows, key=lambda row: row.place)


def _note(scene: Scene, more: int) -> str:
    if more:
        return _("{count} more: 3").format(count=more)
    memory = scene.snapshot.inventory.host.memory_mib if scene.snapshot.inventory else None
    used = scene.snapshot.sample.host.memory_used_mib if scene.snapshot.sample else None
    if memory is None or used is None:
        return ""
    return _("server memory: {used} of {total}").format(
        used=f"{gib(used)}G", total=f"{gib(memory)}G"
    )


def _graph(scene: Scene, room: int) -> list[Line]:
    if scene.slow or room < _LEAST_GRAPH or not scene.snapshot.cards():
        return []
    events = min(len(scene.snapshot.events), 6)
    height = room - events - 2 if events else room
    return graphs.of_all(scene, min(max(_LEAST_GRAPH, height), _MOST_GRAPH, room))
