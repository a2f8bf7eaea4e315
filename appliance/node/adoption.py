"""What a new daemon does with the engines that an earlier one left behind."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import msgspec

from appliance.core.errors import ApplianceError
from appliance.node.gateway import GatewayKeeper
from appliance.node.orphans import GATEWAY
from appliance.node.state import ReplicaRecord, State
from appliance.ops.deployment import Deployment, same_engine
from appliance.supervisor.ports import is_held_by
from appliance.supervisor.running import Identity, Marked, alive, stop

log = logging.getLogger(__name__)
_GRACE_S = 5.0


def adopt_replicas(
    state: State, wanted: Mapping[str, Deployment], marked: Collection[Marked]
) -> dict[str, ReplicaRecord]:
    """The records of wanted replicas, each with its live engine where there is one.

    `marked` are the engines that bear our mark. Those that nobody wants, that do other work than
    is wanted now, or that run a second time are ended.
    """
    records = {record.id: record for record in state.replicas()}
    for one in marked:
        if one.replica != GATEWAY:
            _claim(one, records.get(one.replica), one.replica in wanted, records)
    for record in records.values():
        if record.id not in wanted and record.identity:
            _end_unwanted(state, record)
    kept = {rid: _resumed(records[rid], wanted[rid]) for rid in wanted if rid in records}
    return {rid: record for rid, record in kept.items() if record}


def _claim(
    one: Marked, record: ReplicaRecord | None, wanted: bool, records: dict[str, ReplicaRecord]
) -> None:
    identity = _at_port(one.identity, record.port if record else None)
    if record and record.identity == identity and wanted:
        return
    if record is None or not wanted or not _is_engine_of(record, identity):
        log.warning("ending %s, process %s: nobody wants it", one.replica, identity.pid)
        _end(identity)
        return
    records[record.id] = msgspec.structs.replace(
        record, identity=identity, state="starting", reason=None
    )


def _is_engine_of(record: ReplicaRecord, found: Identity) -> bool:
    """Whether this is the engine that nobody had time to write down.

    Where one was written down, any other is a second copy, or what that one left when it died; on
    a full disk its successor may not have been noted, and that listens.
    """
    if record.identity is None or not alive(found):
        return alive(found)
    return not alive(record.identity) and is_held_by(found.port, found.pid)


def _end_unwanted(state: State, record: ReplicaRecord) -> None:
    """What an earlier daemon was ending when it died itself is ended, and not asked for again."""
    if record.identity:
        _end(record.identity)
    state.save_replica(msgspec.structs.replace(record, identity=None, state="stopped"))


def _end(identity: Identity) -> None:
    """What a driver holds, or whose container engine is away, keeps no daemon from starting."""
    try:
        stop(identity, grace_s=_GRACE_S)
    except ApplianceError as error:
        log.warning("process %s stays: %s", identity.pid, error)


def _at_port(identity: Identity, port: int | None) -> Identity:
    return msgspec.structs.replace(identity, port=identity.port or port or 0)


def _resumed(record: ReplicaRecord, work: Deployment) -> ReplicaRecord | None:
    """The record to go on with. What died meanwhile does not serve, whatever it did before."""
    if not same_engine(record.work, work, record.id):
        if record.identity:
            _end(record.identity)
        return None
    if record.identity and alive(record.identity):
        log.info("adopted %s, pid %s", record.id, record.identity.pid)
        return msgspec.structs.replace(record, work=work)
    return msgspec.structs.replace(record, work=work, state="starting", reason=None)


def adopt_gateway(gateway: GatewayKeeper, marked: Collection[Marked]) -> None:
    """Take on the gateway that a killed daemon had no time to write down; end any other."""
    for one in marked:
        if one.replica != GATEWAY or (
            gateway.identity and gateway.identity.pid == one.identity.pid
        ):
            continue
        identity = _at_port(one.identity, gateway.kept_port)
        missing = gateway.identity is None or not alive(gateway.identity)
        if missing and is_held_by(identity.port, identity.pid):
            gateway.adopt(identity)
        else:
            _end(identity)
