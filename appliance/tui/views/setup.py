"""The wizard's frame: where we are, why it is asked, and what would give the same answers."""

from __future__ import annotations

from appliance.core.i18n import Text, _, say
from appliance.ops.setup import options
from appliance.ops.setup.options import PAGES
from appliance.tui.drawing import BLANK, Line, Span, cells, clip, section, wrap
from appliance.tui.scene import Scene
from appliance.tui.screens.setup_state import Wizard
from appliance.tui.views import setup_pages, setup_work

LABELS: dict[str, Text] = {
    "language": say("Language"),
    "found": say("Found"),
    "people": say("People"),
    "choice": say("Model"),
    "source": say("Weights"),
    "access": say("Access"),
    "summary": say("Plan"),
    "work": say("Serve"),
}
TITLES: dict[str, Text] = {
    "language": say("LANGUAGE"),
    "found": say("WHAT IS HERE"),
    "people": say("WHO WILL USE IT"),
    "choice": say("WHAT TO SERVE"),
    "source": say("WHERE THE WEIGHTS COME FROM"),
    "access": say("WHO MAY ASK"),
    "summary": say("THE PLAN"),
    "work": say("AT WORK"),
}
REASONS: dict[str, Text] = {
    "language": say("All texts are in this language from now on. L changes it at any time."),
    "found": say("What this server has, what is missing, and what to do about it."),
    "people": say("How many talk to it at once, and about what, decides which model suits."),
    "choice": say("All of these run here. They differ in how well they answer, and how fast."),
    "source": say("Wherever it comes from, every file is verified by its hash."),
    "access": say("Only programs of this server that have a key may ask."),
    "summary": say("Nothing has been changed so far. Apply does what stands here, no more."),
}
_LEFT = 2


def page(scene: Scene, wizard: Wizard) -> list[Line]:
    """One page, as tall as the room: the twins of its answers stand at the bottom."""
    top: list[Line] = [crumbs(scene, wizard), BLANK]
    if wizard.page == "work":
        return [*top, *setup_work.body(scene)]
    top += [heading(scene, wizard), *_reason(scene, wizard), BLANK]
    bottom = twins(scene, wizard)
    body = setup_pages.body(scene, wizard, scene.height - len(top) - len(bottom))
    spare = max(0, scene.height - len(top) - len(body) - len(bottom))
    return [*top, *body, *[BLANK] * spare, *bottom]


def heading(scene: Scene, wizard: Wizard) -> Line:
    """The page's title and how many are left."""
    note = _("step {step} of {count}").format(step=wizard.step, count=len(PAGES))
    if wizard.page == "summary":
        note = f"{note}, " + _("Enter applies it")
    return section(str(TITLES[wizard.page]), scene.width, scene.glyphs, note)


def _reason(scene: Scene, wizard: Wizard) -> list[Line]:
    text = str(REASONS[wizard.page])
    return [(Span(" " * _LEFT + line, "dim"),) for line in wrap(text, scene.width - _LEFT)]


def crumbs(scene: Scene, wizard: Wizard) -> Line:
    """All steps in one line: those done, the one in front, those to come."""
    gap = "  " if _crumb_cells(scene, "  ") <= scene.width else " "
    spans: list[Span] = []
    for number, name in enumerate(PAGES, 1):
        if spans:
            spans.append(Span(gap))
        if number < wizard.step:
            spans.append(Span(f"{scene.glyphs.ok} {LABELS[name]}", "ok"))
        elif number == wizard.step:
            spans.append(Span(f"{scene.glyphs.cursor} {LABELS[name]}", "head"))
        else:
            spans.append(Span(f"{scene.glyphs.idle} {LABELS[name]}", "dim"))
    return tuple(spans)


def _crumb_cells(scene: Scene, gap: str) -> int:
    words = sum(2 + cells(str(LABELS[name])) for name in PAGES)
    return words + cells(gap) * (len(PAGES) - 1)


def twins(scene: Scene, wizard: Wizard) -> list[Line]:
    """The flags and the lines of answers.toml that answer this page without asking."""
    if wizard.page == "summary":
        command = "appliance setup --answers answers.toml --yes"
        return [BLANK, _twin(scene, "$", command)]
    flags = options.flags(wizard.answers, wizard.page)
    lines = options.lines(wizard.answers, wizard.page)
    if not options.options_of(wizard.page):
        return [BLANK, _twin(scene, "$", "appliance detect")]
    command = " ".join(["appliance setup", *flags])
    file = "   ".join(lines) or _("(nothing: this is taken without an answer)")
    return [BLANK, _twin(scene, "$", command), _twin(scene, "answers.toml:", file)]


def _twin(scene: Scene, label: str, text: str) -> Line:
    room = scene.width - cells(label) - 1
    return (Span(f"{label} ", "accent"), Span(clip(text, room, scene.glyphs.ellipsis), "dim"))
