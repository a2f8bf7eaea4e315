"""The server around the cards: system, processors, memory, disks that could hold models."""

from __future__ import annotations

import os
import platform
import re
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from appliance.core.inventory import Cpu, Disk, Host
from appliance.core.sample import HostSample
from appliance.hardware.vendors.base import Ask
from appliance.hardware.vendors.parse import blocks, integer, mib, text_or_none

_DISK_TYPES = re.compile(
    r"ext[234]|xfs|btrfs|zfs|f2fs|jfs|reiserfs|bcachefs|apfs|hfs|ntfs3?|exfat|vfat|overlay|9p"
    r"|virtiofs|nfs4?|cifs|smb3|ceph|lustre|gpfs|beegfs|(?:fuse\.)?glusterfs"
)
_NOT_FOR_MODELS = ("/boot", "/etc", "/proc", "/sys", "/dev", "/run", "/snap", "/usr/lib")
_SMALLEST_DISK_MIB = 1024
_DISK_DEADLINE_S = 0.5
"""Asking a network file system whose server is gone blocks."""


# -- live --------------------------------------------------------------------------------------


def read_host(ask: Ask) -> Host:
    """The server we run on. Every fact that cannot be read is `None`."""
    cpu, arch = _cpu(ask)
    return Host(
        hostname=platform.node() or None,
        os=_os_name(_os_release()) or f"{platform.system()} {platform.release()}",
        kernel=platform.release() or None,
        arch=platform.machine() or arch,
        cpu=cpu,
        memory_mib=_memory_mib(),
        disks=disks(),
    )


def _os_release() -> str:
    for path in (Path("/etc/os-release"), Path("/usr/lib/os-release")):
        if path.is_file():
            return path.read_text(errors="replace")
    return ""


def _memory_mib() -> int:
    """What this system can use: the machine's memory, or the limit of our control group."""
    import psutil

    amounts = [psutil.virtual_memory().total // 1048576]
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            amounts.append(int((Path("/sys/fs/cgroup") / limit).read_text()) // 1048576)
        except (OSError, ValueError):
            continue
    return int(min(amounts))


def disks() -> list[Disk]:
    """Mounted file systems of at least 1 GiB that could hold models, each device once."""
    import psutil

    partitions = [
        partition
        for partition in sorted(psutil.disk_partitions(all=True), key=lambda p: len(p.mountpoint))
        if _could_hold_models(partition.fstype, partition.mountpoint)
    ]
    found: dict[str, Disk] = {}
    for disk in _within(_DISK_DEADLINE_S, [partial(_disk, partition) for partition in partitions]):
        if (disk.total_mib or 0) >= _SMALLEST_DISK_MIB:
            found.setdefault(disk.device or disk.mount, disk)
    return sorted(found.values(), key=lambda disk: disk.mount)


def _could_hold_models(filesystem: str, mount: str) -> bool:
    return _DISK_TYPES.fullmatch(filesystem) is not None and not mount.startswith(_NOT_FOR_MODELS)


def _disk(partition: object) -> Disk | None:
    mount = str(getattr(partition, "mountpoint", ""))
    try:
        usage = os.statvfs(mount)
    except OSError:
        return None
    options = str(getattr(partition, "opts", "")).split(",")
    return Disk(
        mount=mount,
        device=str(getattr(partition, "device", "")) or None,
        filesystem=str(getattr(partition, "fstype", "")) or None,
        total_mib=usage.f_blocks * usage.f_frsize // 1048576,
        free_mib=usage.f_bavail * usage.f_frsize // 1048576,
        read_only="ro" in options,
    )


def _within(seconds: float, work: list[Callable[[], Disk | None]]) -> list[Disk]:
    """What is done in time, in the order of `work`; threads that hang are left behind."""
    results: dict[int, Disk | None] = {}

    def run(number: int) -> None:
        results[number] = work[number]()

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(work))]
    ends = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    done = (results.get(number) for number in range(len(work)))
    return [disk for disk in done if disk is not None]


def sample_host() -> HostSample:
    """The server's own readings. The first `cpu_pct` of a process is `None`: it is a difference."""
    import psutil

    memory = psutil.virtual_memory()
    return HostSample(
        cpu_pct=_cpu_pct(),
        memory_used_mib=(memory.total - memory.available) // 1048576,
        temp_c=_cpu_temp_c(),
    )


