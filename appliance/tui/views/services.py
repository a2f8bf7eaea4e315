"""Deployments and their replicas."""

from __future__ import annotations

from appliance.core.i18n import _, say
from appliance.core.status import SERVING, DeploymentStatus, ReplicaStatus
from appliance.tui.drawing import BLANK, Line, Span, named, section, wrap
from appliance.tui.scene import Scene
from appliance.tui.table import Column, arrange, header, row
from appliance.tui.words import REPLICA_STATES, UNKNOWN, count, tokens_per_second, unknown

COLUMNS = (
    Column("mark", "", 1, 1),
    Column("id", say("deployment"), 16, 34),
    Column("engine", say("engine"), 9, 12, rank=4),
    Column("on", say("on"), 6, 12, rank=3),
    Column("running", say("running"), 3, 3, rank=1, align="right"),
    Column("waiting", say("waiting"), 3, 3, rank=2, align="right"),
    Column("speed", say("speed"), 11, 13, align="right"),
    Column("state", say("state"), 13, 16),
)
REPLICAS = (
    Column("id", say("replica"), 10, 30),
    Column("pid", say("process"), 7, 8, rank=2, align="right"),
    Column("port", say("port"), 5, 6, rank=4, align="right"),
    Column("on", say("on"), 6, 30, rank=1),
    Column("restarts", say("restarts"), 4, 8, rank=3, align="right"),
    Column("running", say("running"), 3, 3, rank=1, align="right"),
    Column("waiting", say("waiting"), 3, 3, rank=1, align="right"),
    Column("speed", say("speed"), 11, 13, align="right"),
    Column("state", say("state"), 13, 16),
)


def table(scene: Scene) -> list[Line]:
    """A header, then one line a deployment; the selected one is marked."""
    widths = arrange(COLUMNS, scene.width)
    chosen = scene.snapshot.deployment(scene.deployment)
    lines = [header(COLUMNS, widths)]
    for deployment in scene.snapshot.deployments:
        mark = scene.glyphs.cursor if deployment is chosen else ""
        lines.append(row(COLUMNS, widths, _values(scene, deployment, mark)))
    return lines


def _values(scene: Scene, deployment: DeploymentStatus, mark: str) -> dict[str, Line]:
    replicas = deployment.replicas
    speeds = [r.decode_tps for r in replicas if r.decode_tps is not None]
    silent = scene.snapshot.down_s is not None
    word = UNKNOWN if silent else REPLICA_STATES.get(deployment.state, UNKNOWN)
    return {
        "mark": (Span(mark, "accent"),),
        "id": (Span(deployment.id, "strong"),),
        "engine": (Span(deployment.engine),),
        "on": (Span(_cards_of(scene, replicas)),),
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
    return ",".join(dict.fromkeys(ids)) or unknown()


def endpoint(scene: Scene, deployment: DeploymentStatus) -> list[Line]:
    """Where it answers and how to use it."""
    if not deployment.endpoint:
        return []
    url = deployment.endpoint
    example = (
        f"curl {url}/chat/completions -H 'Authorization: Bearer KEY' "
        f"""-d '{{"model":"{deployment.id}","messages":[{{"role":"user","content":"Hi"}}]}}'"""
    )
    lines: list[Line] = [
        named(_("endpoint"), url, style="accent"),
        named(_("key"), _("appliance keys add NAME makes one and shows it once")),
    ]
    room = scene.width - 12
    names = [_("try"), *[""] * 3]
    lines += [named(n, text) for n, text in zip(names, wrap(example, room), strict=False)]
    return lines


def details(scene: Scene) -> list[Line]:
    """The selected deployment in full: reason, replicas, endpoint."""
    deployment = scene.snapshot.deployment(scene.deployment)
    if deployment is None:
        return []
    lines: list[Line] = [section(deployment.id, scene.width, scene.glyphs, deployment.variant)]
    if deployment.reason:
        style = "dim" if deployment.state in SERVING else "warn"
        lines += [(Span(t, style),) for t in wrap(deployment.reason, scene.width)]
    lines += [named(_("context"), _context(deployment)), BLANK, *_replicas(scene, deployment)]
    if deployment.endpoint:
        lines += [BLANK, *endpoint(scene, deployment)]
    return lines


def _context(deployment: DeploymentStatus) -> str:
    if deployment.context is None:
        return unknown()
    return _("{tokens} tokens a conversation, {slots} conversations at a time").format(
        tokens=f"{deployment.context:,}", slots=count(deployment.slots)
    )


def _replicas(scene: Scene, deployment: DeploymentStatus) -> list[Line]:
    widths = arrange(REPLICAS, scene.width)
    lines = [header(REPLICAS, widths)]
    silent = scene.snapshot.down_s is not None
    for replica in deployment.replicas:
        word = UNKNOWN if silent else REPLICA_STATES.get(replica.state, UNKNOWN)
        values: dict[str, Line] = {
            "id": (Span(replica.id),),
            "pid": (Span(count(replica.pid)),),
            "port": (Span(count(replica.port)),),
            "on": (Span(_cards_of(scene, [replica])),),
            "restarts": (Span(str(replica.restarts), "warn" if replica.restarts else ""),),
            "running": (Span(count(replica.requests_running)),),
            "waiting": (Span(count(replica.requests_waiting)),),
            "speed": (Span(tokens_per_second(replica.decode_tps)),),
            "state": word.line(scene.glyphs),
        }
        lines.append(row(REPLICAS, widths, values))
        if replica.reason:
            lines += [(Span("  " + t, "warn"),) for t in wrap(replica.reason, scene.width - 2)]
    return lines


def empty() -> list[Line]:
    """What to do where nothing is served."""
    return [
        (Span(_("Nothing is served yet."), "strong"),),
        (Span(_("U does the main job: it picks a model that fits, fetches it and serves it.")),),
        (Span(_("4 lists the models; import brings weights from a disk."), "dim"),),
    ]
