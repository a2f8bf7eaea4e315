"""How many threads an engine on the processor should use.

Decoding is bound by memory bandwidth: a second thread on the same physical core adds nothing, and a
thread beyond the container's CPU quota is throttled together with all the others.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from appliance.core.cgroups import control_groups


def usable_threads(sys_root: Path = Path("/sys"), proc_root: Path = Path("/proc")) -> int:
    """Physical cores this process may run on, within its cgroup's CPU quota; at least 1."""
    cores = _physical_cores(_affinity(), sys_root / "devices/system/cpu")
    quota = cpu_quota(sys_root / "fs/cgroup", proc_root / "self/cgroup")
    return max(1, min(cores, math.floor(quota)) if quota else cores)


def numa_nodes(sys_root: Path = Path("/sys")) -> int:
    """Memory nodes of this server; 1 where that cannot be told."""
    return len(list((sys_root / "devices/system/node").glob("node[0-9]*"))) or 1


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _physical_cores(cpus: set[int], root: Path) -> int:
    siblings = {_read(root / f"cpu{n}/topology/thread_siblings_list") or str(n) for n in cpus}
    return len(siblings)


def cpu_quota(cgroup_root: Path, membership: Path) -> float | None:
    """CPUs' worth of time that the cgroups above this process allow; `None` without a limit.

    Reads cgroup v2 (`cpu.max`) and v1 (`cpu.cfs_quota_us`); the tightest level counts.
    """
    limits = [
        limit
        for directory in control_groups("cpu", cgroup_root, membership)
        if (limit := _limit_of(directory)) is not None
    ]
    return min(limits, default=None)


def _limit_of(directory: Path) -> float | None:
    if text := _read(directory / "cpu.max"):
        quota, _, period = text.partition(" ")
    else:
        quota = _read(directory / "cpu.cfs_quota_us") or ""
        period = _read(directory / "cpu.cfs_period_us") or ""
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
