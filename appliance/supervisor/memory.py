"""How near the server is to running out of memory, before the kernel acts on it.

MemAvailable (proc_meminfo(5)) is what can be had without swapping; pressure (PSI, the kernel's
Documentation/accounting/psi.rst) is the share of time in which nobody got on for want of memory.
A control group with a limit (a container's, a service's) runs out by itself: cgroup-v2.rst, and
cgroup-v1/memory.rst for the older kind.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.core.cgroups import control_groups
from appliance.supervisor.table import members_of

PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_LEAST_SHARE, _LEAST_MIB = 0.02, (192.0, 2048.0)
_TIGHT_SHARE, _TIGHT_MIB = 0.06, (512.0, 6144.0)
_MOST_STALLED_PCT = 25.0
_MIB = 1024 * 1024


class HostMemory(msgspec.Struct, frozen=True, kw_only=True):
    """One reading. `stalled_pct` is the 10-second average of `full` pressure; `None` is unknown."""

    total_mib: float
    available_mib: float
    stalled_pct: float | None = None

    @property
    def running_out(self) -> bool:
        """Whether the kernel is about to kill something, or the server about to stand still."""
        if self.available_mib < self._bound(_LEAST_SHARE, _LEAST_MIB):
            return True
        stalled = (self.stalled_pct or 0.0) > _MOST_STALLED_PCT
        return stalled and self.available_mib < self._bound(_TIGHT_SHARE, _TIGHT_MIB)

    def has_room_for(self, mib: float) -> bool:
        """Whether so much more could be taken without running out."""
        return not msgspec.structs.replace(self, available_mib=self.available_mib - mib).running_out

    def _bound(self, share: float, limits: tuple[float, float]) -> float:
        """A share of the memory, but no less and no more than a server of any size needs."""
        low, high = limits
        return min(max(share * self.total_mib, low), high)


def read_memory(proc: Path | None = None, cgroups: Path | None = None) -> HostMemory | None:
    """The memory of this server now, or of our control group where that has less left.

    `None` where the kernel does not tell (not Linux).
    """
    proc = proc or PROC
    values = _meminfo(proc / "meminfo")
    total, available = values.get("MemTotal"), values.get("MemAvailable")
    if not total or available is None:
        return None
    server = HostMemory(
        total_mib=total / 1024,
        available_mib=available / 1024,
        stalled_pct=_stalled(proc / "pressure" / "memory"),
    )
    groups = control_groups("memory", cgroups or _CGROUPS, proc / "self" / "cgroup")
    limited = [group for group in map(_group_memory, groups) if group]
    return min([server, *limited], key=lambda memory: memory.available_mib)


def _group_memory(group: Path) -> HostMemory | None:
    """What a group may still take; `None` for one without a limit."""
    limit = _number(group / "memory.max") or _number(group / "memory.limit_in_bytes")
    used = _number(group / "memory.current") or _number(group / "memory.usage_in_bytes")
    if limit is None or used is None:
        return None
    return HostMemory(
        total_mib=limit / _MIB,
        available_mib=max(limit - used + _given_back(group / "memory.stat"), 0) / _MIB,
        stalled_pct=_stalled(group / "memory.pressure"),
    )


def _given_back(stat: Path) -> int:
    """Bytes of files that the kernel drops when it needs room: MemAvailable counts them, too."""
    values = dict(line.split(maxsplit=1) for line in _text(stat).splitlines())
    names = ("inactive_file", "active_file")
    return sum(int(values.get(f"total_{name}", values.get(name, "0"))) for name in names)


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def resident_mib(leader: int) -> float:
    """Memory that an engine's processes hold, mapped weights included."""
    return sum(_rss_mib(entry.pid) for entry in members_of(leader))


def _rss_mib(pid: int) -> float:
    return _meminfo(Path(f"/proc/{pid}/status")).get("VmRSS", 0) / 1024


def _meminfo(path: Path) -> dict[str, int]:
    """KiB by name."""
    found: dict[str, int] = {}
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        name, _, rest = line.partition(":")
        value = rest.split()
        if value and value[0].isdigit():
            found[name] = int(value[0])
    return found


def _stalled(path: Path) -> float | None:
    try:
        line = next(x for x in path.read_text().splitlines() if x.startswith("full "))
        return float(line.split("avg10=")[1].split()[0])
    except (OSError, StopIteration, IndexError, ValueError):
        return None
