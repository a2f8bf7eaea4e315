"""A server made of files; and no test leaves a process behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_server import STUB_SOURCE, Bus, Nvml, Tools
from hypothesis import settings

from appliance.hardware import runner

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")  # a busy machine is slow, not wrong


@pytest.fixture
def bus(tmp_path: Path) -> Bus:
    return Bus(tmp_path / "sys")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    directory = tmp_path / "tools"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(runner, "TOOL_DIRECTORIES", ())
    return Tools(directory)


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    command = [compiler, "-shared", "-fPIC", "-w", "-o", str(library), str(STUB_SOURCE)]
    subprocess.run(command, check=True)
    return library


@pytest.fixture
def nvml(nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nvml:
    control = tmp_path / "nvml.control"
    monkeypatch.setenv("LD_LIBRARY_PATH", str(nvml_library.parent))
    monkeypatch.setenv("NVML_STUB", str(control))
    stub = Nvml(control)
    stub.told("cards 4")
    return stub


@pytest.fixture
def eight_cards(bus: Bus, nvml: Nvml) -> Bus:
    """Eight GPUs on the bus, as the stub counts them."""
    nvml.told("cards 8")
    for card in range(8):
        bus.add(f"0000:{0x10 + card:02x}:00.0", "10de:2330", "0302", driver="nvidia")
    return bus


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], bool]:
    def poll(condition: Callable[[], bool]) -> bool:
        ends = time.monotonic() + 5
        while time.monotonic() < ends:
            if condition():
                return True
            time.sleep(0.02)
        return condition()

    return poll


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """No test leaves a child behind, not even a zombie of a helper or a tool."""
    before = _children()
    yield
    ends = time.monotonic() + 5
    while (left := _children() - before) and time.monotonic() < ends:
        runner.reap_abandoned()
        time.sleep(0.02)
    assert not left


def _children() -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(os.getpid()):
            found.add(int(path.parent.name))
    return found
