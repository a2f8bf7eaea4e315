"""The pages about the model: which one, and where its weights come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.core.i18n import Text, _, say
from appliance.core.plan import Choice
from appliance.ops.refusals import ways_to_have_engines
from appliance.ops.setup.words import feel
from appliance.tui.drawing import BLANK, Line, Span, cells, fit, meter, section
from appliance.tui.scene import Scene
from appliance.tui.screens.setup_state import Wizard, answered_place
from appliance.tui.views import setup_pieces as pieces
from appliance.tui.words import gib, share, size

if TYPE_CHECKING:
    from appliance.ops.setup.places import Place
    from appliance.ops.setup.proposal import Offers

_TITLE = 16
_ROOMY = 20
"""Rows of the page from which on a choice tells more."""
PICKS: dict[str | None, Text] = {
    "quality": say("best answers"),
    "balanced": say("balanced"),
    "fastest": say("fastest"),
    None: say("fits"),
}


def choice_page(scene: Scene, wizard: Wizard, room: int) -> list[Line]:
    """The choices with what each feels like, and a row for another model."""
    if wizard.offered is None:
        told = _("asking the planner and the hubs")
        return pieces.error(scene, wizard) if wizard.error else [pieces.waiting(scene, told)]
    choices = wizard.offered.choices
    roomy = room >= _ROOMY
    lines: list[Line] = []
    for row in range(len(choices)):
        lines += _offer(scene, wizard, row, wizard.offered, roomy=roomy)
        if roomy or room > 4 * len(choices):
            lines.append(BLANK)
    other = _("another: a catalogue id, hf:ORG/NAME, or file:/path/to/model.gguf")
    lines.append(pieces.radio(scene, wizard, len(choices), other, chosen=False))
    return [*lines, *_build_hint(scene, wizard), *pieces.error(scene, wizard)]


def _offer(scene: Scene, wizard: Wizard, row: int, offered: Offers, *, roomy: bool) -> list[Line]:
    choice = offered.choices[row]
    left = fit(pick_of(offered, choice), _TITLE) + choice.variant
    chosen = offered.best == choice
    lines = [pieces.radio(scene, wizard, row, left, chosen=chosen, right=_load(choice))]
    if text := feel(choice):
        lines += pieces.indented(scene, str(text), "")
    told = _("gives up: {what}").format(what="; ".join(choice.gives_up)) if choice.gives_up else ""
    lines += pieces.indented(scene, told or (choice.why[0] if choice.why else ""), "dim")
    return [*lines, *_bars(scene, choice), *_whys(scene, choice)] if roomy else lines


def pick_of(offered: Offers, choice: Choice) -> str:
    """What a choice is the best at."""
    return _("self-test") if offered.is_self_test(choice) else str(PICKS[choice.pick])


def _load(choice: Choice) -> str:
    if choice.download_mib == 0:
        return _("here already")
    amount = None if choice.download_mib is None else choice.download_mib * 2**20
    return _("{size} to fetch").format(size=size(amount))


def _bars(scene: Scene, choice: Choice) -> list[Line]:
    fullest = max(choice.memory.per_card, key=lambda card: card.total_mib)
    used = share(fullest.total_mib, fullest.available_mib)
    bar = meter(used, min(40, scene.width - 40), scene.glyphs, "meter")
    text = _("  {used} of {all} GiB of {place}").format(
        used=gib(fullest.total_mib), all=gib(fullest.available_mib), place=_place(choice)
    )
    return [(Span(" " * 6), *bar, Span(text, "dim"))]


def _place(choice: Choice) -> str:
    if choice.cards == ["cpu"]:
        return _("the server's memory")
    if len(choice.cards) == 1:
        return _("the card's memory")
    return _("the memory of each of {count} cards").format(count=len(choice.cards))


def _whys(scene: Scene, choice: Choice) -> list[Line]:
    lines: list[Line] = []
    for why in choice.why[1:3]:
        lines += pieces.indented(scene, why, "dim")
    return lines


def _build_hint(scene: Scene, wizard: Wizard) -> list[Line]:
    """Cards that lie idle because their engine is not made yet are worth a word."""
    ways = ways_to_have_engines(wizard.offered.ground) if wizard.offered else []
    if not ways or not wizard.wants_consent:
        return []
    text = say("Your cards need an engine that is made here first: {ways}", ways=" | ".join(ways))
    return [BLANK, *pieces.paragraph(scene, text, "warn")]


def source_page(scene: Scene, wizard: Wizard, room: int) -> list[Line]:
    """Every place with what it answered, and what is to be had."""
    if wizard.places is None:
        told = _("asking hubs and disks")
        return pieces.error(scene, wizard) if wizard.error else [pieces.waiting(scene, told)]
    chosen = answered_place(wizard)
    rows = [
        [_place_row(scene, wizard, row, place, chosen=row == chosen)]
        for row, place in enumerate(wizard.places)
    ]
    end = [BLANK, *_wanted(scene, wizard), *pieces.error(scene, wizard)]
    return [*pieces.spread(rows, room - len(end)), *end]


def _place_row(scene: Scene, wizard: Wizard, row: int, place: Place, *, chosen: bool) -> Line:
    text = place.text
    if place.state == "typed" and chosen:
        text = wizard.answers.source.partition(":")[2] or text
    widest = max(cells(known.title) for known in wizard.places or ())
    mark = {"ok": scene.glyphs.ok, "no": scene.glyphs.fail, "typed": " "}[place.state]
    return pieces.radio(
        scene, wizard, row, f"{mark} {fit(place.title, widest)}  {text}", chosen=chosen
    )


def _wanted(scene: Scene, wizard: Wizard) -> list[Line]:
    """What is to be had, and whether the disk has room for it."""
    if wizard.offered is None:
        return []
    choice, ground = wizard.offered.best, wizard.offered.ground
    wanted, free = choice.disk_mib, ground.disk_free_mib
    lines: list[Line] = [section(_("WHAT IS FETCHED"), scene.width, scene.glyphs)]
    lines += pieces.told(scene, _("model"), choice.variant)
    amount = None if wanted is None else wanted * 2**20
    room = None if free is None else free * 2**20
    text = _("{size}, {free} are free for it").format(size=size(amount), free=size(room))
    lines += pieces.told(scene, _("size"), text)
    if wanted is not None and free is not None and wanted > free:
        lines += pieces.paragraph(scene, say("The disk has too little room for it."), "fail")
    return lines
