"""status/1 put together from what the keepers know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.core.inventory import Inventory
from appliance.core.sample import Sample
from appliance.core.status import CardStatus, DeploymentStatus, ReplicaState, ReplicaStatus
from appliance.node.replica import ReplicaKeeper
from appliance.ops.deployment import Deployment

# Worst first: a deployment is in the state of its worst replica, but serves while one serves.
_ORDER: tuple[ReplicaState, ...] = (
    "failed", "quarantined", "starting", "degraded", "busy", "ready", "stopped",
)  # fmt: skip


def deployment_status(
    deployment: Deployment,
    wanted: bool,
    keepers: Mapping[str, ReplicaKeeper],
    endpoint: str | None,
) -> DeploymentStatus:
    """A deployment with its replicas."""
    mine = [k for k in keepers.values() if k.deployment.id == deployment.id]
    replicas = [replica_status(keeper) for keeper in mine]
    if not wanted:
        replicas = []
    state, reason = _overall(replicas, wanted)
    return DeploymentStatus(
        id=deployment.id,
        model=deployment.model,
        variant=deployment.variant,
        engine=deployment.engine,
        state=state,
        reason=reason,
        replicas=replicas,
        endpoint=endpoint if wanted else None,
        context=deployment.context,
        slots=deployment.slots,
    )


def _overall(replicas: Sequence[ReplicaStatus], wanted: bool) -> tuple[ReplicaState, str | None]:
    if not wanted:
        return "stopped", None
    if not replicas:
        return "starting", None
    worst = min(replicas, key=lambda replica: _ORDER.index(replica.state))
    best = max(replicas, key=lambda replica: _ORDER.index(replica.state))
    if worst.state != best.state and best.state in ("ready", "busy") and worst.state != "busy":
        return "degraded", worst.reason
    return worst.state, worst.reason


def replica_status(keeper: ReplicaKeeper) -> ReplicaStatus:
    """One replica as its keeper sees it."""
    record = keeper.record
    metrics = keeper.metrics
    return ReplicaStatus(
        id=record.id,
        pid=record.identity.pid if record.identity else None,
        cards=record.cards,
        state=record.state,
        port=record.identity.port if record.identity else None,
        reason=str(record.reason) if record.reason else None,
        since=record.since,
        restarts=record.restarts,
        requests_running=metrics.requests_running if metrics else None,
        requests_waiting=metrics.requests_waiting if metrics else None,
        decode_tps=metrics.decode_tps if metrics else None,
    )


def card_statuses(inventory: Inventory, sample: Sample) -> list[CardStatus]:
    """Every card with its newest readings."""
    readings = {card.id: card for card in sample.cards}
    return [
        CardStatus(
            id=card.id,
            vendor=card.vendor,
            index=card.index,
            name=card.name,
            state=card.state,
            sample=readings.get(card.id),
        )
        for card in inventory.cards
    ]
