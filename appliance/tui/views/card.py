"""One card in full: facts with their limits, what it did, who uses it."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.core.i18n import _, say
from appliance.core.sample import CardProcess, CardSample, Pcie
from appliance.tui.drawing import BLANK, Line, Span, fit, section, wrap
from appliance.tui.glyphs import Glyphs
from appliance.tui.scene import Scene
from appliance.tui.snapshot import CardRow
from appliance.tui.table import Column, whole
from appliance.tui.views import graphs, health, links
from appliance.tui.words import (
    count,
    gib,
    local_time,
    megahertz,
    percent,
    slowed_by,
    temperature,
    unknown,
    used_of,
    watts,
)

_TWO_COLUMNS = 76
_NAME = 14
_LEAST = 5
_MOST = 20
PROCESSES = (
    Column("pid", say("process"), 7, 8, align="right"),
    Column("memory", say("memory"), 7, 8, align="right"),
    Column("replica", say("engine of"), 9, 40, snug=True),
    Column("command", say("command"), 12, 400),
)


def page(scene: Scene, card: CardRow) -> list[Line]:
    """Everything known of one card; the history takes the room that is left, and never none."""
    title = f"{card.title}  {card.name or ''}".rstrip()
    lines: list[Line] = [section(title, scene.width, scene.glyphs, card.id)]
    lines += _columns(scene, list(_facts(scene, card)))
    lines += [*_hold(scene, card), *_spaced(health.about(scene, card.title))]
    below = _processes(scene, card)
    if graphs.known(scene, card.id) and not scene.slow:
        room = scene.height - len(lines) - len(below) - 1
        lines += [BLANK, *graphs.of_card(scene, card, min(_MOST, max(_LEAST, room)))]
    return [*lines, *below]


def _spaced(lines: list[Line]) -> list[Line]:
    return [BLANK, *lines] if lines else []


def _columns(scene: Scene, facts: list[tuple[str, str]]) -> list[Line]:
    if scene.width < _TWO_COLUMNS:
        return [_fact(fact, scene.width) for fact in facts]
    half = (len(facts) + 1) // 2
    column = scene.width // 2
    rows = []
    for at in range(half):
        right = facts[half + at] if half + at < len(facts) else None
        rows.append(_fact(facts[at], column) + (_fact(right, column) if right else ()))
    return rows


def _fact(fact: tuple[str, str], width: int) -> Line:
    name, value = fact
    return (Span(fit(name, _NAME), "dim"), Span(fit(value, width - _NAME)))


def _facts(scene: Scene, card: CardRow) -> Iterator[tuple[str, str]]:
    yield from _readings(card, scene.glyphs)
    known = card.card
    if known is None:
        return
    yield _("PCI address"), known.pci or unknown()
    yield _("driver"), " ".join(filter(None, (known.driver, known.runtime))) or unknown()
    yield _("family"), known.arch or unknown()
    yield _("NUMA node"), count(known.numa)
    names = {row.id: row.label for row in scene.snapshot.cards()}
    yield _("links"), links.of_card(scene, card.id, names)
    yield _("read by"), known.source
    for note in known.notes:
        yield _("note"), note


def _readings(card: CardRow, glyphs: Glyphs) -> Iterator[tuple[str, str]]:
    reading = card.reading or CardSample(id=card.id)
    total = reading.memory_total_mib or (card.card.memory_mib if card.card else None)
    yield _("state"), str(card.word.text)
    yield _("in use"), percent(reading.util_pct)
    yield _("memory"), f"{used_of(reading.memory_used_mib, total)}iB"
    yield _("temperature"), temperature(reading.temp_c, glyphs)
    yield _("limits"), limits(reading, glyphs)
    yield _("memory temp"), temperature(reading.temp_memory_c, glyphs)
    yield _("power"), watts(reading.power_w, reading.power_limit_w)
    yield _("clock"), megahertz(reading.clock_mhz)
    yield _("slowed by"), _throttle(reading.throttle)
    yield _("ECC errors"), count(reading.ecc_uncorrected)
    yield _("PCIe"), _pcie(reading.pcie)


def limits(reading: CardSample, glyphs: Glyphs) -> str:
    """Where the card slows itself down, and where it switches itself off."""
    parts = []
    if reading.temp_warn_c is not None:
        slow = temperature(reading.temp_warn_c, glyphs)
        parts.append(_("slow at {temp}").format(temp=slow))
    if reading.temp_critical_c is not None:
        off = temperature(reading.temp_critical_c, glyphs)
        parts.append(_("off at {temp}").format(temp=off))
    return ", ".join(parts) or unknown()


def _throttle(causes: list[str] | None) -> str:
    return unknown() if causes is None else slowed_by(causes) or _("nothing")


def _pcie(link: Pcie | None) -> str:
    if link is None:
        return unknown()
    now = f"gen {count(link.gen)} x{count(link.width)}"
    most = f"gen {count(link.gen_max)} x{count(link.width_max)}"
    return now if now == most else _("{now} of {most}").format(now=now, most=most)


def _hold(scene: Scene, card: CardRow) -> list[Line]:
    """Why it is not used, since when, and how that ends."""
    if card.hold is None:
        return []
    since = local_time(card.hold.since)
    told = [
        _("not used since {since}: {reason}").format(since=since, reason=card.hold.reason),
        card.hold.evidence or "",
        _("F releases it: appliance cards release {card}").format(card=card.id),
    ]
    mark: Line = (*card.word.line(scene.glyphs), Span(f"  {card.hold.code}", "dim"))
    texts = [line for text in told if text for line in wrap(text, scene.width - 4)]
    return [BLANK, mark, *((Span("    " + text),) for text in texts)]


def _processes(scene: Scene, card: CardRow) -> list[Line]:
    """Who uses it; nothing where its reader does not tell."""
    found = card.reading.processes if card.reading else None
    if found is None:
        return []
    head = section(_("PROCESSES"), scene.width, scene.glyphs)
    if not found:
        return [BLANK, head, (Span(_("nobody uses it"), "dim"),)]
    rows = [_process(process) for process in found]
    return [BLANK, head, *whole(PROCESSES, rows, scene.width)]


def _process(process: CardProcess) -> dict[str, Line]:
    memory = unknown() if process.memory_mib is None else f"{gib(process.memory_mib)}G"
    return {
        "pid": (Span(str(process.pid)),),
        "memory": (Span(memory),),
        "replica": (Span(process.replica or "-", "accent" if process.replica else "dim"),),
        "command": (Span(process.command or unknown()),),
    }
