from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_server import Nvml, is_running

from appliance.core.inventory import Link
from appliance.core.sample import Pcie
from appliance.hardware import library
from appliance.hardware.library import LibraryReader
from appliance.hardware.vendors.base import Library, LibraryGone, PciDevice, Report, Vendor
from appliance.hardware.vendors.nvidia import Nvidia

Eventually = Callable[[Callable[[], bool]], bool]


@pytest.fixture
def reader(nvml: Nvml) -> Iterator[LibraryReader]:
    reader = LibraryReader(Nvidia)
    yield reader
    reader.close()


def test_every_reading_belongs_to_its_card(reader: LibraryReader) -> None:
    report = reader.read(processes=True)
    assert report.answer == "ok"
    assert [card.index for card in report.readings] == [0, 1, 2, 3]
    for number, card in enumerate(report.readings):
        assert card.name == f"NVIDIA Stub {number}"
        assert card.uuid == f"GPU-00000000-0000-0000-0000-0000000000{number:02}"
        assert card.pci == f"0000:{0x10 + number:02x}:00.0"
        assert (card.memory_mib, card.memory_used_mib) == (81559, 100 + number)
        assert (card.temp_c, card.temp_memory_c) == (30 + number, 40 + number)
        assert (card.util_pct, card.power_w, card.power_limit_w) == (number, 70 + number, 700)
        assert card.clock_mhz == 1900 + number
        assert card.ecc_uncorrected == (1 if number == 1 else 0)
        assert card.throttle == (["power", "thermal"] if number == 2 else [])
        assert card.pcie == Pcie(gen=4, width=8, gen_max=5, width_max=16)
        assert (card.temp_warn_c, card.temp_critical_c) == (89, 92)
        assert card.temp_margin_c == 57 - number
        assert (card.driver, card.runtime, card.arch) == ("570.00.01", "12.8", "sm_90")
        assert card.fan_pct is None
        assert card.links == [
            Link(kind="NVLink", peer=f"0000:{0x10 + (number ^ 1):02x}:00.0", state="up"),
            Link(kind="NVLink", peer=f"0000:{0x10 + (number ^ 1):02x}:00.0", state="down"),
        ]
    assert [len(card.processes or []) for card in report.readings] == [1, 0, 0, 0]


def test_processes_only_when_asked(reader: LibraryReader) -> None:
    assert {card.processes for card in reader.read().readings} == {None}


def test_one_process_serves_all_readings(reader: LibraryReader) -> None:
    reader.read()
    first = reader.pid
    for _ in range(20):
        reader.read()
    assert reader.pid == first


@pytest.mark.parametrize(
    "call", ["UtilizationRates", "MemoryInfo_v2", "Temperature", "PowerUsage", "PciInfo_v3", "UUID"]
)
def test_what_a_card_cannot_tell_is_unknown(reader: LibraryReader, nvml: Nvml, call: str) -> None:
    nvml.told("cards 2", f"unsupported {call}")
    report = reader.read()
    assert [card.state for card in report.readings] == ["ok", "ok"]
    card = report.readings[1]
    expected = {
        "UtilizationRates": (card.util_pct, None),
        "MemoryInfo_v2": (card.memory_used_mib, 501),  # the first version of the question answers
        "Temperature": (card.temp_c, None),
        "PowerUsage": (card.power_w, None),
        "PciInfo_v3": (card.pci, None),
        "UUID": (card.uuid, None),
    }
    value, wanted = expected[call]
    assert value == wanted


def test_a_lost_card_costs_only_itself(reader: LibraryReader, nvml: Nvml) -> None:
    reader.read()
    nvml.told("cards 4", "error 2 15")
    report = reader.read()
    assert [card.state for card in report.readings] == ["ok", "ok", "lost", "ok"]
    lost = report.readings[2]
    assert lost.uuid == "GPU-00000000-0000-0000-0000-000000000002"
    assert lost.temp_c is lost.util_pct is lost.memory_used_mib is None
    nvml.told("cards 4")
    assert [card.state for card in reader.read().readings] == ["ok"] * 4


def test_a_card_that_was_lost_from_the_start(reader: LibraryReader, nvml: Nvml) -> None:
    nvml.told("cards 4", "error 2 15")
    report = reader.read()
    assert [(card.index, card.state) for card in report.readings][2] == (2, "lost")
    assert report.readings[2].uuid is None


def test_a_card_that_answers_nothing(reader: LibraryReader, nvml: Nvml) -> None:
    nvml.told("cards 4", "error 1 999")
    assert [card.state for card in reader.read().readings] == ["ok", "no_answer", "ok", "ok"]


@pytest.mark.parametrize("fate", ["hang 3", "crash 3"])
def test_a_card_that_takes_the_library_along(
    reader: LibraryReader, nvml: Nvml, eventually: Eventually, fate: str
) -> None:
    reader.read()
    first = reader.pid
    assert first is not None
    nvml.told("cards 4", fate)
    report = reader.read()
    assert report.answer == "ok"
    assert [card.index for card in report.readings] == [0, 1, 2]
    assert report.silent == ["0000:13:00.0"]
    assert eventually(lambda: not is_running(first))
    second = reader.pid
    assert reader.read().silent == ["0000:13:00.0"]
    assert reader.pid == second  # it is left alone for a while, not met again at once


