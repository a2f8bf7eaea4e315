from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tool_answers import asking

from appliance.core.inventory import Cpu
from appliance.hardware import host
from appliance.hardware.runner import LiveRunner

X86 = """\
Architecture:             x86_64
  CPU op-mode(s):         32-bit, 64-bit
CPU(s):                   128
  On-line CPU(s) list:    0-127
Vendor ID:                GenuineIntel
  Model name:             Intel(R) Xeon(R) Platinum 8358 CPU @ 2.60GHz
    Thread(s) per core:   2
    Core(s) per socket:   32
    Socket(s):            2
NUMA:
  NUMA node0 CPU(s):      0-31,64-95
"""
ARM = """\
Architecture:           aarch64
CPU(s):                 192
Vendor ID:              HiSilicon
Model name:             Kunpeng-920
Thread(s) per core:     1
Core(s) per cluster:    48
Socket(s):              -
Cluster(s):             4
"""


def test_processors_of_two_architectures() -> None:
    model = "Intel(R) Xeon(R) Platinum 8358 CPU @ 2.60GHz"
    assert host.read_lscpu(X86) == (Cpu(model=model, sockets=2, cores=64), "x86_64")
    assert host.read_lscpu(ARM) == (Cpu(model="Kunpeng-920", sockets=None, cores=192), "aarch64")


def test_unknown_processors() -> None:
    assert host.read_lscpu("") == (Cpu(), None)
    assert host.read_lscpu("Model name: -\nSocket(s): two\n") == (Cpu(), None)


def test_a_captured_host() -> None:
    answers = {
        "lscpu": X86,
        "cat /proc/meminfo": "MemTotal:  528160456 kB\nMemAvailable:  505311024 kB\n",
        "cat /etc/os-release": 'NAME="openEuler"\nPRETTY_NAME="openEuler 22.03 (LTS-SP4)"\n',
        "uname -r": "5.10.0-216.0.0.115.oe2203sp4.x86_64\n",
    }
    captured = host.read_captured_host(asking(answers), "server")
    assert captured.hostname == "server"
    assert captured.os == "openEuler 22.03 (LTS-SP4)"
    assert captured.kernel == "5.10.0-216.0.0.115.oe2203sp4.x86_64"
    assert captured.memory_mib == 515782
    assert captured.arch == "x86_64"
    assert host.read_captured_load(asking(answers)).memory_used_mib == 515782 - 493468


def test_nothing_captured_is_nothing_known() -> None:
    captured = host.read_captured_host(asking({}), None)
    assert (captured.os, captured.memory_mib, captured.cpu) == (None, None, Cpu())
    assert host.read_captured_load(asking({})).memory_used_mib is None


def test_this_host() -> None:
    mine = host.read_host(LiveRunner().ask)
    assert mine.hostname
    assert mine.memory_mib
    assert mine.memory_mib > 256
    assert mine.arch == os.uname().machine
    assert any(disk.free_mib is not None for disk in mine.disks)
    assert len({disk.mount for disk in mine.disks}) == len(mine.disks)


def test_the_load_is_a_share_of_all_processors() -> None:
    host.sample_host()
    load = host.sample_host()
    assert load.cpu_pct is not None
    assert 0 <= load.cpu_pct <= 100
    assert load.memory_used_mib


def test_a_program_without_its_arguments() -> None:
    assert host.command_of(os.getpid()) == Path("/proc/self/cmdline").read_text().split("\0")[0]
    assert host.command_of(2**22 + 1) is None


@given(st.text(max_size=400))
def test_no_text_fails(text: str) -> None:
    host.read_lscpu(text)
    host.read_meminfo(text)
    host.read_captured_host(asking({"lscpu": text, "cat /etc/os-release": text}), None)