_cpu_was_asked = False


def _cpu_pct() -> float | None:
    global _cpu_was_asked
    import psutil

    value = psutil.cpu_percent()
    first, _cpu_was_asked = not _cpu_was_asked, True
    return None if first else value


_CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "acpitz", "soc_thermal")


def _cpu_temp_c() -> float | None:
    """The hottest package sensor, read where the kernel's hwmon shows it."""
    temperatures = []
    for directory in Path("/sys/class/hwmon").glob("hwmon*"):
        try:
            if (directory / "name").read_text().strip() in _CPU_SENSORS:
                temperatures += [int(p.read_text()) / 1000 for p in directory.glob("temp1_input")]
        except (OSError, ValueError):
            continue
    return max(temperatures, default=None)


def command_of(pid: int) -> str | None:
    """The program of a process, without its arguments: those may hold secrets."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    return arguments[0].decode(errors="replace") or None


# -- from text, live and captured --------------------------------------------------------------


def _cpu(ask: Ask) -> tuple[Cpu, str | None]:
    answer = ask("lscpu")
    if answer is not None and answer.stdout:
        return read_lscpu(answer.stdout)
    answer = ask("sysctl", "-n", "machdep.cpu.brand_string", "hw.memsize")
    model = text_or_none(answer.stdout.split("\n")[0]) if answer is not None else None
    return Cpu(model=model), None


def read_lscpu(text: str) -> tuple[Cpu, str | None]:
    """The processors and the architecture; `cores` are physical cores of all sockets."""
    flat = {block.key.lower(): block.value for block in blocks(text).walk()}
    sockets = integer(flat.get("socket(s)"))
    per_socket = integer(flat.get("core(s) per socket"))
    clusters = integer(flat.get("cluster(s)"))
    per_cluster = integer(flat.get("core(s) per cluster"))
    threads = integer(flat.get("thread(s) per core"))
    processors = integer(flat.get("cpu(s)"))
    cores = None
    if sockets and per_socket:
        cores = sockets * per_socket
    elif clusters and per_cluster:
        cores = clusters * per_cluster
    elif processors and threads:
        cores = processors // threads
    model = text_or_none(flat.get("model name")) or text_or_none(flat.get("bios model name"))
    return Cpu(model=model, sockets=sockets, cores=cores), text_or_none(flat.get("architecture"))


def read_meminfo(text: str) -> int | None:
    """MemTotal of /proc/meminfo, in MiB."""
    return mib(blocks(text).get("MemTotal"))


def _os_name(os_release: str) -> str | None:
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)"?$', os_release, re.MULTILINE)
    return match[1] or None if match else None


def read_captured_host(ask: Ask, hostname: str | None) -> Host:
    """The server of a capture, as far as these questions were asked there."""
    cpu, arch = _cpu(ask)
    return Host(
        hostname=hostname,
        os=_os_name(_said(ask, "cat", "/etc/os-release") or ""),
        kernel=_said(ask, "uname", "-r"),
        arch=arch or _said(ask, "uname", "-m"),
        cpu=cpu,
        memory_mib=_captured_memory(ask),
    )


def _said(ask: Ask, *argv: str) -> str | None:
    answer = ask(*argv)
    return answer.stdout.strip() or None if answer is not None else None


def _captured_memory(ask: Ask) -> int | None:
    meminfo = _said(ask, "cat", "/proc/meminfo")
    if meminfo is not None:
        return read_meminfo(meminfo)
    sysctl = (_said(ask, "sysctl", "-n", "machdep.cpu.brand_string", "hw.memsize") or "").split()
    return mib(sysctl[-1], unit="B") if sysctl else None


def read_captured_load(ask: Ask) -> HostSample:
    """The memory in use of a capture, where /proc/meminfo was recorded."""
    meminfo = blocks(_said(ask, "cat", "/proc/meminfo") or "")
    total, available = mib(meminfo.get("MemTotal")), mib(meminfo.get("MemAvailable"))
    used = total - available if total is not None and available is not None else None
    return HostSample(memory_used_mib=used)
