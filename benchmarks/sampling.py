"""What watching costs: eight cards at 1 Hz, our process and the helper's together.

    python benchmarks/sampling.py [--seconds 60] [--hz 1] [--real]

Without `--real` the cards are those of a stub library (tests/unit/hardware/nvml_stub.c): what is
measured is our own cost, a driver's comes on top. Needs a C compiler and Linux.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

STUB = Path(__file__).parents[1] / "tests/unit/hardware/nvml_stub.c"
CARDS = 8


def stub_library(directory: Path) -> None:
    """Compile the stub and make every helper load it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or "cc"
    library = directory / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-w", "-o", library, STUB], check=True)
    control = directory / "control"
    control.write_text(f"cards {CARDS}\n")
    os.environ["LD_LIBRARY_PATH"] = str(directory)
    os.environ["NVML_STUB"] = str(control)


def stub_bus(directory: Path) -> Path:
    """A sysfs tree with the stub's cards."""
    for card in range(CARDS):
        device = directory / f"sys/bus/pci/devices/0000:{0x10 + card:02x}:00.0"
        device.mkdir(parents=True)
        for name, value in {"vendor": "10de", "device": "2330", "class": "030200"}.items():
            (device / name).write_text(f"0x{value}\n")
        (device / "driver").write_text("nvidia\n")
    return directory / "sys"


class Usage:
    """CPU seconds and memory of this process and all its children."""

    def __init__(self) -> None:
        self.processes = [psutil.Process(), *psutil.Process().children(recursive=True)]

    def cpu_s(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    def mib(self, kind: str) -> float:
        amounts = (getattr(p.memory_full_info(), kind) for p in self.processes)
        return float(sum(amounts)) / 1048576


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--hz", type=float, default=1)
    parser.add_argument("--real", action="store_true", help="this server's own cards")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        sys_root = Path("/sys")
        if not options.real:
            stub_library(Path(directory))
            sys_root = stub_bus(Path(directory))
        measure(sys_root, options.seconds, options.hz)


def measure(sys_root: Path, seconds: float, hz: float) -> None:
    from appliance.hardware.box import Box
    from appliance.hardware.sources import LiveSource

    with Box(LiveSource(sys_root)) as box:
        cold_s = _timed(box.inventory)
        warm_s = _timed(box.inventory)
        box.sample(processes=True)
        usage = Usage()
        children, started, cpu = _children(), time.monotonic(), usage.cpu_s()
        latencies = []
        for number in range(int(seconds * hz)):
            latencies.append(_timed(box.sample))
            time.sleep(max(0.0, started + (number + 1) / hz - time.monotonic()))
        elapsed = time.monotonic() - started
        share = (usage.cpu_s() - cpu) / elapsed * 100
        cards = len(box.sample().cards)
        print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
        print(f"{cards} cards at {hz:g} Hz for {elapsed:.0f} s\n")
        print("| what | value |\n|---|---|")
        print(f"| CPU, share of one core | {share:.2f} % |")
        print(f"| RSS, {len(usage.processes)} processes | {usage.mib('rss'):.1f} MiB |")
        print(f"| PSS | {usage.mib('pss'):.1f} MiB |")
        print(f"| processes started while sampling | {len(_children() - children)} |")
        latencies.sort()
        print(f"| one sample, median | {latencies[len(latencies) // 2] * 1000:.1f} ms |")
        print(f"| inventory, first | {cold_s * 1000:.0f} ms |")
        print(f"| inventory, again | {warm_s * 1000:.0f} ms |")

        print(f"| keeping history, share of one core | {history_share(sys_root, hz):.3f} % |")
        for count in (8, 160):
            print(f"| history of {count} cards on disk | {history_mib(count):.1f} MiB, for ever |")


def history_share(sys_root: Path, hz: float) -> float:
    """Percent of a core that remembering costs, over an hour of samples of these cards."""
    from appliance.hardware.box import Box
    from appliance.hardware.sources import LiveSource
    from appliance.telemetry.history import CardHistory

    with Box(LiveSource(sys_root)) as box, tempfile.TemporaryDirectory() as directory:
        sample = box.sample()
        history = CardHistory(Path(directory))
        samples = int(3600 * hz)
        began, now = time.process_time(), time.time()
        for number in range(samples):
            history.add(sample, now + number / hz)
        spent = time.process_time() - began
        history.close()
    return spent / 3600 * 100


def history_mib(cards: int) -> float:
    """What the files of so many cards take, with those of the server and of all together."""
    from appliance.telemetry.rings import FILE_BYTES

    return (cards + 2) * FILE_BYTES / 2**20


def _children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
