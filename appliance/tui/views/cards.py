"""Cards: one line each, and one card in full with its history."""

from __future__ import annotations

from appliance.core.i18n import _, say
from appliance.core.sample import CardSample, Pcie
from appliance.tui.drawing import BLANK, Line, Span, cells, fit, meter, section, stacked
from appliance.tui.glyphs import Glyphs
from appliance.tui.history import WINDOWS
from appliance.tui.scene import Scene
from appliance.tui.snapshot import CardRow
from appliance.tui.table import Column, Values, Widths, arrange, header, row
from appliance.tui.views import health
from appliance.tui.words import (
    count,
    duration,
    percent,
    share,
    temperature,
    unknown,
    used_of,
    watts,
)

_TWO_COLUMNS = 76
_LEAST = 4
_FOUR = 14
"""Rows from which on four graphs are better than two."""
COLUMNS = (
    Column("label", say("card"), 4, 4),
    Column("name", say("kind"), 10, 26, rank=4, snug=True),
    Column("util", say("in use"), 11, 70),
    Column("memory", say("memory"), 17, 74, rank=1),
    Column("temp", say("temp"), 5, 6, align="right"),
    Column("power", say("power"), 10, 10, rank=2, align="right"),
    Column("clock", say("clock"), 8, 8, rank=7, align="right"),
    Column("fan", say("fan"), 4, 4, rank=9, align="right"),
    Column("memory_temp", say("mem temp"), 5, 8, rank=8, align="right"),
    Column("age", say("age"), 5, 5, rank=6, align="right"),
    Column("throttle", say("slowed by"), 9, 14, rank=5),
    Column("state", say("state"), 11, 11),
)
"""The columns of the Cards screen; the board uses those of `BOARD`."""
BOARD = tuple(
    c for c in COLUMNS if c.key in ("label", "name", "util", "memory", "temp", "power", "state")
)


def table(scene: Scene, cards: list[CardRow], columns: tuple[Column, ...] = COLUMNS) -> list[Line]:
    """A header line, then one line a card; columns that all would leave empty are left out."""
    idle = {"age": not any(c.stale for c in cards), "throttle": not any(map(_slowed, cards))}
    columns = tuple(column for column in columns if not idle.get(column.key))
    names: list[Values] = [{"name": (Span(card.name or card.vendor),)} for card in cards]
    widths = arrange(columns, scene.width, names)
    body = [row(columns, widths, values(card, widths, scene)) for card in cards]
    return [header(columns, widths), *body]


def _slowed(card: CardRow) -> bool:
    return bool(card.reading and card.reading.throttle)


def values(card: CardRow, widths: Widths, scene: Scene) -> dict[str, Line]:
    """The cells of one card; readings that are old are dim; a slow line gets no bars."""
    glyphs = scene.glyphs
    reading = card.reading or CardSample(id=card.id)
    style = "dim" if card.stale else ""
    total = reading.memory_total_mib or (card.card.memory_mib if card.card else None)
    used = share(reading.memory_used_mib, total)
    hot = "warn" if "thermal" in (reading.throttle or ()) else style
    return {
        "label": (Span(card.label, "strong"),),
        "name": (Span(card.name or card.vendor, style),),
        "util": _bar(scene, reading.util_pct, percent(reading.util_pct), widths.get("util", 0)),
        "memory": _bar(
            scene, used, used_of(reading.memory_used_mib, total), widths.get("memory", 0)
        ),
        "temp": (Span(temperature(reading.temp_c, glyphs), hot),),
        "power": (Span(watts(reading.power_w, reading.power_limit_w), style),),
        "clock": (Span(_mhz(reading.clock_mhz), style),),
        "fan": (Span(percent(reading.fan_pct), style),),
        "memory_temp": (Span(temperature(reading.temp_memory_c, glyphs), style),),
        "age": (Span(duration(card.age_s) if card.stale else "", "unknown"),),
        "throttle": (Span(", ".join(reading.throttle or ()), "warn"),),
        "state": card.word.line(glyphs),
    }


def _mhz(value: float | None) -> str:
    return unknown() if value is None else f"{value:.0f} MHz"


def _bar(scene: Scene, value: float | None, text: str, width: int) -> Line:
    """A meter with its number at the right end."""
    room = max(4, cells(text))
    style = "meter_high" if value is not None and value >= 95 else "meter"
    bar = meter(None if scene.slow else value, width - room - 1, scene.glyphs, style)
    return (*bar, Span(fit(text, room + 1, "right")))


