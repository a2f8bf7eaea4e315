from __future__ import annotations

import json
from pathlib import Path

import pytest
from tui_fakes import drawn, shown, until

from appliance.core.errors import ApplianceError
from appliance.node.wishes import PullOptions, UpOptions
from appliance.tui.app import ApplianceApp
from appliance.tui.demo import DemoNode, demo
from appliance.tui.replay import Replay, replayed


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture of a server without cards: no tool was there to ask."""
    directory = tmp_path / "ward-7"
    directory.mkdir()
    manifest = {
        "schema": "appliance.capture/1",
        "host": "ward-7",
        "time": "2025-03-04T05:06:07Z",
        "commands": [],
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory


async def test_a_capture_is_looked_at_and_marked(capture: Path) -> None:
    app = ApplianceApp(replayed(capture), readonly=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.snapshot.status is not None)
        await until(pilot, lambda: "REPLAY ward-7" in drawn(app)[0])
        assert "STALE" not in shown(app)
        await pilot.press("4")
        await until(pilot, lambda: "not available" in shown(app))


def test_nothing_can_be_done_to_a_capture(capture: Path) -> None:
    node = Replay(capture)

    for act in (
        lambda: node.down("x"),
        lambda: node.restart("x"),
        lambda: node.cancel_job("x"),
        lambda: node.logs("x"),
        lambda: next(iter(node.follow_logs("x"))),
        lambda: next(iter(node.up(UpOptions()))),
        lambda: next(iter(node.pull(PullOptions(model="x")))),
    ):
        with pytest.raises(ApplianceError, match="capture"):
            act()


def test_no_capture_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ApplianceError):
        replayed(tmp_path / "nowhere").node.inventory()


@pytest.mark.parametrize("kind", ["nvidia", "mixed"])
@pytest.mark.parametrize("count", [1, 8, 160])
def test_a_simulated_server_is_consistent(count: int, kind: str) -> None:
    node = DemoNode(count, kind)
    inventory, status, sample = node.inventory(), node.status(), node.sample()

    assert len(inventory.cards) == count
    assert len({card.id for card in inventory.cards}) == count
    assert [card.id for card in status.cards] == [card.id for card in inventory.cards]
    assert {reading.id for reading in sample.cards} == {
        card.id for card in inventory.cards if card.state == "ok"
    }
    known = {card.id for card in inventory.cards}
    for deployment in status.deployments:
        assert deployment.replicas
        assert all(set(replica.cards) <= known for replica in deployment.replicas)


async def test_a_simulation_says_so() -> None:
    app = ApplianceApp(demo(8, "mixed"))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.snapshot.status is not None)
        assert "DEMO" in drawn(app)[0]
        await pilot.press("S", "y")
        await until(pilot, lambda: "stopped" in shown(app))
