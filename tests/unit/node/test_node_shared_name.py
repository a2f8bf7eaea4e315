"""Deployments that are served under one model name: who answers, and who is stopped."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from node_fakes import EngineMode, deployment, until

from appliance.core.errors import UsageError
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.gateway.routes import Routes
from appliance.node.api import _refuse_shared_name
from appliance.node.node import Node

Serve = Callable[..., None]
OTHER = "tiny@ascend"


@pytest.fixture
def serve(node: Node, engine: EngineMode, tmp_path: Path) -> Serve:
    """Deploy an engine that completes whatever it is asked with its own id."""

    def deploy(name: str, **changes: Any) -> None:
        said = tmp_path / name
        said.write_text(f" Paris, says {name}.")
        engine.mode = f"says:{said}"
        node.deploy(deployment(name, **{"model": "tiny", "variant": "tiny:q4_0", **changes}))
        node.await_ready(name, Cancel())

    return deploy


@pytest.fixture
def both(serve: Serve) -> None:
    serve("tiny")
    serve(OTHER, served_as="tiny", variant="tiny:q8_0")


def who_answers(paths: Paths, times: int = 8) -> Counter[str]:
    transport = httpx.HTTPTransport(uds=str(paths.gateway_socket))
    heard: Counter[str] = Counter()
    with httpx.Client(transport=transport, base_url="http://gateway", timeout=40) as client:
        for _ in range(times):
            body = {"model": "tiny", "prompt": "?"}
            answer = client.post("/v1/completions", json=body)
            assert answer.status_code == 200, answer.text
            heard[answer.json()["choices"][0]["text"].split()[-1].rstrip(".")] += 1
    return heard


def test_requests_go_to_both_and_the_other_serves_on_when_one_dies(
    node: Node, both: None, paths: Paths, engine: EngineMode
) -> None:
    node.endpoint()
    assert {request.alias for request in engine.requests} == {"tiny"}
    heard = until(lambda: len(found := who_answers(paths)) == 2 and found)
    assert heard == {"tiny": 4, OTHER: 4}

    engine.mode = "fails:CUDA out of memory"
    (first,) = node.replicas.kept("tiny").values()
    assert first.record.identity
    os.kill(first.record.identity.pid, signal.SIGKILL)

    assert who_answers(paths) == {OTHER: 8}
    states = {status.id: status.state for status in node.statuses()}
    assert states[OTHER] in ("ready", "busy")


def test_one_route_has_the_workers_of_both_and_the_names_they_share(
    node: Node, both: None, paths: Paths, serve: Serve
) -> None:
    serve("alone", model="alone", variant="alone:q4_0")

    routes = {model.id: model for model in Routes(paths.state).current().models}

    assert routes.keys() == {"tiny", "alone"}
    assert {worker.id for worker in routes["tiny"].workers} == {"tiny-0", f"{OTHER}-0"}
    assert routes["tiny"].aliases == ["tiny"]
    assert routes["alone"].aliases == ["alone:q4_0", "alone"]


def test_the_name_stops_both_and_the_id_of_the_other_only_that(node: Node, both: None) -> None:
    node.stop_deployment(OTHER, drain=False)
    assert node.replicas.wanted().keys() == {"tiny"}

    node.state.want(deployment(OTHER, model="tiny", served_as="tiny"))
    node.stop_deployment("tiny", drain=False)
    assert node.replicas.wanted() == {}
    assert {status.state for status in node.statuses()} == {"stopped"}


def test_status_tells_the_name_and_one_is_withdrawn_without_the_other(
    node: Node, both: None
) -> None:
    told = {status.id: (status.served_as, status.name) for status in node.statuses()}
    assert told == {"tiny": (None, "tiny"), OTHER: ("tiny", "tiny")}

    node.withdraw(OTHER, None)

    (first,) = node.replicas.kept().values()
    assert (first.deployment.id, first.record.state) in (("tiny", "ready"), ("tiny", "busy"))


def test_an_id_comes_before_a_model_of_that_name(node: Node, both: None) -> None:
    node.state.want(node.known("tiny"))  # written last now

    assert node.known("tiny").id == "tiny"
    assert node.known(OTHER).id == OTHER


def test_who_answers_in_turn_cannot_be_measured_alone(node: Node, both: None) -> None:
    for name in ("tiny", OTHER):
        with pytest.raises(UsageError) as refused:
            _refuse_shared_name(node, name)
        assert refused.value.code == "SHARED-NAME"
        assert str(refused.value.hint) == f"appliance down {OTHER}"

    node.stop_deployment(OTHER, drain=False)
    _refuse_shared_name(node, "tiny")
