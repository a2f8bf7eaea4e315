from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.inventory import Card
from appliance.ops import pinning
from appliance.ops.pinning import near_cpus, parse_cpulist


@pytest.fixture(autouse=True)
def two_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight processors, two nodes, one of which has none (memory alone)."""
    for node, cpus in (("node0", "0-3\n"), ("node1", "4-5,6,7\n"), ("node2", "\n")):
        (tmp_path / node).mkdir()
        (tmp_path / node / "cpulist").write_text(cpus)
    monkeypatch.setattr(pinning, "_NODES", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def cards(*nodes: int | None) -> list[Card]:
    return [Card(id=f"c{n}", vendor="nvidia", numa=node) for n, node in enumerate(nodes)]


@pytest.mark.parametrize(
    ("nodes", "cpus"),
    [
        ([0, 0], [0, 1, 2, 3]),
        ([1], [4, 5, 6, 7]),
        ([0, 1], []),
        ([0, None], []),
        ([-1], []),
        ([2], []),
        ([1, 2], []),
        ([7], []),
        ([], []),
    ],
)
def test_the_processors_next_to_the_cards(nodes: list[int | None], cpus: list[int]) -> None:
    assert near_cpus(cards(*nodes)) == cpus


def test_only_processors_that_we_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {2, 3, 4})

    assert near_cpus(cards(0)) == [2, 3]
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    assert near_cpus(cards(0)) == []
    assert near_cpus(cards(1)) == []


@given(st.lists(st.integers(0, 300), min_size=1, unique=True))
def test_every_list_of_the_kernel_is_read(cpus: list[int]) -> None:
    ordered = sorted(cpus)

    assert parse_cpulist(",".join(map(str, ordered)) + "\n") == ordered
    assert parse_cpulist(f"{ordered[0]}-{ordered[-1]}") == list(range(ordered[0], ordered[-1] + 1))


@given(st.text())
def test_anything_else_is_no_list(text: str) -> None:
    assert isinstance(parse_cpulist(text[:20]), list)
