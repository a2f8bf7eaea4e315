"""A server made of files: its bus, its tools, its vendor library."""

from __future__ import annotations

import shutil
from pathlib import Path

STUB_SOURCE = Path(__file__).with_name("nvml_stub.c")


class Bus:
    """A sysfs tree with PCI functions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.devices = root / "bus/pci/devices"
        self.devices.mkdir(parents=True)

    def add(
        self,
        address: str,
        ids: str,
        class_id: str,
        *,
        driver: str | None = None,
        **attributes: str,
    ) -> Path:
        """`ids` is vendor:device. `driver` is as in a capture: a file with the name."""
        vendor, device = ids.split(":")
        path = self.devices / address
        path.mkdir()
        values = {"vendor": f"0x{vendor}", "device": f"0x{device}", "class": f"0x{class_id}00"}
        for name, value in (values | attributes).items():
            (path / name).write_text(f"{value}\n")
        if driver is not None:
            (path / "driver").write_text(f"{driver}\n")
        return path

    def remove(self, address: str) -> None:
        shutil.rmtree(self.devices / address)


class Tools:
    """Programs that stand in for vendors' tools; nothing else is on the path."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "calls.log"

    def script(self, name: str, body: str) -> None:
        path = self.directory / name
        path.write_text(f'#!/bin/sh\necho "$0 $@" >> {self.log}\n{body}\n')
        path.chmod(0o755)

    def prints(self, name: str, text: str, *, stderr: str = "", exit_status: int = 0) -> None:
        out, err = self.directory / f"{name}.out", self.directory / f"{name}.err"
        out.write_text(text)
        err.write_text(stderr)
        self.script(name, f"/bin/cat {out}\n/bin/cat {err} >&2\nexit {exit_status}")

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


class Nvml:
    """The stub of NVIDIA's library, and what it is told to do."""

    def __init__(self, control: Path) -> None:
        self.control = control

    def told(self, *words: str) -> None:
        self.control.write_text("\n".join(words))


def is_running(pid: int) -> bool:
    """Whether `pid` is alive; a zombie is dead."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
