"""Deployments and their replicas."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.core.i18n import _, say
from appliance.core.status import SERVING, DeploymentStatus, ReplicaStatus
from appliance.tui.drawing import BLANK, Line, Span, cells, clip, named, section, wrap
from appliance.tui.scene import Scene
from appliance.tui.table import Column, whole
from appliance.tui.words import (
    REPLICA_STATES,
    UNKNOWN,
    count,
    duration,
    percent,
    tokens_per_second,
    unknown,
)

_LEAST_LOG = 5
_ON = 12
COLUMNS = (
    Column("mark", "", 1, 1),
    Column("id", say("deployment"), 16, 34, snug=True),
    Column("engine", say("engine"), 9, 20, rank=4),
    Column("on", say("on"), 6, _ON, rank=3),
    Column("running", say("running"), 3, 3, rank=1, align="right"),
    Column("waiting", say("waiting"), 3, 3, rank=2, align="right"),
    Column("speed", say("speed"), 11, 13, align="right"),
    Column("state", say("state"), 13, 16),
)
REPLICAS = (
    Column("id", say("replica"), 10, 46, snug=True),
    Column("pid", say("process"), 7, 8, rank=2, align="right"),
    Column("port", say("port"), 5, 6, rank=4, align="right"),
    Column("on", say("on"), 6, 30, rank=1),
    Column("restarts", say("restarts"), 4, 8, rank=3, align="right"),
    Column("running", say("running"), 3, 3, rank=1, align="right"),
    Column("waiting", say("waiting"), 3, 3, rank=1, align="right"),
    Column("cache", say("cache"), 4, 5, rank=3, align="right"),
    Column("speed", say("speed"), 11, 13, align="right"),
    Column("state", say("state"), 13, 16),
)


def table(scene: Scene) -> list[Line]:
    """A header, then one line a deployment; the selected one is marked."""
    chosen = scene.snapshot.deployment(scene.deployment)
    cursor = scene.glyphs.cursor
    rows = [_values(scene, d, cursor if d is chosen else "") for d in scene.snapshot.deployments]
    return whole(COLUMNS, rows, scene.width)


def _values(scene: Scene, deployment: DeploymentStatus, mark: str) -> dict[str, Line]:
    replicas = deployment.replicas
    speeds = [r.decode_tps for r in replicas if r.decode_tps is not None]
    silent = scene.snapshot.down_s is not None
    word = UNKNOWN if silent else REPLICA_STATES.get(deployment.state, UNKNOWN)
    return {
        "mark": (Span(mark, "accent"),),
        "id": (Span(deployment.id, "strong"),),
        "engine": (Span(deployment.engine),),
        "on": (Span(_spread(scene, replicas)),),
        "running": (Span(count(None if silent else _total(replicas, "requests_running"))),),
        "waiting": (Span(count(None if silent else _total(replicas, "requests_waiting"))),),
        "speed": (Span(tokens_per_second(sum(speeds) if speeds and not silent else None)),),
        "state": word.line(scene.glyphs),
    }


def _total(replicas: list[ReplicaStatus], name: str) -> int | None:
    known = [value for r in replicas if (value := getattr(r, name)) is not None]
    return sum(known) if known else None


def _cards_of(scene: Scene, replicas: list[ReplicaStatus]) -> str:
    labels = {card.id: card.label for card in scene.snapshot.cards()}
    ids = [labels.get(card, card) for replica in replicas for card in replica.cards]
    return ranges(list(dict.fromkeys(ids))) or unknown()


def _spread(scene: Scene, replicas: list[ReplicaStatus]) -> str:
    """The cards of a deployment; how many there are where their names would not fit."""
    cards = {card for replica in replicas for card in replica.cards}
    text = _cards_of(scene, replicas)
    return text if cells(text) <= _ON else _("{count} cards").format(count=len(cards))


def ranges(labels: list[str]) -> str:
    """Numbers in a row drawn together: `0-3,6`, `node-01:0-7`."""
    parts: list[list[str]] = []
    for label in labels:
        last = parts[-1][-1] if parts else ""
        if last and _next(last) == label:
            parts[-1].append(label)
        else:
            parts.append([label])
    return ",".join(p[0] if len(p) == 1 else f"{p[0]}-{p[-1].rpartition(':')[2]}" for p in parts)


def _next(label: str) -> str | None:
    """The card after `label` on the same server: `node-01:3` follows `node-01:2`."""
    server, colon, number = label.rpartition(":")
    return f"{server}{colon}{int(number) + 1}" if number.isdecimal() else None


def endpoint(scene: Scene, deployment: DeploymentStatus, *, example: bool) -> list[Line]:
    """Where it answers and how to use it; `example` adds a whole request."""
    url = deployment.endpoint
    if not url:
        return []
    lines: list[Line] = [
        named(_("endpoint"), url, style="accent"),
        named(_("key"), _("appliance keys add NAME makes one and shows it once")),
    ]
    if not example:
        return lines
    request = (
        f"curl {url}/chat/completions \\",
        "  -H 'Authorization: Bearer KEY' \\",
        "  -H 'Content-Type: application/json' \\",
        f"""  -d '{{"model":"{deployment.id}",""",
        """       "messages":[{"role":"user","content":"Hi"}]}'""",
    )
    names = (_("try"), *[""] * 4)
    return lines + [named(name, text) for name, text in zip(names, request, strict=True)]


