"""Finding processes of ours that a killed daemon had no time to write down."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.supervisor.process import ProcessIdentity
from appliance.supervisor.table import entry_of

MARK = "APPLIANCE_REPLICA"
GATEWAY = "gateway"
"""What the gateway's mark names in place of a replica."""


def mark(state: Path, replica_id: str) -> dict[str, str]:
    """The variable that tells a process of this appliance's from all others."""
    return {MARK: f"{state.resolve()}:{replica_id}"}


def marked_processes(state: Path) -> dict[int, str]:
    """Replica id by pid for every live process started by a daemon of `state` (Linux only).

    Children inherit the variable, so only leaders of a session count.
    """
    prefix = f"{MARK}={state.resolve()}:".encode()
    found: dict[int, str] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        pid = int(directory.name)
        try:
            environment = (directory / "environ").read_bytes()
        except OSError:
            continue
        for entry in environment.split(b"\0"):
            if entry.startswith(prefix) and _is_leader(pid):
                found[pid] = entry[len(prefix) :].decode(errors="replace")
    return found


def _is_leader(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def identity_of(pid: int, port: int) -> ProcessIdentity | None:
    """The identity of a process that is alive."""
    entry = entry_of(pid)
    if entry is None or entry.dead:
        return None
    return ProcessIdentity(pid=pid, started=entry.started, port=port)
