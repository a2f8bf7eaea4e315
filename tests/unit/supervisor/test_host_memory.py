from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.supervisor.memory import HostMemory, read_memory, resident_mib

GIB = 1024.0


@pytest.mark.parametrize(
    ("total_gib", "available_mib", "stalled_pct", "running_out"),
    [
        (16, 4096, None, False),
        (16, 600, 5.0, False),
        (16, 600, 60.0, True),
        (16, 300, 0.0, True),
        (16, 4096, 90.0, False),
        (2048, 40 * 1024, 0.0, False),
        (2048, 2000, 0.0, True),
        (4, 150, None, True),
    ],
)
def test_the_end_is_seen_on_servers_of_any_size(
    total_gib: int, available_mib: float, stalled_pct: float | None, running_out: bool
) -> None:
    memory = HostMemory(
        total_mib=total_gib * GIB, available_mib=available_mib, stalled_pct=stalled_pct
    )

    assert memory.running_out is running_out


def test_room_is_what_is_left_after_it() -> None:
    memory = HostMemory(total_mib=16 * GIB, available_mib=4 * GIB)

    assert memory.has_room_for(2 * GIB)
    assert not memory.has_room_for(3.9 * GIB)


def test_the_kernels_words_are_read(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text(
        "MemTotal:       16384000 kB\nMemFree: 1 kB\nMemAvailable:    8192000 kB\nodd line\n"
    )
    assert read_memory(tmp_path) == HostMemory(total_mib=16000, available_mib=8000)

    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "memory").write_text(
        "some avg10=4.00 avg60=1.00 avg300=0.10 total=1\n"
        "full avg10=2.50 avg60=0.50 avg300=0.05 total=1\n"
    )
    memory = read_memory(tmp_path)
    assert memory is not None
    assert memory.stalled_pct == 2.5


@pytest.mark.parametrize("text", ["", "MemTotal: many kB\n", "MemTotal: 5 kB\n"])
def test_a_kernel_that_does_not_tell_is_unknown(tmp_path: Path, text: str) -> None:
    assert read_memory(tmp_path) is None
    (tmp_path / "meminfo").write_text(text)
    assert read_memory(tmp_path) is None


def test_a_process_is_weighed_with_its_children() -> None:
    assert resident_mib(os.getpid()) > 5
    assert resident_mib(2**22 + 1) == 0
