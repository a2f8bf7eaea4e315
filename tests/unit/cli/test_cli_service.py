"""What `down` says of the people it waits for, and `status` of the server."""

from __future__ import annotations

import pytest

from appliance.cli.service import _answers_running, print_status
from appliance.core.status import DaemonStatus, DeploymentStatus, Note, ReplicaStatus, Status


def serving(name: str, running: int | None, waiting: int | None) -> DeploymentStatus:
    replica = ReplicaStatus(
        id=f"{name}-0", pid=1, cards=["cpu"], state="busy", port=1,
        requests_running=running, requests_waiting=waiting,
    )  # fmt: skip
    return DeploymentStatus(
        id=name, model=name, variant=f"{name}:q4_0", engine="llama.cpp", state="busy", reason=None,
        replicas=[replica], endpoint=None,
    )  # fmt: skip


def test_who_waits_for_a_turn_is_waited_for_too() -> None:
    deployments = [serving("a", 3, 5), serving("b", None, None), serving("c", 1, 0)]
    now = Status(daemon=DaemonStatus(), listeners=[], deployments=deployments, cards=[])

    assert _answers_running(now, None) == 9
    assert _answers_running(now, "a") == 8
    assert _answers_running(now, "b") == 0


def test_what_is_in_the_way_is_said_beside_what_is_served(
    capsys: pytest.CaptureFixture[str],
) -> None:
    notes = [Note(code="DISK-FULL", text="the disk of /srv is full")]
    deployments = [serving("a", 0, 0)]
    now = Status(
        daemon=DaemonStatus(), listeners=[], deployments=deployments, cards=[], notes=notes
    )

    print_status(now)

    assert "DISK-FULL   the disk of /srv is full" in capsys.readouterr().out.splitlines()
