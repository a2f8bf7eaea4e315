"""What a real daemon tells of its cards: history, links, processes by replica."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from node_fakes import until

from appliance.core.errors import UsageError
from appliance.core.paths import Paths
from appliance.core.sample import CardProcess, CardSample
from appliance.node.client import NodeClient
from appliance.node.observed import _owned, span_named
from appliance.node.start import await_leave, ensure_daemon


@pytest.fixture
def client(paths: Paths) -> Iterator[NodeClient]:
    with ensure_daemon(paths) as connected:
        yield connected
        connected.down()
    await_leave(paths)


def test_the_daemon_keeps_history(client: NodeClient) -> None:
    (card, *_) = client.inventory().cards
    until(lambda: any(client.history(card.id, "1m").points))

    assert len(client.history(card.id, "30d").points) == 720
    assert any(client.history("host", "1d").points)
    assert client.sample(processes=True).cards
    assert [place.id for place in client.topology().cards] == [
        c.id for c in client.inventory().accelerators()
    ]


def test_an_unknown_span_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        span_named("2d")

    assert refused.value.code == "NO-SUCH-SPAN"
    assert "30d" in str(refused.value.hint)


def test_a_worker_belongs_to_the_engine_that_started_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        card = CardSample(
            id="a",
            processes=[CardProcess(pid=child.pid), CardProcess(pid=1), CardProcess(pid=2**22 + 7)],
        )
        told = _owned(card, {os.getpid(): "model-0"}).processes
    finally:
        child.communicate(b"\n")

    assert told is not None
    assert [process.replica for process in told] == ["model-0", None, None]
