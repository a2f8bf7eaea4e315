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


SERVER = "MemTotal: 16384000 kB\nMemAvailable: 8192000 kB\n"


def server(root: Path, membership: str) -> Path:
    proc = root / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(SERVER)
    (proc / "self" / "cgroup").write_text(membership)
    return proc


def group(directory: Path, **files: object) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / f"memory.{name}").write_text(f"{text}\n")


def test_a_control_group_that_has_less_left_counts(tmp_path: Path) -> None:
    proc = server(tmp_path, "0::/box/engines\n")
    group(tmp_path / "box", max=2**30, current=2**29, stat="anon 1\ninactive_file 1048576",
          pressure="full avg10=30.00 avg60=0.00 avg300=0.00 total=1")  # fmt: skip
    group(tmp_path / "box" / "engines", max="max", current=2**29, stat="anon 1")

    memory = read_memory(proc, tmp_path)

    assert memory == HostMemory(total_mib=1024, available_mib=513, stalled_pct=30.0)


def test_the_older_kind_of_group_counts_as_well(tmp_path: Path) -> None:
    proc = server(tmp_path, "5:devices:/\n4:memory:/box\n0::/\n")
    group(tmp_path / "memory", limit_in_bytes=2**63 - 4096, usage_in_bytes=2**30)
    group(
        tmp_path / "memory" / "box",
        limit_in_bytes=2**30,
        usage_in_bytes=2**30,
        stat="inactive_file 7\ntotal_inactive_file 1048576\ntotal_active_file 1048576",
    )

    memory = read_memory(proc, tmp_path)

    assert memory
    assert (memory.total_mib, memory.available_mib) == (1024, 2)
    assert memory.running_out


def test_the_root_of_a_container_is_its_own_group(tmp_path: Path) -> None:
    proc = server(tmp_path, "0::/\n")
    group(tmp_path, max=2**30, current=2**29)

    memory = read_memory(proc, tmp_path)

    assert memory
    assert memory.available_mib == 512
