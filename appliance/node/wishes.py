"""What front ends ask of the daemon, and what it tells them happened."""

from __future__ import annotations

from appliance.core.inventory import Document, Severity
from appliance.core.tune import Goal


class UpOptions(Document, frozen=True, kw_only=True):
    """The options of `up`. `allow_cpu` is the operator's yes to serving from the processor
    although the server has cards.
    """

    model: str | None = None
    users: int | None = None
    context: int | None = None
    allow_cpu: bool = False


class PullOptions(Document, frozen=True, kw_only=True):
    """The options of `models pull`."""

    model: str


class TuneOptions(Document, frozen=True, kw_only=True):
    """The options of `tune`. `users` ask at once while it measures; `limit_s` bounds it all."""

    goal: Goal = "throughput"
    users: int | None = None
    limit_s: float = 300.0


class LogLines(Document, frozen=True, kw_only=True):
    """The end of a log, oldest line first."""

    lines: list[str]


class LogLine(Document, frozen=True, kw_only=True):
    """A line of a log as it was written."""

    line: str


class Event(Document, frozen=True, kw_only=True):
    """Something that happened; `subject` is a deployment, replica, card or model."""

    number: int
    time: str
    severity: Severity
    code: str
    subject: str
    text: str
