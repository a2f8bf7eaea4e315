"""A server on a stage: its cards are those of a capture that changes, its memory what a file says.

`python tests/stage.py STAGE` is the daemon of such a server (for `APPLIANCE_HOME`). The engine for
the staged cards is the prebuilt one of the processor, in a build directory of the test's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from appliance.hardware.vendors.nvidia_forms import CSV_FIELDS

MEMORY_MIB = 81559
QUERY = ["nvidia-smi", f"--query-gpu={CSV_FIELDS}", "--format=csv,noheader,nounits"]
SERVER = """#!{python}
import os, sys
value = {{a: b for a, b in zip(sys.argv, sys.argv[1:])}}
slots = int(value["--parallel"])
words = ["--model", value["--model"], "--alias", value["--alias"], "--port", value["--port"],
         "--context", str(int(value["--ctx-size"]) // slots), "--slots", str(slots)]
os.execv(sys.executable, [sys.executable, "-m", "appliance.engines.llamacpp.serve", *words])
"""


@dataclass(frozen=True)
class StagedCard:
    """One H100 as `nvidia-smi` tells it."""

    index: int
    temp_c: int = 41
    throttle: str = "0x0000000000000000"
    ecc_uncorrected: int = 0
    lost: bool = False

    @property
    def id(self) -> str:
        return f"GPU-00000000-0000-0000-0000-00000000000{self.index}"

    @property
    def pci(self) -> str:
        return f"00000000:{0x10 + self.index:02X}:00.0"

    @property
    def row(self) -> str:
        cells = {
            "index": self.index, "uuid": self.id, "name": "NVIDIA H100 80GB HBM3",
            "pci.bus_id": self.pci, "driver_version": "550.54.15", "temperature.gpu": self.temp_c,
            "temperature.memory": 45, "power.draw": 120.5, "power.limit": 700.0,
            "utilization.gpu": 3, "utilization.memory": 1, "memory.used": 500,
            "memory.total": MEMORY_MIB,
            "ecc.errors.uncorrected.volatile.total": self.ecc_uncorrected,
            "clocks_throttle_reasons.active": self.throttle, "pstate": "P0", "fan.speed": "[N/A]",
        }  # fmt: skip
        return ", ".join(str(cells[name]) for name in CSV_FIELDS.split(","))


class Stage:
    """The files that a staged daemon reads, and how to change them under it."""

    def __init__(self, directory: Path, *, cards: int = 0) -> None:
        self.directory = directory
        self.cards = [StagedCard(index) for index in range(cards)]
        (directory / "capture").mkdir(parents=True)
        (directory / "proc").mkdir()
        self.show()
        self.memory(available_mib=32 * 1024)

    def change(self, index: int, **changes: Any) -> StagedCard:
        """One card is otherwise from now on."""
        card = self.cards[index] = replace(self.cards[index], **changes)
        self.show()
        return card

    def show(self) -> None:
        """Write the capture down; a daemon that runs sees it at its next look."""
        there = [card for card in self.cards if not card.lost]
        xids = [
            f"[Wed Nov 25 03:00:00 2026] NVRM: Xid (PCI:{card.pci[4:-2]}): 79, GPU has fallen off "
            "the bus."
            for card in self.cards
            if card.lost
        ]
        answers = {
            "query.txt": (QUERY, "\n".join(card.row for card in there)),
            "dmesg.txt": (["dmesg", "-T"], "\n".join(xids)),
        }
        capture = self.directory / "capture"
        for name, (_argv, text) in answers.items():
            (capture / name).write_text(text + "\n")
        commands = [
            {"argv": argv, "exit": 0, "stdout": name, "stderr": None, "seconds": 0.01}
            for name, (argv, _text) in answers.items()
        ]
        manifest = {"schema": "appliance.capture/1", "host": "stage", "commands": commands}
        draft = capture / ".manifest"
        draft.write_text(json.dumps(manifest))
        draft.replace(capture / "manifest.json")

    def memory(self, *, available_mib: int, total_mib: int = 64 * 1024) -> None:
        """What the kernel tells of the server's memory."""
        draft = self.directory / "proc" / ".meminfo"
        draft.write_text(
            f"MemTotal: {total_mib * 1024} kB\nMemAvailable: {available_mib * 1024} kB\n"
        )
        draft.replace(draft.with_name("meminfo"))

    def build_engine(self, home: Path) -> None:
        """Put an engine for NVIDIA cards where a native build would be."""
        server = home / "data/engines/llama.cpp/cuda/staged/bin/llama-server"
        server.parent.mkdir(parents=True)
        server.write_text(SERVER.format(python=sys.executable))
        server.chmod(0o755)
        (server.parents[2] / "current").symlink_to("staged")

    def daemon(self, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start a daemon here; it does not outlive a kill, what it started does."""
        return subprocess.Popen(
            [sys.executable, __file__, str(self.directory)],
            env={**os.environ, **environment, "APPLIANCE_DETACHED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def main() -> None:
    from appliance.core.paths import find_paths
    from appliance.hardware.box import open_box
    from appliance.node import evidence
    from appliance.node.daemon import run_daemon
    from appliance.supervisor import memory
    from appliance.telemetry import sampler

    directory = Path(sys.argv[1])
    capture = directory / "capture"

    class StagedBox:
        """The capture, opened anew whenever it has changed; which card is which stays known."""

        def __init__(self, **_: Any) -> None:
            self._seen = 0
            self._box: Any = None

        def __getattr__(self, name: str) -> Any:
            now = (capture / "manifest.json").stat().st_mtime_ns
            if now != self._seen:
                known = vars(self._box).get("_remembered", []) if self._box else []
                self._seen, self._box = now, open_box(capture)
                vars(self._box)["_remembered"] = known
            return getattr(self._box, name)

    vars(sampler)["open_box"] = StagedBox
    memory.PROC = directory / "proc"
    evidence.kernel_lines = lambda: (capture / "dmesg.txt").read_text().splitlines()
    sys.exit(run_daemon(find_paths()))


if __name__ == "__main__":
    main()
