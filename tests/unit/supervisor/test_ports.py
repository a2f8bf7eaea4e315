from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_engines import Fakes

from appliance.core.loopback import free_port
from appliance.supervisor.ports import first_free, is_free, is_held_by, listening_ports


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Fakes]:
    with Fakes(tmp_path) as running:
        yield running


def test_a_free_port_can_be_listened_at() -> None:
    port = free_port()
    assert is_free(port)

    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)


def test_ports_in_a_row_are_free_when_each_of_them_is() -> None:
    port = first_free(3)
    assert is_free(port, 3)

    with socket.create_server(("127.0.0.1", port + 2)):
        assert is_free(port, 2)
        assert not is_free(port, 3)


def test_there_is_no_port_beyond_the_last() -> None:
    assert not is_free(65535, 2)


def test_a_port_is_held_by_who_listens_there(fakes: Fakes) -> None:
    first, second = fakes.serving("good"), fakes.start("good")

    assert is_held_by(first.port, first.pid)
    assert not is_held_by(first.port, second.pid)
    assert not is_held_by(second.port, first.pid)


def test_a_port_may_be_held_by_a_worker_of_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert is_held_by(server.getsockname()[1], os.getpid())
        assert is_held_by(server.getsockname()[1], os.getppid())


def test_a_process_that_is_gone_listens_nowhere() -> None:
    assert listening_ports(2**22 - 1) == set()
