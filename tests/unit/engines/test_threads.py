from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.engines.llamacpp.threads import cpu_quota, numa_nodes, usable_threads


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def processors(root: Path, siblings: list[str]) -> None:
    for number, text in enumerate(siblings):
        write(root / f"devices/system/cpu/cpu{number}/topology/thread_siblings_list", text + "\n")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four cores with two threads each, all ours, no limit."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    processors(tmp_path / "sys", ["0,4", "1,5", "2,6", "3,7"] * 2)
    write(tmp_path / "proc/self/cgroup", "0::/system.slice/appliance.service\n")
    return tmp_path


def threads(root: Path) -> int:
    return usable_threads(root / "sys", root / "proc")


def test_one_thread_for_each_physical_core(server: Path) -> None:
    assert threads(server) == 4


def test_cores_of_others_are_not_counted(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 4, 1})

    assert threads(server) == 2


def test_a_quota_anywhere_above_counts(server: Path) -> None:
    cgroups = server / "sys/fs/cgroup"
    write(cgroups / "system.slice/cpu.max", "300000 100000\n")
    write(cgroups / "system.slice/appliance.service/cpu.max", "max 100000\n")

    assert threads(server) == 3


def test_a_quota_of_less_than_a_core_still_gives_a_thread(server: Path) -> None:
    write(server / "sys/fs/cgroup/cpu.max", "50000 100000\n")

    assert threads(server) == 1


def test_version_one_of_cgroups(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    write(membership, "4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n")
    write(tmp_path / "fs/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000\n")
    write(tmp_path / "fs/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n")

    assert cpu_quota(tmp_path / "fs", membership) == 2.5


def test_no_limit_is_none(tmp_path: Path) -> None:
    write(tmp_path / "fs/cpu/cpu.cfs_quota_us", "-1\n")
    write(tmp_path / "fs/cpu/cpu.cfs_period_us", "100000\n")

    assert cpu_quota(tmp_path / "fs", tmp_path / "none") is None


def test_without_topology_every_processor_is_a_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2})

    assert threads(tmp_path) == 3


def test_memory_nodes(tmp_path: Path) -> None:
    assert numa_nodes(tmp_path) == 1
    for name in ("node0", "node1", "possible"):
        (tmp_path / "devices/system/node" / name).mkdir(parents=True)
    assert numa_nodes(tmp_path) == 2


def test_this_server_has_at_least_one() -> None:
    assert 1 <= usable_threads() <= (os.cpu_count() or 1)
