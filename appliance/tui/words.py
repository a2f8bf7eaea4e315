"""Numbers with their units, and states as word, shape and colour: never colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from appliance.core.i18n import Text, _, say
from appliance.tui.drawing import Line, Span
from appliance.tui.glyphs import Glyphs


class Word(NamedTuple):
    """A state for people. `shape` names a mark of `Glyphs`; `style` a style of the palette."""

    text: Text
    shape: str
    style: str

    def line(self, glyphs: Glyphs) -> Line:
        """The word followed by its shape."""
        mark = getattr(glyphs, self.shape)
        return (Span(f"{self.text} {mark}", self.style),)


UNKNOWN = Word(say("UNKNOWN"), "unknown", "unknown")
STALE = Word(say("STALE"), "unknown", "unknown")
CARD_STATES = {
    "ok": Word(say("OK"), "ok", "ok"),
    "degraded": Word(say("WARN"), "warn", "warn"),
    "no_driver": Word(say("NO DRIVER"), "fail", "fail"),
    "no_answer": Word(say("NO ANSWER"), "unknown", "fail"),
    "lost": Word(say("LOST"), "fail", "fail"),
}
HOT = Word(say("HOT"), "warn", "warn")
HOLDS = {
    "maintenance": Word(say("HELD"), "idle", "moving"),
    "quarantine": Word(say("QUARANTINE"), "fail", "fail"),
}
HEALTH_WORDS = {
    "ok": CARD_STATES["ok"],
    "warning": CARD_STATES["degraded"],
    "critical": Word(say("CRITICAL"), "fail", "fail"),
}
REPLICA_STATES = {
    "starting": Word(say("starting"), "moving", "moving"),
    "ready": Word(say("ready"), "ok", "ok"),
    "busy": Word(say("busy"), "ok", "ok"),
    "degraded": Word(say("degraded"), "warn", "warn"),
    "failed": Word(say("failed"), "fail", "fail"),
    "quarantined": Word(say("quarantined"), "fail", "fail"),
    "stopped": Word(say("stopped"), "idle", "dim"),
}
SEVERITIES = {
    "fail": Word(say("FAIL"), "fail", "fail"),
    "warn": Word(say("WARN"), "warn", "warn"),
    "unknown": UNKNOWN,
    "info": Word(say("INFO"), "idle", "dim"),
    "pass": Word(say("OK"), "ok", "ok"),
}
_RANKS = ("fail", "warn", "unknown", "info", "pass")


CAUSES = {
    "thermal": say("heat"),
    "power": say("power limit"),
    "power_brake": say("power brake"),
    "hw_slowdown": say("the hardware itself"),
}


def slowed_by(causes: Sequence[str]) -> str:
    """What slows a card down; a driver's own word where it is none of ours."""
    return ", ".join(str(CAUSES.get(cause, cause)) for cause in causes)


def severity_rank(severity: str) -> int:
    """0 is the worst."""
    return _RANKS.index(severity) if severity in _RANKS else len(_RANKS)


def unknown() -> str:
    """What stands where a value could not be read."""
    return _("n/a")


def percent(value: float | None) -> str:
    """`63%`."""
    return unknown() if value is None else f"{value:.0f}%"


def temperature(value: float | None, glyphs: Glyphs) -> str:
    """`71 C`."""
    return unknown() if value is None else f"{value:.0f}{glyphs.degree}"


def watts(value: float | None, limit: float | None) -> str:
    """`512/700 W`."""
    if value is None:
        return unknown()
    return f"{value:.0f} W" if limit is None else f"{value:.0f}/{limit:.0f} W"


def megahertz(value: float | None) -> str:
    """`1755 MHz`."""
    return unknown() if value is None else f"{value:.0f} MHz"


def gib(mib: float | None) -> str:
    """GiB from MiB, without the unit: `61.2`, `192`."""
    if mib is None:
        return unknown()
    value = mib / 1024
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}"


def used_of(used_mib: float | None, total_mib: float | None) -> str:
    """`61.2/80.0G`."""
    if used_mib is None and total_mib is None:
        return unknown()
    return f"{gib(used_mib)}/{gib(total_mib)}G"


def share(used: float | None, total: float | None) -> float | None:
    """`used` of `total` in percent."""
    return 100 * used / total if used is not None and total else None


def tokens_per_second(value: float | None) -> str:
    """`41.2 tok/s`."""
    return unknown() if value is None else _("{value} tok/s").format(value=f"{value:.1f}")


def count(value: int | None) -> str:
    """A number, or unknown."""
    return unknown() if value is None else str(value)


def size(amount: float | None) -> str:
    """Bytes in decimal units, as hubs and disks count: `4.7 GB`."""
    if amount is None:
        return unknown()
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError


def duration(seconds: float | None) -> str:
    """`00:41`, `1:02:03`, `3 d 04:00`."""
    if seconds is None:
        return unknown()
    minutes, left = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return _("{days} d {time}").format(days=days, time=f"{hours:02}:{minutes:02}")
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes:02}:{left:02}"


def local_time(rfc3339: str, now: datetime | None = None) -> str:
    """The time of day here, with the date where it was not today; the text itself if unreadable."""
    try:
        moment = datetime.fromisoformat(rfc3339).astimezone()
    except ValueError:
        return rfc3339
    today = (now or datetime.now().astimezone()).date()
    return moment.strftime("%H:%M:%S" if moment.date() == today else "%m-%d %H:%M")