def test_cards_that_are_skipped_are_tried_again(
    reader: LibraryReader, nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "SKIP_S", 0.0)
    nvml.told("cards 2", "crash 1")
    assert reader.read().silent == ["#1"]
    nvml.told("cards 2")
    assert len(reader.read().readings) == 2


def test_all_cards_wedged(nvml: Nvml) -> None:
    """Each try gets no further than its card; what was not reached has not answered."""
    nvml.told("cards 4", "hang 0")
    reader = LibraryReader(Nvidia, deadline_s=0.9, card_deadline_s=0.7)
    report = reader.read()
    assert report.silent
    assert report.answer == "ok"
    assert {card.index for card in report.readings}.isdisjoint({0})
    reader.close()


@pytest.mark.parametrize("word", ["gone", "init_error 9", "init_error 18"])
def test_no_driver(reader: LibraryReader, nvml: Nvml, word: str) -> None:
    nvml.told(word)
    report = reader.read()
    assert report.answer == "no_driver"
    assert report.message
    assert reader.pid is None


def test_a_driver_that_is_unloaded_and_comes_back(
    reader: LibraryReader, nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "_BACK_OFF_S", (0.0,))
    assert reader.read().answer == "ok"
    nvml.told("gone")
    assert reader.read().answer == "no_driver"
    nvml.told("cards 3")
    assert len(reader.read().readings) == 3


def test_no_library(reader: LibraryReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nonexistent")
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("this server has the real library")
    assert reader.read() == Report(answer="absent")
    assert reader.pid is None


def test_a_failing_library_is_left_alone(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_BACK_OFF_S", (60.0,))
    nvml.told("init_error 9")
    reader = LibraryReader(Nvidia)
    first = reader.read()
    started: list[object] = []
    monkeypatch.setattr(library, "_Helper", started.append)
    assert reader.read() == first
    assert started == []
    reader.close()


def test_a_library_that_is_slow_to_open_is_not_killed_for_it(nvml: Nvml) -> None:
    nvml.told("hang_init")
    reader = LibraryReader(Nvidia, deadline_s=0.3)
    assert reader.read().answer == "no_answer"
    pid = reader.pid
    assert pid is not None
    assert reader.read().answer == "no_answer"
    assert reader.pid == pid
    reader.close()
    assert not is_running(pid)


def test_a_library_that_never_opens_is_given_up(
    nvml: Nvml, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(library, "OPENING_S", 0.0)
    nvml.told("hang_init")
    reader = LibraryReader(Nvidia, deadline_s=0.5)
    assert reader.read().answer == "no_answer"
    assert reader.pid is None
    reader.close()


def test_many_deadlines_leave_no_process(
    nvml: Nvml, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(library, "OPENING_S", 0.0)
    monkeypatch.setattr(library, "_BACK_OFF_S", (0.0,))
    nvml.told("hang_init")
    reader = LibraryReader(Nvidia, deadline_s=0.1)
    for _ in range(15):
        assert reader.read().answer == "no_answer"
    reader.close()
    assert eventually(lambda: _helpers() == [])


def _helpers() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            command = (path.parent / "cmdline").read_bytes()
            parent = path.read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if b"appliance.hardware.helper" in command and parent == str(os.getpid()):
            found.append(int(path.parent.name))
    return [pid for pid in found if is_running(pid)]


PARENT = """
import sys, time
from appliance.hardware.library import LibraryReader
from appliance.hardware.vendors.nvidia import Nvidia
import threading
reader = LibraryReader(Nvidia, deadline_s=60, card_deadline_s=60)
threading.Thread(target=reader.read, daemon=True).start()
while reader.pid is None:
    time.sleep(0.01)
print(reader.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("state", ["cards 2", "hang 0"])
def test_the_helper_ends_when_its_parent_is_killed(
    nvml: Nvml, eventually: Eventually, state: str
) -> None:
    nvml.told("cards 2", state)
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    helper = int(parent.stdout.readline())
    time.sleep(0.3)  # let it reach the card that hangs
    assert is_running(helper)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert eventually(lambda: not is_running(helper))


# -- a library that is read as a whole ---------------------------------------------------------


class Whole:
    def read(self, *, processes: bool) -> Report:
        print("libraries print to stdout")
        return Report(answer="ok", message="with processes" if processes else "without")

    def close(self) -> None: ...


class _Test(Vendor):
    name = "biren"
    title = "A vendor for tests"

    def owns(self, device: PciDevice) -> bool:
        return False


class WholeVendor(_Test):
    def open_library(self) -> Library | None:
        return Whole()


class GoneVendor(_Test):
    def open_library(self) -> Library | None:
        raise LibraryGone(Report(answer="no_driver", message="its own words"))


class FailingVendor(_Test):
    def open_library(self) -> Library | None:
        raise RuntimeError("nobody expects this")


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The helper imports vendors by module: this file is one to it."""
    places = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))


@pytest.mark.usefixtures("importable")
def test_what_a_library_prints_does_not_disturb() -> None:
    reader = LibraryReader(WholeVendor)
    assert reader.read().message == "without"
    assert reader.read(processes=True).message == "with processes"
    reader.close()


@pytest.mark.usefixtures("importable")
def test_a_library_that_says_why() -> None:
    reader = LibraryReader(GoneVendor)
    assert reader.read() == Report(answer="no_driver", message="its own words")
    reader.close()


@pytest.mark.usefixtures("importable")
def test_a_library_that_fails_unforeseen() -> None:
    reader = LibraryReader(FailingVendor)
    assert reader.read().answer == "no_answer"
    reader.close()
