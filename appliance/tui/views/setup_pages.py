"""What stands on each page of the wizard."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.core.i18n import Text, _, current_language, say
from appliance.core.plan import Choice
from appliance.ops.setup import options
from appliance.ops.setup.found import WORDS, Found
from appliance.ops.setup.options import BY_NAME
from appliance.ops.setup.words import STYLES, figure
from appliance.tui.drawing import (
    BLANK,
    Line,
    Span,
    cells,
    fit,
    fit_line,
    section,
    wrap,
)
from appliance.tui.scene import Scene
from appliance.tui.screens.setup_state import Wizard, shown_value
from appliance.tui.table import Column, whole
from appliance.tui.views import setup_model
from appliance.tui.views import setup_pieces as pieces
from appliance.tui.words import count, unknown

if TYPE_CHECKING:
    from appliance.ops.setup.proposal import Offers

_STATE = 16
_FIELD = 20
_STEP = 12
_MARKS = {
    "found": ("ok", "ok"),
    "driver": ("warn", "warn"),
    "broken": ("fail", "fail"),
    "missing": ("fail", "warn"),
    "low": ("warn", "warn"),
}
_ABOUT: dict[str, Text] = {
    "users": say(
        "People who wait for an answer or read one at the same moment. Of all who have access "
        "that is usually a small part."
    ),
    "chat": say("Questions and answers of a paragraph or a page."),
    "documents": say(
        "Reports, letters or guidelines are pasted in: the model reads long before it answers, "
        "and a talk needs more memory."
    ),
    "code": say("Program text goes in and comes out: middling prompts, long answers."),
    "context": say(
        "How much of a talk the model remembers, in tokens: about three quarters of a word "
        "each, or one and a half Chinese characters. More takes more memory."
    ),
    "adapt": say(
        "What to do when the engine finds less memory than the plan: shorter talks, fewer at "
        "once or a smaller model, told as such; or nothing at all."
    ),
    "key_name": say(
        "The key is made by the first Apply, shown once and never again. The name tells you "
        "later which it was; `appliance keys add NAME` makes more of them."
    ),
    "allow_cpu": say(
        "There are cards, but this appliance has no engine that it can start on them. The "
        "processor can serve all the same, many times slower."
    ),
}


def body(scene: Scene, wizard: Wizard, room: int) -> list[Line]:
    """The lines of the page in front, best in `room` lines."""
    return _BODIES[wizard.page](scene, wizard, room)


# Language


def _language(scene: Scene, wizard: Wizard, room: int) -> list[Line]:
    names = ("English", "中文")
    given = wizard.answers.language or current_language()
    rows = [
        [pieces.radio(scene, wizard, row, names[row], chosen=given == option)]
        for row, option in enumerate(BY_NAME["language"].presets)
    ]
    comes = [pieces.hanging(scene, f"  {n}  ", str(text)) for n, text in enumerate(_COMES, 1)]
    promise = pieces.paragraph(scene, _PROMISE)
    heading = section(_("WHAT COMES"), scene.width, scene.glyphs)
    used = len(rows) + len(promise) + 3
    top = [*pieces.joined(rows), BLANK, heading]
    return [*top, *pieces.spread(comes, room - used), BLANK, *promise]


_COMES = (
    say("A look at this server: cards, drivers, disks, network."),
    say("Who will use it, and how."),
    say("A choice of models that fit, and what each feels like."),
    say("Where the weights come from: a hub, a disk, a neighbour."),
    say("Who may ask."),
    say("The plan; Apply carries it out, and the model answers a question."),
)
_PROMISE = say(
    "Esc goes back a page, q leaves; the next start goes on at the same page. Nothing is changed "
    "before Apply."
)


# What is here


def _found(scene: Scene, wizard: Wizard, room: int) -> list[Line]:
    if wizard.found is None:
        return [pieces.waiting(scene, _("looking at this server"))]
    rows = [_finding(scene, row) for row in [*wizard.found, *(wizard.outside or ())]]
    if wizard.outside is None and wizard.error is None:
        moving = Span("  " + fit(f"{scene.glyphs.moving} ...", _STATE), "moving")
        name = Span(fit(_("network"), pieces.NAME), "dim")
        rows.append([(moving, name, Span(_("asking the hubs")))])
    error = pieces.error(scene, wizard)
    return [*pieces.spread(rows, room - len(error)), *error]


def _finding(scene: Scene, row: Found) -> list[Line]:
    shape, style = _MARKS[row.state]
    word = f"{getattr(scene.glyphs, shape)} {WORDS[row.state]}"
    start: Line = (Span("  " + fit(word, _STATE), style), Span(fit(row.what, pieces.NAME), "dim"))
    left = 2 + _STATE + pieces.NAME
    texts = wrap(row.text, scene.width - left)
    lines: list[Line] = [(*start, Span(texts[0]))]
    lines += [(Span(" " * left + text),) for text in texts[1:]]
    if row.next:
        for text in wrap(_("next: {what}").format(what=row.next), scene.width - left):
            lines.append((Span(" " * left + text, "accent"),))
    return lines


# Who will use it, and who may ask


def _people(scene: Scene, wizard: Wizard, room: int) -> list[Line]:
    note = _("wait: for the first word")
    means = [section(_("WHAT THAT MEANS HERE"), scene.width, scene.glyphs, note)]
    if wizard.error:
        means += pieces.error(scene, wizard)
    elif wizard.offered is None:
        means.append(pieces.waiting(scene, _("asking the planner")))
    else:
        means += _means(scene, wizard.offered)
    about = _about(scene, wizard)
    fields = [[_field(scene, wizard, name)] for name in wizard.fields()]
    habits = _habits(scene, wizard)
    used = len(means) + len(about) + 2
    if used + len(fields) + len(habits) <= room:
        means += habits
        used += len(habits)
    return [*pieces.spread(fields, room - used), BLANK, *about, BLANK, *means]


def _means(scene: Scene, offered: Offers) -> list[Line]:
    rows = [_preview(offered, choice) for choice in offered.choices]
    return [(Span("  "), *line) for line in whole(_COLUMNS, rows, scene.width - 2)]


def _habits(scene: Scene, wizard: Wizard) -> list[Line]:
    """What was assumed of the people."""
    return [BLANK, *pieces.paragraph(scene, wizard.offered.habits)] if wizard.offered else []


_COLUMNS = (
    Column("pick", "", 8, 14, snug=True),
    Column("model", say("model"), 20, 44, snug=True),
    Column("people", say("people"), 6, 14, align="right"),
    Column("first", say("wait"), 6, 14, align="right"),
    Column("words", say("words/s"), 7, 14, rank=1, align="right"),
)


def _preview(offered: Offers, choice: Choice) -> dict[str, Line]:
    crowd = choice.people
    first = crowd.first_word_s if crowd else choice.speed.first_token_s
    words = crowd.words_per_s if crowd else None
    people = crowd.users if crowd else None
    return {
        "pick": (Span(setup_model.pick_of(offered, choice), "strong"),),
        "model": (Span(choice.variant),),
        "first": (Span(unknown() if first is None else f"{figure(first)} s"),),
        "words": (Span(unknown() if words is None else figure(words)),),
        "people": (Span(count(people)),),
    }


def _access(scene: Scene, wizard: Wizard, room: int) -> list[Line]:
    host = scene.snapshot.hostname or "HOST"
    rows = [
        (_("this server"), _("http://127.0.0.1:8480/v1, or the next port that is free")),
        (
            _("other machines"),
            _(
                "not yet: the gateway has no TLS so far, so it stays closed\n"
                "until then by a tunnel: ssh -L 8480:127.0.0.1:8480 {host}"
            ).format(host=host),
        ),
    ]
    told = [pieces.told(scene, name, text) for name, text in rows]
    fields = [[_field(scene, wizard, name)] for name in wizard.fields()]
    about = _about(scene, wizard)
    example = _example(scene) if room > len(told) + len(fields) + len(about) + 10 else []
    used = len(fields) + len(about) + len(example) + 2
    top = [*pieces.spread(told, room - used), BLANK, *pieces.joined(fields)]
    return [*top, BLANK, *about, *example]


def _example(scene: Scene) -> list[Line]:
    """How programs will ask; whoever knows the interface of OpenAI knows this one."""
    lines = (
        "curl http://127.0.0.1:8480/v1/chat/completions \\",
        '     -H "Authorization: Bearer KEY" -H "Content-Type: application/json" \\',
        '     -d \'{"messages": [{"role": "user", "content": "Hello"}]}\'',
    )
    heading = section(_("HOW PROGRAMS WILL ASK"), scene.width, scene.glyphs)
    text = say("As they ask OpenAI: only the address and the key are others.")
    code = [(Span(f"  {line}", "accent"),) for line in lines]
    return [BLANK, heading, *pieces.paragraph(scene, text), BLANK, *code]


def _field(scene: Scene, wizard: Wizard, name: str) -> Line:
    """`People at once    <  12  >`; the one under the cursor is lit."""
    at = wizard.field == name
    value = _value(name, shown_value(wizard.answers, name))
    title = Span("  " + fit(str(BY_NAME[name].title), _FIELD), "select" if at else "strong")
    if not at:
        return (title, Span(f"   {value}"))
    shown = (title, Span(" < ", "select"), Span(f"{value}", "select"), Span(" >", "select"))
    return fit_line(shown, scene.width, ground="select")


def _value(name: str, value: object) -> str:
    if name == "style":
        return str(STYLES[str(value)])
    if name == "adapt":
        return _("serve something smaller") if value else _("stop, and say what is missing")
    if name == "allow_cpu":
        return _("yes, from the processor") if value else _("no")
    if name == "context":
        return _("{count} tokens").format(count=value) if value else _("as the model needs")
    return str(value)


def _about(scene: Scene, wizard: Wizard) -> list[Line]:
    name = wizard.field or ""
    text = _ABOUT[wizard.answers.style if name == "style" else name]
    return pieces.paragraph(scene, text)


# The plan


def _summary(scene: Scene, wizard: Wizard, room: int) -> list[Line]:
    if wizard.proposal is None:
        told = _("putting the plan together")
        return pieces.error(scene, wizard) if wizard.error else [pieces.waiting(scene, told)]
    steps = [
        pieces.told(scene, step.title, step.text, "warn" if step.what == "consent" else "", _STEP)
        for step in wizard.proposal.steps
    ]
    heading = section(_("THE SAME AS A FILE"), scene.width, scene.glyphs, _("w saves it"))
    lines = options.lines(wizard.answers)
    file = _file(lines, scene.width - 4, room - len(pieces.joined(steps)) - 2)
    return [*pieces.spread(steps, room - len(file) - 2), BLANK, heading, *file]


def _file(told: list[str], width: int, room: int) -> list[Line]:
    """The lines of answers.toml; where there is little room several in one."""
    rows: list[str] = []
    for line in told:
        joined = f"{rows[-1]}   {line}" if rows else line
        if rows and len(told) > room and cells(joined) <= width:
            rows[-1] = joined
        else:
            rows.append(line)
    return [(Span(f"  {row}", "accent"),) for row in rows]


_BODIES: dict[str, Callable[[Scene, Wizard, int], list[Line]]] = {
    "language": _language,
    "found": _found,
    "people": _people,
    "choice": setup_model.choice_page,
    "source": setup_model.source_page,
    "access": _access,
    "summary": _summary,
}
