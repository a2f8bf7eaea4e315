"""Where facts come from: this server, or a capture and nothing but the capture."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from appliance.core.inventory import Host
from appliance.core.sample import HostSample
from appliance.hardware import pci, registry
from appliance.hardware.host import (
    read_captured_host,
    read_captured_load,
    read_host,
    sample_host,
)
from appliance.hardware.look import LiveLook, Look, ReplayLook
from appliance.hardware.runner import LiveRunner, ReplayRunner
from appliance.hardware.vendors.base import PciDevice, ToolAnswer

_WSL_GPU = Path("/dev/dxg")
"""Under Windows the cards are behind this device, not on the bus that Linux sees."""
_LSPCI_S = 0.3
"""Names are a courtesy: they are asked for last, and must not take long."""
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


class LiveSource:
    """The server we run on."""

    live = True

    def __init__(self, sys_root: Path = pci.SYS) -> None:
        self.sys_root: Path | None = sys_root

    def ask(self, *argv: str) -> ToolAnswer | None:
        """Run a tool of this server."""
        return LiveRunner().ask(*argv)

    def bus(self) -> list[PciDevice] | None:
        """The PCI bus; `None` where it says nothing about cards (macOS, WSL)."""
        if sys.platform != "linux" or _WSL_GPU.exists():
            return None
        return pci.scan(self.sys_root or pci.SYS) or None

    def lspci(self) -> list[PciDevice]:
        """The bus with names, from the system's list of PCI ids."""
        answer = LiveRunner(deadline_s=_LSPCI_S).ask("lspci", "-nn")
        return pci.read_lspci(answer.stdout) if answer is not None else []

    def looks(self, bus: list[PciDevice] | None) -> list[Look]:
        """A look for every vendor that has something on the bus; for all where it is not known."""
        contained = any(mark.exists() for mark in _CONTAINER_MARKS)
        vendors = (vendor() for vendor in registry.ALL)
        return [
            LiveLook(vendor, partial_view=contained)
            for vendor in vendors
            if bus is None or any(vendor.owns(device) for device in bus)
        ]

    def host(self) -> Host:
        """The server around the cards."""
        return read_host(self.ask)

    def load(self) -> HostSample:
        """The server's own readings."""
        return sample_host()

    def time(self) -> str:
        """Now (RFC 3339, UTC)."""
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ReplaySource:
    """A capture directory (capture/1). Never touches the real machine."""

    live = False

    def __init__(self, capture: Path) -> None:
        """Raises `UsageError` for a directory that is no capture."""
        self._runner = ReplayRunner(capture)
        sys_root = capture / "sys"
        self.sys_root = sys_root if sys_root.is_dir() else None

    def ask(self, *argv: str) -> ToolAnswer | None:
        """What the capture has for this command."""
        return self._runner.ask(*argv)

    def bus(self) -> list[PciDevice] | None:
        """The copied sysfs, or what `lspci` printed; `None` when neither was captured."""
        told = self.lspci()
        if self.sys_root is not None:
            return pci.with_lspci(pci.scan(self.sys_root), told)
        return told or None

    def lspci(self) -> list[PciDevice]:
        """What `lspci -nn` printed."""
        answer = self.ask("lspci", "-nn")
        return pci.read_lspci(answer.stdout) if answer is not None else []

    def looks(self, bus: list[PciDevice] | None) -> list[Look]:
        """A look for every vendor: the capture knows which tools were there."""
        return [ReplayLook(vendor(), self._runner) for vendor in registry.ALL]

    def host(self) -> Host:
        """The captured server."""
        return read_captured_host(self.ask, self._runner.manifest.host)

    def load(self) -> HostSample:
        """What was captured of the server's own readings."""
        return read_captured_load(self.ask)

    def time(self) -> str:
        """When it was captured."""
        return self._runner.manifest.time or "1970-01-01T00:00:00Z"


Source = LiveSource | ReplaySource
