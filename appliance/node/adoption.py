"""What a new daemon does with the processes that an earlier one left behind."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from appliance.node.gateway import GatewayKeeper
from appliance.node.orphans import GATEWAY, identity_of
from appliance.node.state import ReplicaRecord, State
from appliance.ops.deployment import Deployment
from appliance.supervisor.ports import is_held_by
from appliance.supervisor.process import alive, stop

log = logging.getLogger(__name__)
_GRACE_S = 5.0


def adopt_replicas(
    state: State, wanted: Mapping[str, Deployment], marked: Mapping[int, str]
) -> dict[str, ReplicaRecord]:
    """The records of wanted replicas, each with its live process where there is one.

    `marked` are the processes that bear our mark. Those that nobody wants, that do other work than
    is wanted now, or that run a second time are ended.
    """
    records = {record.id: record for record in state.replicas()}
    for pid, replica_id in marked.items():
        if replica_id != GATEWAY:
            _claim(pid, records.get(replica_id), replica_id in wanted, records)
    kept = {rid: _resumed(records[rid], wanted[rid]) for rid in wanted if rid in records}
    return {rid: record for rid, record in kept.items() if record}


def _claim(
    pid: int, record: ReplicaRecord | None, wanted: bool, records: dict[str, ReplicaRecord]
) -> None:
    identity = identity_of(pid, (record.port if record else None) or 0)
    if identity is None or (record and record.identity == identity and wanted):
        return
    has_other = bool(record and record.identity and alive(record.identity))
    if record is None or not wanted or has_other:
        log.warning("ending process %s: nobody wants it", pid)
        stop(identity, grace_s=_GRACE_S)
        return
    records[record.id] = msgspec.structs.replace(
        record, identity=identity, state="starting", reason=None
    )


def _resumed(record: ReplicaRecord, work: Deployment) -> ReplicaRecord | None:
    """The record to go on with. What died meanwhile does not serve, whatever it did before."""
    if record.work != work:
        if record.identity:
            stop(record.identity, grace_s=_GRACE_S)
        return None
    if record.identity and alive(record.identity):
        log.info("adopted %s, pid %s", record.id, record.identity.pid)
        return record
    return msgspec.structs.replace(record, state="starting", reason=None)


def adopt_gateway(gateway: GatewayKeeper, marked: Mapping[int, str]) -> None:
    """Take on the gateway that a killed daemon had no time to write down; end any other."""
    for pid, replica_id in marked.items():
        if replica_id != GATEWAY or (gateway.identity and gateway.identity.pid == pid):
            continue
        identity = identity_of(pid, gateway.kept_port or 0)
        if identity is None:
            continue
        missing = gateway.identity is None or not alive(gateway.identity)
        if missing and is_held_by(identity.port, pid):
            gateway.adopt(identity)
        else:
            stop(identity, grace_s=_GRACE_S)
