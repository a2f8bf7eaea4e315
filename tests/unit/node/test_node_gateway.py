"""One gateway, on a port that stays the same."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_fakes import until

from appliance.core.errors import ApplianceError
from appliance.core.loopback import free_port
from appliance.core.paths import Paths
from appliance.node import gateway as gateway_module
from appliance.node.adoption import adopt_gateway
from appliance.node.gateway import GatewayKeeper, first_free_port
from appliance.node.orphans import marked_processes
from appliance.node.state import State
from appliance.supervisor.process import alive
from appliance.supervisor.running import marked

Keep = Callable[[], GatewayKeeper]


@pytest.fixture
def keep(paths: Paths, state: State) -> Iterator[Keep]:
    kept: list[GatewayKeeper] = []

    def start() -> GatewayKeeper:
        keeper = GatewayKeeper(paths, state)
        kept.append(keeper)
        keeper.start()
        return keeper

    yield start
    for keeper in kept:
        keeper.stop()


def set_port(paths: Paths, port: int) -> None:
    paths.config.mkdir(exist_ok=True)
    (paths.config / "config.toml").write_text(f"[gateway]\nport = {port}\n")


def port_of(endpoint: str) -> int:
    return int(endpoint.removesuffix("/v1").rpartition(":")[2])


def test_a_killed_gateway_comes_back_at_its_port(keep: Keep) -> None:
    keeper = keep()
    endpoint = keeper.endpoint()
    first = keeper.identity
    assert first

    os.kill(first.pid, signal.SIGKILL)

    until(lambda: keeper.identity and keeper.identity != first)
    assert keeper.endpoint() == endpoint


def test_it_is_known_whether_it_can_be_reached(keep: Keep) -> None:
    first = keep()
    assert not first.listening
    first.endpoint()
    until(lambda: first.listening)
    identity = first.identity
    assert identity
    first.leave()
    first.join()

    second = keep()
    assert second.listening, "from the first moment"
    second.leave()
    second.join()
    os.kill(identity.pid, signal.SIGKILL)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        until(lambda: bound(other, identity.port))
        other.listen()
        third = keep()
        until(lambda: third.fault)
        assert not third.listening
    until(lambda: third.listening)


def bound(other: socket.socket, port: int) -> bool:
    try:
        other.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def test_the_next_daemon_has_the_same_port_and_process(keep: Keep) -> None:
    first = keep()
    endpoint = first.endpoint()
    first.leave()
    first.join()

    second = keep()

    assert second.known_endpoint() == endpoint
    assert second.endpoint() == endpoint
    assert second.identity == first.identity


def test_a_port_that_is_configured_anew_is_moved_to(keep: Keep, paths: Paths) -> None:
    keeper = keep()
    before = keeper.endpoint()
    wanted = free_port()

    set_port(paths, wanted)

    assert port_of(keeper.endpoint()) == wanted != port_of(before)
    assert len(marked_processes(paths.state)) == 1


def test_a_taken_port_is_said_and_does_not_cost_the_old_one(keep: Keep, paths: Paths) -> None:
    keeper = keep()
    before = keeper.endpoint()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        set_port(paths, other.getsockname()[1])

        with pytest.raises(ApplianceError) as refused:
            keeper.endpoint()

        assert refused.value.code == "PORT-TAKEN"
        assert keeper.identity
        assert alive(keeper.identity)
        assert keeper.known_endpoint() == before
    assert port_of(keeper.endpoint()) != port_of(before)


def test_a_port_that_nobody_knows_yet_is_given_up_for_a_free_one(
    keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program takes the port between our look and the gateway's start."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        offers = iter([other.getsockname()[1]])
        monkeypatch.setattr(
            gateway_module,
            "first_free_port",
            lambda start: next(offers, None) or first_free_port(start),
        )
        keeper = keep()

        assert port_of(keeper.endpoint()) != other.getsockname()[1]


def test_settings_that_cannot_be_read_do_not_end_the_keeper(keep: Keep, paths: Paths) -> None:
    paths.config.mkdir(exist_ok=True)
    settings = paths.config / "config.toml"
    settings.write_text("[gateway]\nprot = 1\n")
    keeper = keep()
    with pytest.raises(ApplianceError) as refused:
        keeper.endpoint()
    assert refused.value.code == "BAD-CONFIG"

    settings.unlink()

    assert keeper.endpoint().startswith("http://127.0.0.1:")


def test_a_gateway_that_was_not_written_down_is_taken_on(
    keep: Keep, paths: Paths, state: State
) -> None:
    first = keep()
    first.endpoint()
    first.leave()
    first.join()
    state.set_setting("gateway", "")
    second = GatewayKeeper(paths, state)
    assert second.identity is None

    adopt_gateway(second, marked(paths.state))

    assert second.identity == first.identity


def test_the_mark_is_found_through_a_link_too(keep: Keep, paths: Paths, tmp_path: Path) -> None:
    keep().endpoint()
    (tmp_path / "link").symlink_to(paths.state)

    assert set(marked_processes(tmp_path / "link").values()) == {"gateway"}


def test_a_gateway_that_stands_still_is_replaced_at_its_port(
    keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "_STILL_S", 1.0)
    monkeypatch.setattr(gateway_module, "_SETTLED_S", 0.0)
    keeper = keep()
    endpoint = keeper.endpoint()
    first = keeper.identity
    assert first

    os.kill(first.pid, signal.SIGSTOP)

    until(lambda: keeper.identity and keeper.identity != first)
    assert not alive(first)
    assert keeper.endpoint() == endpoint
