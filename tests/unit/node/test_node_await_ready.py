"""Whoever waits for an engine is told when it will not serve, and can have it started anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from node_fakes import EngineMode, deployment, until

from appliance.core.errors import ApplianceError
from appliance.core.progress import Cancel
from appliance.core.status import Hold
from appliance.node.node import Node
from appliance.node.replica import ReplicaKeeper

HELD = Hold(kind="quarantine", since="t", code="CARD-LOST", reason="the card is lost")
RIGHT = " Paris. The capital of Germany is Berlin."


@pytest.fixture
def said(node: Node, engine: EngineMode, tmp_path: Path) -> Path:
    """What the engine that serves answers with."""
    file = tmp_path / "said"
    file.write_text(RIGHT)
    engine.mode = f"says:{file}"
    node.deploy(deployment())
    node.await_ready("tiny", Cancel())
    until(lambda: kept(node)._canary.cleared)
    return file


def kept(node: Node) -> ReplicaKeeper:
    (keeper,) = node.replicas.kept().values()
    return keeper


def test_one_that_computes_wrongly_is_waited_for_no_longer_and_started_anew_by_the_next_up(
    node: Node, said: Path
) -> None:
    said.write_text("!" * 40)
    kept(node)._canary._asked = None  # a night has passed
    until(lambda: kept(node).record.state == "degraded")
    degraded = kept(node).record.identity

    with pytest.raises(ApplianceError) as refused:
        node.await_ready("tiny", Cancel())
    assert refused.value.code == "ENGINE-WRONG-ANSWER"
    assert "it repeated itself" in str(refused.value)

    said.write_text(RIGHT)
    node.deploy(deployment())
    node.await_ready("tiny", Cancel())
    assert kept(node).record.identity != degraded


def test_one_whose_card_is_held_is_waited_for_no_longer(node: Node, said: Path) -> None:
    node.holds.hold("cpu", HELD)
    until(lambda: kept(node).record.state == "quarantined")

    with pytest.raises(ApplianceError) as refused:
        node.await_ready("tiny", Cancel())

    assert refused.value.code == "CARD-HELD"
    assert "the card is lost" in str(refused.value)
