"""How near the server is to running out of memory, before the kernel acts on it.

MemAvailable (proc_meminfo(5)) is what can be had without swapping; pressure (PSI, the kernel's
Documentation/accounting/psi.rst) is the share of time in which nobody got on for want of memory.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.supervisor.table import members_of

PROC = Path("/proc")
_LEAST_SHARE, _LEAST_MIB = 0.02, (192.0, 2048.0)
_TIGHT_SHARE, _TIGHT_MIB = 0.06, (512.0, 6144.0)
_MOST_STALLED_PCT = 25.0


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


def read_memory(proc: Path | None = None) -> HostMemory | None:
    """The memory of this server now; `None` where the kernel does not tell (not Linux)."""
    proc = proc or PROC
    values = _meminfo(proc / "meminfo")
    total, available = values.get("MemTotal"), values.get("MemAvailable")
    if not total or available is None:
        return None
    return HostMemory(
        total_mib=total / 1024,
        available_mib=available / 1024,
        stalled_pct=_stalled(proc / "pressure" / "memory"),
    )


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
