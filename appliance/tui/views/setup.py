"""What was found in this server, what would get in the way, and the main job."""

from __future__ import annotations

from collections import Counter

from appliance.core.i18n import _
from appliance.core.inventory import Card, Inventory
from appliance.tui.drawing import BLANK, Line, Span, fit, section, wrap
from appliance.tui.scene import Scene
from appliance.tui.views import jobs
from appliance.tui.words import CARD_STATES, UNKNOWN, Word, gib, size

_STATE = 13
_NAME = 14
_TEXT = 2 + _STATE + _NAME


def page(scene: Scene) -> list[Line]:
    """The newest job where there is one; what was found; and without a job, what to do next."""
    newest = next(reversed(list(scene.jobs.values())), None)
    job = [*jobs.page(scene, newest), BLANK] if newest else []
    lines: list[Line] = [*job, section(_("FOUND HERE"), scene.width, scene.glyphs)]
    inventory = scene.snapshot.inventory
    if inventory is None:
        return [*lines, (Span(_("not known"), "dim"),)]
    lines += _found(scene, inventory)
    return lines if job else [*lines, BLANK, *_next(scene)]


def _found(scene: Scene, inventory: Inventory) -> list[Line]:
    host = inventory.host
    cpu = " ".join(filter(None, (host.cpu.model, _cores(inventory))))
    lines = [
        *_fact(scene, CARD_STATES["ok"], _("system"), " ".join(filter(None, (host.os, host.arch)))),
        *_fact(scene, CARD_STATES["ok"], _("processor"), cpu),
        *_fact(scene, CARD_STATES["ok"], _("memory"), f"{gib(host.memory_mib)} GiB"),
    ]
    lines += _cards(scene, inventory)
    for disk in host.disks[:4]:
        free = _("{mount}: {free} of {total} free").format(
            mount=disk.mount, free=_bytes(disk.free_mib), total=_bytes(disk.total_mib)
        )
        word = CARD_STATES["degraded"] if disk.read_only else CARD_STATES["ok"]
        lines += _fact(scene, word, _("disk"), free)
    return lines


def _bytes(mib: int | None) -> str:
    return size(None if mib is None else mib * 2**20)


def _cores(inventory: Inventory) -> str:
    cores = inventory.host.cpu.cores
    return "" if cores is None else _("{count} cores").format(count=cores)


def _cards(scene: Scene, inventory: Inventory) -> list[Line]:
    cards = inventory.accelerators()
    if not cards:
        text = _("none found; the processor computes, slowly")
        return _fact(scene, CARD_STATES["degraded"], _("card"), text)
    lines: list[Line] = []
    for (name, state, driver), count in Counter(map(_kind, cards)).items():
        parts = [
            f"{count} x {name}",
            _("driver {version}").format(version=driver) if driver else "",
        ]
        text = ", ".join(part for part in parts if part)
        lines += _fact(scene, CARD_STATES.get(state, UNKNOWN), _("card"), text)
    for problem in inventory.problems:
        texts = wrap(problem.advice, scene.width - _TEXT)
        lines += [(Span(" " * _TEXT + text, "dim"),) for text in texts]
    return lines


def _kind(card: Card) -> tuple[str, str, str]:
    return card.name or card.vendor, card.state, card.driver or ""


def _fact(scene: Scene, word: Word, name: str, text: str) -> list[Line]:
    mark = getattr(scene.glyphs, word.shape)
    state = Span(fit(f"{word.text} {mark}", _STATE), word.style)
    texts = wrap(text, scene.width - _TEXT)
    first: Line = (Span("  "), state, Span(fit(name, _NAME), "dim"), Span(texts[0]))
    return [first, *((Span(" " * _TEXT + text),) for text in texts[1:])]


def _next(scene: Scene) -> list[Line]:
    lines: list[Line] = [section(_("NEXT"), scene.width, scene.glyphs)]
    told = [
        _("U picks a model that fits this server, fetches it, serves it, and asks it a question."),
        _("It asks before anything is changed. The same from a shell: appliance up"),
        _("To choose the model yourself: 4, then Enter."),
    ]
    for text in told:
        lines += [(Span("  " + t),) for t in wrap(text, scene.width - 4)]
    return lines
