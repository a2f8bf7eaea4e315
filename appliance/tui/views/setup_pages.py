"""What stands on each page of the wizard."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.core.i18n import Text, _, say
from appliance.core.plan import Choice
from appliance.ops.setup import options
from appliance.ops.setup.found import WORDS, Found
from appliance.ops.setup.options import BY_NAME
from appliance.ops.setup.words import STYLES, feel, figure
from appliance.tui.drawing import (
    BLANK,
    Line,
    Span,
    cells,
    fit,
    fit_line,
    meter,
    section,
    wrap,
)
from appliance.tui.scene import Scene
from appliance.tui.screens.setup_state import Wizard, answered_place, shown_value
from appliance.tui.table import Column, whole
from appliance.tui.words import count, gib, share, size, unknown

if TYPE_CHECKING:
    from appliance.ops.setup.places import Place
    from appliance.ops.setup.proposal import Offers

_NAME = 16
_STATE = 16
_TITLE = 16
_FIELD = 20
_STEP = 12
_ROOMY = 16
"""Rows of a page from which on it tells more."""
PICKS: dict[str | None, Text] = {
    "quality": say("best answers"),
    "balanced": say("balanced"),
    "fastest": say("fastest"),
    None: say("fits"),
}
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
    given = wizard.answers.language
    rows = [
        [_radio(scene, wizard, row, names[row], chosen=given == option)]
        for row, option in enumerate(BY_NAME["language"].presets)
    ]
    comes = [_hanging(scene, f"  {n}  ", str(text)) for n, text in enumerate(_COMES, 1)]
    promise = _paragraph(scene, _PROMISE)
    heading = section(_("WHAT COMES"), scene.width, scene.glyphs)
    used = len(rows) + len(promise) + 3
    return [*_joined(rows), BLANK, heading, *_spread(comes, room - used), BLANK, *promise]


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
        return [_waiting(scene, _("looking at this server"))]
    rows = [_finding(scene, row) for row in [*wizard.found, *(wizard.outside or ())]]
    if wizard.outside is None and wizard.error is None:
        asking = (Span("  " + fit(f"{scene.glyphs.moving} ...", _STATE), "moving"),
                  Span(fit(_("network"), _NAME), "dim"), Span(_("asking the hubs")))  # fmt: skip
        rows.append([asking])
    error = _error(scene, wizard)
    return [*_spread(rows, room - len(error)), *error]


def _finding(scene: Scene, row: Found) -> list[Line]:
    shape, style = _MARKS[row.state]
    word = f"{getattr(scene.glyphs, shape)} {WORDS[row.state]}"
    start: Line = (Span("  " + fit(word, _STATE), style), Span(fit(row.what, _NAME), "dim"))
    left = 2 + _STATE + _NAME
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
        means += _error(scene, wizard)
    elif wizard.offered is None:
        means.append(_waiting(scene, _("asking the planner")))
    else:
        means += _means(scene, wizard.offered)
    about = _about(scene, wizard)
    fields = [[_field(scene, wizard, name)] for name in wizard.fields()]
    habits = _habits(scene, wizard)
    used = len(means) + len(about) + 2
    if used + len(fields) + len(habits) <= room:
        means += habits
        used += len(habits)
    return [*_spread(fields, room - used), BLANK, *about, BLANK, *means]


def _means(scene: Scene, offered: Offers) -> list[Line]:
    rows = [_preview(offered, choice) for choice in offered.choices]
    return [(Span("  "), *line) for line in whole(_COLUMNS, rows, scene.width - 2)]


def _habits(scene: Scene, wizard: Wizard) -> list[Line]:
    """What was assumed of the people."""
    return [BLANK, *_paragraph(scene, wizard.offered.habits)] if wizard.offered else []


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
        "pick": (Span(_pick(offered, choice), "strong"),),
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
    told = [_told(scene, name, text) for name, text in rows]
    fields = [[_field(scene, wizard, name)] for name in wizard.fields()]
    about = _about(scene, wizard)
    example = _example(scene) if room > len(told) + len(fields) + len(about) + 10 else []
    used = len(fields) + len(about) + len(example) + 2
    return [*_spread(told, room - used), BLANK, *_joined(fields), BLANK, *about, *example]


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
    return [BLANK, heading, *_paragraph(scene, text), BLANK, *code]


def _told(scene: Scene, name: str, text: str, style: str = "", column: int = _NAME) -> list[Line]:
    """A name in its column, and a text that may take several lines."""
    left = 2 + column
    texts = wrap(text, scene.width - left)
    names = [name, *[""] * (len(texts) - 1)]
    return [
        (Span("  " + fit(n, column), style or "dim"), Span(t, style))
        for n, t in zip(names, texts, strict=True)
    ]


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
    return _paragraph(scene, text)


# What to serve


def _choice(scene: Scene, wizard: Wizard, room: int) -> list[Line]:
    if wizard.offered is None:
        told = _("asking the planner and the hubs")
        return _error(scene, wizard) if wizard.error else [_waiting(scene, told)]
    choices = wizard.offered.choices
    roomy = room >= _ROOMY + 4
    lines: list[Line] = []
    for row in range(len(choices)):
        lines += _offer(scene, wizard, row, wizard.offered, roomy=roomy)
        if roomy or room > 4 * len(choices):
            lines.append(BLANK)
    other = _("another: a catalogue id, hf:ORG/NAME, or file:/path/to/model.gguf")
    lines.append(_radio(scene, wizard, len(choices), other, chosen=False))
    return [*lines, *_build_hint(scene, wizard), *_error(scene, wizard)]


def _offer(scene: Scene, wizard: Wizard, row: int, offered: Offers, *, roomy: bool) -> list[Line]:
    choice = offered.choices[row]
    left = fit(_pick(offered, choice), _TITLE) + choice.variant
    chosen = offered.best == choice
    lines = [_radio(scene, wizard, row, left, chosen=chosen, right=_load(choice))]
    if text := feel(choice):
        lines += _indented(scene, str(text), "")
    told = _("gives up: {what}").format(what="; ".join(choice.gives_up)) if choice.gives_up else ""
    lines += _indented(scene, told or (choice.why[0] if choice.why else ""), "dim")
    return [*lines, *_bars(scene, choice), *_whys(scene, choice)] if roomy else lines


def _pick(offered: Offers, choice: Choice) -> str:
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
        lines += _indented(scene, why, "dim")
    return lines


def _build_hint(scene: Scene, wizard: Wizard) -> list[Line]:
    """Cards that lie idle because their engine is not built are worth a word."""
    backends = wizard.offered.ground.buildable() if wizard.offered else []
    if not backends or not wizard.wants_consent:
        return []
    text = say(
        "Your cards need an engine that is built here first: appliance engines build llama.cpp "
        "--backend {backend}",
        backend=backends[0],
    )
    return [BLANK, *_paragraph(scene, text, "warn")]


# Where from


def _source(scene: Scene, wizard: Wizard, room: int) -> list[Line]:
    if wizard.places is None:
        told = _("asking hubs and disks")
        return _error(scene, wizard) if wizard.error else [_waiting(scene, told)]
    chosen = answered_place(wizard)
    rows = [
        [_place_row(scene, wizard, row, place, chosen=row == chosen)]
        for row, place in enumerate(wizard.places)
    ]
    end = [BLANK, *_wanted(scene, wizard), *_error(scene, wizard)]
    return [*_spread(rows, room - len(end)), *end]


def _place_row(scene: Scene, wizard: Wizard, row: int, place: Place, *, chosen: bool) -> Line:
    text = place.text
    if place.state == "typed" and chosen:
        text = wizard.answers.source.partition(":")[2] or text
    widest = max(cells(known.title) for known in wizard.places or ())
    mark = {"ok": scene.glyphs.ok, "no": scene.glyphs.fail, "typed": " "}[place.state]
    return _radio(scene, wizard, row, f"{mark} {fit(place.title, widest)}  {text}", chosen=chosen)


def _wanted(scene: Scene, wizard: Wizard) -> list[Line]:
    """What is to be had, and whether the disk has room for it."""
    if wizard.offered is None:
        return []
    choice, ground = wizard.offered.best, wizard.offered.ground
    wanted, free = choice.disk_mib, ground.disk_free_mib
    lines: list[Line] = [section(_("WHAT IS FETCHED"), scene.width, scene.glyphs)]
    lines += _told(scene, _("model"), choice.variant)
    amount = None if wanted is None else wanted * 2**20
    room = None if free is None else free * 2**20
    text = _("{size}, {free} are free for it").format(size=size(amount), free=size(room))
    lines += _told(scene, _("size"), text)
    if wanted is not None and free is not None and wanted > free:
        lines += _paragraph(scene, say("The disk has too little room for it."), "fail")
    return lines


# The plan


def _summary(scene: Scene, wizard: Wizard, room: int) -> list[Line]:
    if wizard.proposal is None:
        told = _("putting the plan together")
        return _error(scene, wizard) if wizard.error else [_waiting(scene, told)]
    steps = [
        _told(scene, step.title, step.text, "warn" if step.what == "consent" else "", _STEP)
        for step in wizard.proposal.steps
    ]
    heading = section(_("THE SAME AS A FILE"), scene.width, scene.glyphs, _("w saves it"))
    lines = options.lines(wizard.answers)
    file = _file(lines, scene.width - 4, room - len(_joined(steps)) - 2)
    return [*_spread(steps, room - len(file) - 2), BLANK, heading, *file]


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


# Pieces


def _joined(groups: list[list[Line]]) -> list[Line]:
    return [line for group in groups for line in group]


def _spread(groups: list[list[Line]], room: int) -> list[Line]:
    """The groups below each other; where there is room, with a blank line between them."""
    if sum(map(len, groups)) + len(groups) - 1 > room:
        return _joined(groups)
    return _joined([[*group, BLANK] for group in groups])[:-1]


def _radio(
    scene: Scene, wizard: Wizard, row: int, text: str, *, chosen: bool, right: str = ""
) -> Line:
    """A row that can be chosen: `(*)` is the answer; the row under the cursor is lit."""
    at = wizard.cursor == row
    mark = "(*)" if chosen else "( )"
    room = scene.width - 7 - cells(right)
    shown = fit(text, room, ellipsis=scene.glyphs.ellipsis)
    style = "select" if at else ("strong" if chosen else "")
    return fit_line(
        (Span(f"  {mark} ", style or "dim"), Span(shown, style), Span(right, style or "dim")),
        scene.width,
        ground="select" if at else "",
    )


def _indented(scene: Scene, text: str, style: str) -> list[Line]:
    left = " " * 6
    return [(Span(left + line, style),) for line in wrap(text, scene.width - len(left)) if text]


def _hanging(scene: Scene, start: str, text: str) -> list[Line]:
    texts = wrap(text, scene.width - len(start))
    first: Line = (Span(start, "dim"), Span(texts[0]))
    return [first, *((Span(" " * len(start) + line),) for line in texts[1:])]


def _paragraph(scene: Scene, text: Text | str, style: str = "dim") -> list[Line]:
    return [(Span("  " + line, style),) for line in wrap(str(text), scene.width - 4)]


def _waiting(scene: Scene, text: str) -> Line:
    return (Span(f"  {scene.glyphs.moving} {text}", "moving"),)


def _error(scene: Scene, wizard: Wizard) -> list[Line]:
    if wizard.error is None:
        return []
    lines: list[Line] = [BLANK]
    lines += [(Span("  " + t, "fail"),) for t in wrap(str(wizard.error), scene.width - 4)]
    hint = str(wizard.error.hint)
    if hint:
        lines += [(Span("  " + t),) for t in wrap(hint, scene.width - 4)]
    return lines


_BODIES: dict[str, Callable[[Scene, Wizard, int], list[Line]]] = {
    "language": _language,
    "found": _found,
    "people": _people,
    "choice": _choice,
    "source": _source,
    "access": _access,
    "summary": _summary,
}