def details(scene: Scene) -> list[Line]:
    """The selected deployment in full: reason, replicas, endpoint."""
    deployment = scene.snapshot.deployment(scene.deployment)
    if deployment is None:
        return []
    lines: list[Line] = [section(deployment.id, scene.width, scene.glyphs, deployment.variant)]
    if deployment.reason:
        style = "dim" if deployment.state in SERVING else "warn"
        lines += [(Span(t, style),) for t in wrap(deployment.reason, scene.width)]
    lines.append(named(_("context"), _context(deployment)))
    lines += _requests(deployment)
    lines += [BLANK, *_replicas(scene, deployment)]
    if deployment.endpoint:
        lines += [BLANK, *endpoint(scene, deployment, example=True)]
    return lines


def _context(deployment: DeploymentStatus) -> str:
    if deployment.context is None:
        return unknown()
    return _("{tokens} tokens a conversation, {slots} conversations at a time").format(
        tokens=f"{deployment.context:,}", slots=count(deployment.slots)
    )


def _requests(deployment: DeploymentStatus) -> list[Line]:
    """What people asked of it; nothing where the gateway does not tell."""
    if deployment.requests_total is None:
        return []
    text = _("{count} answered").format(count=f"{deployment.requests_total:,}")
    if deployment.first_token_s is not None:
        wait = _("first word after {seconds:.2f} s in the last minute")
        text += _("; ") + wait.format(seconds=deployment.first_token_s)
    return [named(_("requests"), text)]


def _loading(replica: ReplicaStatus) -> str:
    """How far a start is."""
    if replica.state != "starting" or replica.load_pct is None:
        return ""
    left = _("{time} left").format(time=duration(replica.load_eta_s))
    return f"{percent(replica.load_pct)}" + (f", {left}" if replica.load_eta_s is not None else "")


def _replicas(scene: Scene, deployment: DeploymentStatus) -> list[Line]:
    lines = whole(REPLICAS, [_replica(scene, r) for r in deployment.replicas], scene.width)
    for replica in deployment.replicas:
        if loading := _loading(replica):
            lines.append((Span(f"{replica.id}: {_('loading')} {loading}", "moving"),))
        if replica.reason:
            text = f"{replica.id}: {replica.reason}"
            lines += [(Span(line, "warn"),) for line in wrap(text, scene.width)]
    return lines


def _replica(scene: Scene, replica: ReplicaStatus) -> dict[str, Line]:
    silent = scene.snapshot.down_s is not None
    word = UNKNOWN if silent else REPLICA_STATES.get(replica.state, UNKNOWN)
    return {
        "id": (Span(replica.id),),
        "pid": (Span(count(replica.pid)),),
        "port": (Span(count(replica.port)),),
        "on": (Span(_cards_of(scene, [replica])),),
        "restarts": (Span(str(replica.restarts), "warn" if replica.restarts else ""),),
        "running": (Span(count(replica.requests_running)),),
        "waiting": (Span(count(replica.requests_waiting)),),
        "cache": (Span(percent(replica.kv_used_pct)),),
        "speed": (Span(tokens_per_second(replica.decode_tps)),),
        "state": word.line(scene.glyphs),
    }


def log_end(scene: Scene, log: Sequence[str], room: int) -> list[Line]:
    """The newest lines of the engine's log, where there is room for a few."""
    if room < _LEAST_LOG or not log:
        return []
    ellipsis = scene.glyphs.ellipsis
    lines = [(Span(clip(line, scene.width - 2, ellipsis), "dim"),) for line in log[2 - room :]]
    return [BLANK, section(_("LOG"), scene.width, scene.glyphs, _("l follows it")), *lines]


def empty() -> list[Line]:
    """What to do where nothing is served."""
    return [
        (Span(_("Nothing is served yet."), "strong"),),
        (Span(_("U does the main job: it picks a model that fits, fetches it and serves it.")),),
        (Span(_("4 lists the models; import brings weights from a disk."), "dim"),),
    ]
