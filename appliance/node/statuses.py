"""status/1 put together from what the keepers know."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from appliance.core.disk_faults import foreseen
from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.status import (
    SERVING,
    DeploymentStatus,
    Note,
    ReplicaState,
    ReplicaStatus,
)
from appliance.node.replica import ReplicaKeeper
from appliance.node.traffic import ModelTraffic
from appliance.ops.deployment import Deployment

_ROOM_BYTES = 256 * 1024
"""With less, what people change and what happens here may not be written down any more."""
# Worst first
_ORDER: tuple[ReplicaState, ...] = (
    "failed", "quarantined", "starting", "stopped", "degraded", "busy", "ready",
)  # fmt: skip


def deployment_status(
    deployment: Deployment,
    wanted: bool,
    keepers: Mapping[str, ReplicaKeeper],
    endpoint: str | None,
    traffic: ModelTraffic | None = None,
) -> DeploymentStatus:
    """A deployment with its replicas."""
    mine = [k for k in keepers.values() if k.deployment.id == deployment.id]
    replicas = [replica_status(keeper) for keeper in mine] if wanted else []
    state, reason = overall(replicas) if wanted else ("stopped", None)
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
        requests_total=traffic.requests if traffic else None,
        first_token_s=traffic.first_token_s if traffic else None,
        served_as=deployment.served_as,
    )


def overall(replicas: Sequence[ReplicaStatus]) -> tuple[ReplicaState, str | None]:
    """The state of the worst replica, with its reason; `degraded` where another one serves."""
    if not replicas:
        return "starting", None
    worst = min(replicas, key=lambda replica: _ORDER.index(replica.state))
    if worst.state not in SERVING and any(r.state in SERVING for r in replicas):
        return "degraded", worst.reason
    return worst.state, worst.reason


def reachable(
    deployment: DeploymentStatus, *, listening: bool, fault: ApplianceError | None
) -> DeploymentStatus:
    """What serves, but at no endpoint that answers, serves nobody."""
    if listening or deployment.state not in SERVING:
        return deployment
    why = (
        say("nobody reaches it: {why}", why=fault.what)
        if fault
        else say("its endpoint is starting")
    )
    state: ReplicaState = "failed" if fault else "starting"
    return replace(deployment, state=state, reason=str(why))


def disk_notes(path: Path) -> list[Note]:
    """What keeps the daemon from writing below `path`: a disk that is full or read-only."""
    disk = os.statvfs(path)
    if disk.f_flag & os.ST_RDONLY:
        number = errno.EROFS
    elif disk.f_blocks and disk.f_bavail * disk.f_frsize < _ROOM_BYTES:
        number = errno.ENOSPC
    else:
        return []
    error = foreseen(OSError(number, os.strerror(number)), path)
    return [Note(code=error.code, text=str(error.what))] if error else []


def replica_status(keeper: ReplicaKeeper) -> ReplicaStatus:
    """One replica as its keeper sees it."""
    record = keeper.record
    metrics = keeper.metrics
    loading = keeper.loading
    return ReplicaStatus(
        id=record.id,
        pid=record.identity.pid if record.identity else None,
        cards=record.cards,
        state=record.state,
        port=record.identity.port if record.identity else None,
        reason=str(record.reason) if record.reason else None,
        since=record.since,
        restarts=record.restarts,
        load_pct=loading.pct if loading else None,
        load_eta_s=loading.eta_s() if loading else None,
        requests_running=metrics.requests_running if metrics else None,
        requests_waiting=metrics.requests_waiting if metrics else None,
        decode_tps=metrics.decode_tps if metrics else None,
        kv_used_pct=metrics.kv_used_pct if metrics else None,
    )
