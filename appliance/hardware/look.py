"""One look at one vendor: its library first, its tool where the library does not do.

The clock of a look: the library has 3 s. When it has said nothing after 1 s the tool is asked as
well, so that both are through in 4 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning

import msgspec

from appliance.core.sample import CardProcess
from appliance.hardware.library import LibraryReader
from appliance.hardware.merge import Seen
from appliance.hardware.runner import LiveRunner, ReplayRunner
from appliance.hardware.vendors.base import PciDevice, Report, ToolAnswer, Vendor

HEDGE_S = 1.0
TOOL_BUDGET_S = 2.7


class ReplayLook:
    """A vendor of a capture: its tool's recorded answers."""

    def __init__(self, vendor: Vendor, runner: ReplayRunner) -> None:
        self.vendor = vendor
        self._runner = runner

    def see(self, devices: list[PciDevice] | None, *, thorough: bool) -> Seen:
        """What the capture says; `thorough` makes no difference."""
        report, missing = _ask_tool(self.vendor, self._runner, devices)
        return Seen(vendor=self.vendor, devices=devices, tool=report, tool_missing=missing)

    def users(self, devices: list[PciDevice] | None) -> dict[str, list[CardProcess]]:
        """Nobody beyond those that `see` tells of: there is no other reader."""
        return {}

    def close(self) -> None:
        """Nothing is open."""


class LiveLook:
    """A vendor of this server. Keeps its library's helper process between looks."""

    def __init__(self, vendor: Vendor, *, partial_view: bool) -> None:
        self.vendor = vendor
        self._partial_view = partial_view
        has_library = type(vendor).open_library is not Vendor.open_library
        self._library = LibraryReader(type(vendor)) if has_library else None

    def see(self, devices: list[PciDevice] | None, *, thorough: bool) -> Seen:
        """All cards now. `thorough` asks for processes and links too, and explains absences."""
        seen = Seen(vendor=self.vendor, devices=devices, partial_view=self._partial_view)
        if self._library is None:
            return self._with_tool(seen)
        with ThreadPoolExecutor(1) as pool:
            asked = time.monotonic()
            library = pool.submit(self._library.read, processes=thorough)
            if _within(library, HEDGE_S) is None:
                seen = self._with_tool(seen)
            report = library.result()
            read_s = time.monotonic() - asked
        seen = msgspec.structs.replace(seen, library=report)
        if seen.tool is None and not _enough(report, devices if thorough else None):
            seen = self._with_tool(seen)
        return msgspec.structs.replace(seen, age_s=0.0 if read_s < HEDGE_S else round(read_s, 3))

    def compare(self, devices: list[PciDevice] | None) -> tuple[Report, Report] | None:
        """Both readers' reports, whatever the library said; `None` where there is one reader."""
        if self._library is None:
            return None
        tool, missing = _ask_tool(self.vendor, _live_runner(), devices)
        return None if missing else (self._library.read(), tool)

    def users(self, devices: list[PciDevice] | None) -> dict[str, list[CardProcess]]:
        """The processes on each card, by its uuid and its address, as the vendor's tool tells them:
        most libraries do not.
        """
        if self._library is None:
            return {}
        report, _missing = _ask_tool(self.vendor, _live_runner(), devices)
        return {
            key: reading.processes
            for reading in report.readings
            if reading.processes is not None
            for key in (reading.uuid, reading.pci)
            if key is not None
        }

    def _with_tool(self, seen: Seen) -> Seen:
        report, missing = _ask_tool(self.vendor, _live_runner(), seen.devices)
        return msgspec.structs.replace(seen, tool=report, tool_missing=missing)

    def close(self) -> None:
        """End the helper process."""
        if self._library is not None:
            self._library.close()


Look = ReplayLook | LiveLook


def _live_runner() -> LiveRunner:
    return LiveRunner(deadline_s=TOOL_BUDGET_S, budget_s=TOOL_BUDGET_S)


def _within(future: Future[Report], seconds: float) -> Report | None:
    try:
        return future.result(timeout=seconds)
    except StillRunning:
        return None


def _enough(report: Report, devices: list[PciDevice] | None) -> bool:
    """Whether the library alone tells about every device of the bus that answers."""
    if report.answer != "ok":
        return False
    return len(report.readings) + len(report.silent) >= len(devices or ())


def _ask_tool(
    vendor: Vendor, runner: LiveRunner | ReplayRunner, devices: list[PciDevice] | None
) -> tuple[Report, bool]:
    """The tool's report, and whether every program it wanted is known not to be installed."""
    programs: set[str] = set()

    def ask(*argv: str) -> ToolAnswer | None:
        if argv[0] not in _SYSTEM_PROGRAMS:
            programs.add(argv[0])
        return runner.ask(*argv)

    report = vendor.read_tool(ask, devices)
    known = [
        installed for program in programs if (installed := runner.installed(program)) is not None
    ]
    return report, bool(known) and not any(known)


_SYSTEM_PROGRAMS = frozenset(("cat", "dmesg", "lspci", "lscpu", "uname", "sysctl"))


def all_at_once(work: list[Callable[[], Seen]]) -> list[Seen]:
    """Run looks in parallel, so that a wedged vendor does not hold the others up."""
    if len(work) < 2:
        return [job() for job in work]
    with ThreadPoolExecutor(len(work), thread_name_prefix="look") as pool:
        return list(pool.map(lambda job: job(), work))
