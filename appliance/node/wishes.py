"""What front ends ask of the daemon, and what it tells them happened."""

from __future__ import annotations

from appliance.core.inventory import Document, Severity
from appliance.core.plan import Style
from appliance.core.reference import PEER_PORT
from appliance.core.tune import Goal
from appliance.ops.setup.answers import Answers


class UpOptions(Document, frozen=True, kw_only=True):
    """The options of `up`. `allow_cpu` is the operator's yes to serving from the processor
    although the server has cards, `adapt` that to a smaller plan where this one cannot run. The
    others mean what they mean in answers.toml (`appliance.ops.setup.answers`).
    """

    model: str | None = None
    users: int | None = None
    context: int | None = None
    allow_cpu: bool = False
    style: Style = "chat"
    source: str = "hubs"
    key_name: str | None = None
    adapt: bool = False


def up_options(answers: Answers) -> UpOptions:
    """What the main job needs of a setup's answers."""
    names = set(UpOptions.__struct_fields__) & set(Answers.__struct_fields__)
    return UpOptions(**{name: getattr(answers, name) for name in names})


class PullOptions(Document, frozen=True, kw_only=True):
    """The options of `models pull`; `limit` is a ceiling of speed such as `50M`."""

    model: str
    limit: str | None = None


class ShareOptions(Document, frozen=True, kw_only=True):
    """Where the store is shared; `on=False` ends it."""

    on: bool = True
    address: str = "127.0.0.1"
    port: int = PEER_PORT


class Shared(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.share/1"):
    """What is shared where; who has the `key` may read every model of the store."""

    on: bool
    address: str
    port: int
    key: str


class TuneOptions(Document, frozen=True, kw_only=True):
    """The options of `tune`. `users` ask at once while it measures; `limit_s` bounds it all."""

    goal: Goal = "throughput"
    users: int | None = None
    limit_s: float = 300.0


class HoldOptions(Document, frozen=True, kw_only=True):
    """Why a card is taken out of service."""

    reason: str = "maintenance"


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
