from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from appliance.supervisor.table import entry_of, members_of, parse_stat


def stat_line(name: str, *, state: str = "S", threads: int = 1, started: int = 4711) -> str:
    rest = f"{state} 10 20 30 0 -1 4194304 1 2 3 4 500 70 6 7 20 0 {threads} 0 {started}"
    return f"42 ({name}) {rest} 1000 2000 184467\n"


@given(st.text(max_size=15))
def test_a_command_may_be_called_anything(name: str) -> None:
    entry = parse_stat(stat_line(name), "boot")

    assert entry is not None
    assert (entry.pid, entry.parent, entry.session) == (42, 10, 30)
    assert entry.started == "boot/4711"
    assert entry.cpu_ticks == 570


@given(st.text(max_size=200))
def test_other_text_is_no_entry(text: str) -> None:
    entry = parse_stat(text, "boot")

    assert entry is None or entry.pid >= 0


def test_a_zombie_with_threads_still_holds_what_it_had() -> None:
    ending = parse_stat(stat_line("python", state="Z", threads=3), "boot")
    ended = parse_stat(stat_line("python", state="Z"), "boot")

    assert ending is not None
    assert ended is not None
    assert (ending.dead, ended.dead) == (False, True)


def test_this_process_is_in_the_table() -> None:
    entry = entry_of(os.getpid())

    assert entry is not None
    assert entry.parent == os.getppid()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert entry.started.startswith(boot + "/")
    assert os.getpid() in {member.pid for member in members_of(os.getppid())}


def test_there_is_no_process_with_an_impossible_pid() -> None:
    assert entry_of(2**22 + 1) is None
