"""A state of the test's own, and engines that do as they are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from node_fakes import EngineMode

from appliance.core.paths import Paths, find_paths
from appliance.node.node import Node
from appliance.node.start import make_directories, state_file
from appliance.node.state import State


@pytest.fixture
def paths() -> Paths:
    found = find_paths()
    make_directories(found)
    return found


@pytest.fixture
def state(paths: Paths) -> Iterator[State]:
    opened = State(state_file(paths))
    yield opened
    opened.close()


@pytest.fixture
def node(paths: Paths) -> Iterator[Node]:
    found = Node(paths)
    found.start()
    yield found
    found.stop_all(drain=False)
    found.close()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> EngineMode:
    return EngineMode(monkeypatch)