def graphs(scene: Scene, card: str, height: int) -> list[Line]:
    """The chosen period of a card: use and memory, and where there is room heat and power."""
    every = card == "all"
    used = _pair(
        scene,
        height if height < _FOUR or every else height // 2,
        (card, "util", _("in use, all cards") if every else _("in use")),
        (card, "memory", _("memory, all cards") if every else _("memory")),
    )
    if height < _FOUR or every:
        return used
    heat = (card, "temp", _("temperature"))
    return [*used, *_pair(scene, height - len(used), heat, (card, "power", _("power")))]


Subject = tuple[str, str, str]


def _pair(scene: Scene, height: int, left: Subject, right: Subject) -> list[Line]:
    half = (scene.width - 3) // 2
    one = _graph(scene, left, half, height)
    two = _graph(scene, right, scene.width - 3 - half, height)
    return [(*a, Span("   "), *b) for a, b in zip(one, two, strict=True)]


def _graph(scene: Scene, subject: Subject, width: int, height: int) -> list[Line]:
    card, reading, name = subject
    points, seconds = WINDOWS[scene.window]
    count = min(width, points)
    history = scene.history.last(card, reading, scene.window, count)
    newest = temperature(history[-1], scene.glyphs) if reading == "temp" else percent(history[-1])
    note = f"{newest}  {duration(count * seconds)}"
    rows = stacked([None] * (width - count) + history, height - 1, scene.glyphs)
    return [
        section(name, width, scene.glyphs, note),
        *((Span(text, "graph"),) for text in rows),
    ]


def below(scene: Scene, card: CardRow, height: int) -> list[Line]:
    """What stands under a card: what is wrong with it and what to do, then its graphs."""
    lines = health.about(scene, card.title)
    room = height - len(lines) - bool(lines)
    known = scene.history.known(card.id)
    if scene.slow or not known or room < _LEAST:
        return lines
    return [*lines, *([BLANK] if lines else []), *graphs(scene, card.id, room)]


def details(scene: Scene, card: CardRow) -> list[Line]:
    """Everything known of one card, in two columns where there is room, then its history."""
    facts = _facts(card, scene.glyphs)
    lines: list[Line] = [section(card.name or card.id, scene.width, scene.glyphs, card.id)]
    if scene.width >= _TWO_COLUMNS:
        half = (len(facts) + 1) // 2
        column = scene.width // 2
        for at in range(half):
            right = facts[half + at] if half + at < len(facts) else None
            lines.append(_fact(facts[at], column) + (_fact(right, column) if right else ()))
    else:
        lines += [_fact(fact, scene.width) for fact in facts]
    return [*lines, BLANK, *below(scene, card, min(20, scene.height - len(lines) - 1))]


def _fact(fact: tuple[str, str], width: int) -> Line:
    name, value = fact
    return (Span(fit(name, 14), "dim"), Span(fit(value, width - 14)))


def _facts(card: CardRow, glyphs: Glyphs) -> list[tuple[str, str]]:
    known = card.card
    reading = card.reading or CardSample(id=card.id)
    total = reading.memory_total_mib or (known.memory_mib if known else None)
    facts = [
        (_("state"), str(card.word.text)),
        (_("vendor"), card.vendor),
        (_("memory"), f"{used_of(reading.memory_used_mib, total)}iB"),
        (_("in use"), percent(reading.util_pct)),
        (_("temperature"), temperature(reading.temp_c, glyphs)),
        (_("memory temp"), temperature(reading.temp_memory_c, glyphs)),
        (_("power"), watts(reading.power_w, reading.power_limit_w)),
        (_("clock"), _mhz(reading.clock_mhz)),
        (_("slowed by"), _throttle(reading.throttle)),
        (_("ECC errors"), count(reading.ecc_uncorrected)),
        (_("PCIe"), _pcie(reading.pcie)),
    ]
    if known:
        facts += [
            (_("PCI address"), known.pci or unknown()),
            (_("driver"), " ".join(filter(None, (known.driver, known.runtime))) or unknown()),
            (_("family"), known.arch or unknown()),
            (_("NUMA node"), count(known.numa)),
            (_("read by"), known.source),
        ]
        facts += [(_("note"), note) for note in known.notes]
    return facts


def _throttle(causes: list[str] | None) -> str:
    return unknown() if causes is None else ", ".join(causes) or _("nothing")


def _pcie(link: Pcie | None) -> str:
    if link is None:
        return unknown()
    now = f"gen {count(link.gen)} x{count(link.width)}"
    most = f"gen {count(link.gen_max)} x{count(link.width_max)}"
    return now if now == most else _("{now} of {most}").format(now=now, most=most)
