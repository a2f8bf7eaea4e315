"""Cards: one line each, and what the chosen one did."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.core.i18n import _, say
from appliance.core.sample import CardSample
from appliance.tui.drawing import Line, Span, cells, fit, meter, section
from appliance.tui.scene import Scene
from appliance.tui.snapshot import CardRow
from appliance.tui.table import Column, Rows, Values, Widths, arrange, header, row
from appliance.tui.views import graphs, health
from appliance.tui.views.card import limits
from appliance.tui.words import (
    duration,
    megahertz,
    percent,
    share,
    slowed_by,
    temperature,
    used_of,
    watts,
)

_LEAST = 4
COLUMNS = (
    Column("label", say("card"), 4, 12, snug=True),
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


def table(
    scene: Scene,
    cards: list[CardRow],
    columns: tuple[Column, ...] = COLUMNS,
    *,
    filtered: str = "",
) -> Sequence[Line]:
    """A header line, then one line a card; columns that all would leave empty are left out."""
    if not cards:
        return [(Span(_nothing(scene, filtered), "dim"),)]
    idle = {"age": not any(c.stale for c in cards), "throttle": not any(map(_slowed, cards))}
    columns = tuple(column for column in columns if not idle.get(column.key))
    snug: list[Values] = [
        {"label": (Span(card.label),), "name": (Span(card.name or card.vendor),)} for card in cards
    ]
    widths = arrange(columns, scene.width, snug)

    def make(at: int) -> Line:
        return row(columns, widths, values(cards[at], widths, scene))

    return Rows(header(columns, widths), len(cards), make)


def _nothing(scene: Scene, filtered: str) -> str:
    if filtered:
        return _("no card contains: {text}").format(text=filtered)
    known = scene.snapshot.inventory is not None
    return _("this server has no card") if known else _("not known")


def _slowed(card: CardRow) -> bool:
    return bool(card.reading and card.reading.throttle)


def values(card: CardRow, widths: Widths, scene: Scene) -> dict[str, Line]:
    """The cells of one card; readings that are old are dim; a slow line gets no bars."""
    glyphs = scene.glyphs
    reading = card.reading or CardSample(id=card.id)
    style = "dim" if card.stale else ""
    total = reading.memory_total_mib or (card.card.memory_mib if card.card else None)
    used = share(reading.memory_used_mib, total)
    hot = "warn" if card.hot or "thermal" in (reading.throttle or ()) else style
    return {
        "label": (Span(card.label, "strong"),),
        "name": (Span(card.name or card.vendor, style),),
        "util": _bar(scene, reading.util_pct, percent(reading.util_pct), widths.get("util", 0)),
        "memory": _bar(
            scene, used, used_of(reading.memory_used_mib, total), widths.get("memory", 0)
        ),
        "temp": (Span(temperature(reading.temp_c, glyphs), hot),),
        "power": (Span(watts(reading.power_w, reading.power_limit_w), style),),
        "clock": (Span(megahertz(reading.clock_mhz), style),),
        "fan": (Span(percent(reading.fan_pct), style),),
        "memory_temp": (Span(temperature(reading.temp_memory_c, glyphs), style),),
        "age": (Span(duration(card.age_s) if card.stale else "", "unknown"),),
        "throttle": (Span(slowed_by(reading.throttle or ()), "warn"),),
        "state": card.word.line(glyphs),
    }


def _bar(scene: Scene, value: float | None, text: str, width: int) -> Line:
    """A meter with its number at the right end."""
    room = max(4, cells(text))
    style = "meter_high" if value is not None and value >= 95 else "meter"
    bar = meter(None if scene.slow else value, width - room - 1, scene.glyphs, style)
    return (*bar, Span(fit(text, room + 1, "right")))


def below(scene: Scene, card: CardRow, height: int) -> list[Line]:
    """What stands under the table: the chosen card's limits, what is wrong with it, its graphs."""
    reading = card.reading or CardSample(id=card.id)
    note = limits(reading, scene.glyphs) if reading.temp_warn_c or reading.temp_critical_c else ""
    title = f"{card.title}  {card.name or card.vendor}"
    lines: list[Line] = [section(title, scene.width, scene.glyphs, note)]
    if card.hold:
        told = _("held: {reason}").format(reason=card.hold.reason)
        lines.append((Span("    " + told, "moving"),))
    lines += health.about(scene, card.title)
    room = height - len(lines)
    if scene.slow or not graphs.known(scene, card.id) or room < _LEAST:
        return lines
    return [*lines, *graphs.of_card(scene, card, room)]


def nothing_to_draw(scene: Scene, card: CardRow) -> bool:
    """Whether it is known that there is no history of this card in the chosen period."""
    history = scene.snapshot.history
    asked = history is not None and (history.card, history.span) == (card.id, scene.span)
    return asked and not graphs.known(scene, card.id)


def matching(cards: list[CardRow], text: str) -> list[CardRow]:
    """The cards whose name, kind or state contains `text`; with `!` in front those without."""
    wanted = text.removeprefix("!").lower()
    if not wanted:
        return cards
    return [card for card in cards if (wanted in _words(card)) != text.startswith("!")]


def _words(card: CardRow) -> str:
    return f"{card.label} {card.id} {card.vendor} {card.name} {card.word.text}".lower()
