"""What a killed daemon had no time to write down."""

from __future__ import annotations

from pathlib import Path

from appliance.supervisor.running import marked

GATEWAY = "gateway"
"""What the gateway's mark names in place of a replica."""


def marked_processes(state: Path) -> dict[int, str]:
    """Replica id by pid for every engine (and the gateway) of the appliance at `state`."""
    return {one.identity.pid: one.replica for one in marked(state)}
