"""What is wrong now, and everything that happened."""

from __future__ import annotations

from appliance.core.i18n import _
from appliance.node.wishes import Event
from appliance.tui.drawing import BLANK, Line, Span, fit_line, section, wrap
from appliance.tui.scene import Scene
from appliance.tui.summary import Notice, notices
from appliance.tui.table import Column, arrange, row
from appliance.tui.words import SEVERITIES, UNKNOWN, local_time

NOTICES = (
    Column("severity", "", 6, 9, snug=True),
    Column("code", "", 6, 20, rank=1, snug=True),
    Column("subject", "", 1, 24, snug=True),
    Column("text", "", 32, 400),
)
EVENTS = (
    Column("time", "", 8, 11, snug=True),
    Column("severity", "", 6, 9, snug=True),
    Column("code", "", 6, 20, rank=1, snug=True),
    Column("text", "", 36, 400),
)


def now(scene: Scene) -> list[Line]:
    """Every notice with its advice; one line of comfort when there is none."""
    lines: list[Line] = [section(_("WRONG NOW"), scene.width, scene.glyphs)]
    found = notices(scene.snapshot)
    if not found:
        word = SEVERITIES["pass"]
        return [*lines, (*word.line(scene.glyphs), Span("  " + _("nothing is wrong"), "dim"))]
    for notice in found:
        lines += _notice(scene, notice)
    return lines


def _notice(scene: Scene, notice: Notice) -> list[Line]:
    word = SEVERITIES.get(notice.severity, UNKNOWN)
    head: Line = (
        *word.line(scene.glyphs),
        Span(f"  {notice.code}", "dim"),
        Span(f"  {notice.subject}" if notice.subject else "", "strong"),
    )
    texts = wrap(notice.text, scene.width - 4)
    advice = wrap(notice.advice, scene.width - 4) if notice.advice else []
    return [
        head,
        *((Span("    " + text),) for text in texts),
        *((Span("    " + text, "dim"),) for text in advice),
    ]


def about(scene: Scene, subject: str) -> list[Line]:
    """The notices of one subject, with their advice."""
    found = [notice for notice in notices(scene.snapshot) if notice.subject == subject]
    return [line for notice in found for line in _notice(scene, notice)]


def attention(scene: Scene, most: int) -> list[Line]:
    """The worst notices for the board, in at most so many lines; advice where there is room."""
    found = notices(scene.snapshot)
    if not found or most < 2:
        return []
    if scene.snapshot.down_s is not None:
        return now(scene)
    shown = found[: most - 1]
    more = len(found) - len(shown)
    note = _("{count} more: 7").format(count=more) if more else ""
    heading = section(_("ATTENTION"), scene.width, scene.glyphs, note)
    advised = 1 + 2 * len(found) <= most
    return [heading, *_rows(scene, NOTICES, [_cells(scene, n) for n in shown], advised=advised)]


def _cells(scene: Scene, notice: Notice) -> dict[str, Line]:
    return {
        "severity": SEVERITIES.get(notice.severity, UNKNOWN).line(scene.glyphs),
        "code": (Span(notice.code, "dim"),),
        "subject": (Span(notice.subject, "strong"),),
        "text": (Span(notice.text),),
        "advice": (Span(notice.advice, "dim"),),
    }


def _rows(
    scene: Scene, columns: tuple[Column, ...], rows: list[dict[str, Line]], *, advised: bool = False
) -> list[Line]:
    """Rows without a header; the text is cut to its column, the advice stands under it."""
    widths = arrange(columns, scene.width, rows)
    width = widths["text"]
    lines: list[Line] = []
    for values in rows:
        text = fit_line(values["text"], width, scene.glyphs.ellipsis)
        lines.append(row(columns, widths, {**values, "text": text}))
        if advised and values["advice"][0].text:
            advice = fit_line(values["advice"], width, scene.glyphs.ellipsis)
            lines.append((Span(" " * (scene.width - width)), *advice))
    return lines


def happened(scene: Scene, most: int, events: list[Event] | None = None) -> list[Line]:
    """The newest events, newest first."""
    chosen = list(scene.snapshot.events) if events is None else events
    rows: list[dict[str, Line]] = [
        {
            "time": (Span(local_time(event.time), "dim"),),
            "severity": SEVERITIES.get(event.severity, UNKNOWN).line(scene.glyphs),
            "code": (Span(event.code, "dim"),),
            "text": (Span(f"{event.subject}  ", "strong"), Span(event.text)),
        }
        for event in reversed(chosen[-most:] if most > 0 else [])
    ]
    return _rows(scene, EVENTS, rows)


def matching(events: tuple[Event, ...], text: str) -> list[Event]:
    """The events that contain `text`, or with a leading exclamation mark those that do not."""
    wanted = text.removeprefix("!").lower()
    if not wanted:
        return list(events)
    return [
        e
        for e in events
        if (wanted in f"{e.code} {e.subject} {e.text}".lower()) != text.startswith("!")
    ]


def page(scene: Scene, filtered: str) -> list[Line]:
    """The whole screen: what is wrong, then the log of events."""
    events = matching(scene.snapshot.events, filtered)
    note = _("contains: {text}").format(text=filtered) if filtered else ""
    lines = [*now(scene), BLANK, section(_("WHAT HAPPENED"), scene.width, scene.glyphs, note)]
    listed = happened(scene, 1000, events)
    return [*lines, *(listed or [(Span(_("nothing yet"), "dim"),)])]
