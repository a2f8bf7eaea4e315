"""`appliance capture DIR`: what this server's tools and bus say, for replay elsewhere (capture/1).

Every question that our readers know is asked, also the fall-backs that a good answer makes
unnecessary here. What identifies the machine, its cards or its people is taken out.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from appliance import __version__
from appliance.core.errors import NeedsRights, UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.hardware import pci, registry
from appliance.hardware.runner import NOT_INSTALLED, LiveRunner
from appliance.hardware.scrub import Scrubber, machine_key
from appliance.hardware.topology import QUESTIONS
from appliance.hardware.vendors.base import PciDevice, ToolAnswer, Vendor

DEADLINE_S = 10.0
"""Nobody waits for the screen here; a slow tool may take longer than a reader allows it."""
HOST_QUESTIONS = (
    ("lspci", "-nn"),
    ("lscpu",),
    ("cat", "/proc/meminfo"),
    ("cat", "/etc/os-release"),
    ("uname", "-r"),
    ("uname", "-m"),
)
_ATTRIBUTES = (
    "vendor",
    "device",
    "class",
    "subsystem_vendor",
    "subsystem_device",
    "numa_node",
    "local_cpulist",
    "current_link_speed",
    "current_link_width",
    "max_link_speed",
    "max_link_width",
)
_CONFIG_BYTES = 64
_KERNEL_LOG_LINES = 5000
_KERNEL = re.compile(
    r"NVRM|nvidia|Xid|amdgpu|kfd|i915|\bxe\b|habana|davinci|ascend|drv_|devdrv|mtgpu|metax|mxgpu"
    r"|hydcu|hycu|iluvatar|bi_driver|biren|kunlun|xpu|cambricon|alixpu|\bgcu\b|enflame"
    r"|pcie|\bAER\b|\bmce\b|EDAC|out of memory|oom",
    re.IGNORECASE,
)


class KeptCommand(Document, frozen=True, kw_only=True):
    """A question and how much was kept of its answer."""

    argv: list[str]
    exit: int | None
    bytes: int


class CaptureSummary(Document, frozen=True, kw_only=True):
    """What a capture holds, to be looked at before it is given away."""

    directory: str
    commands: list[KeptCommand]
    devices: int
    replaced: dict[str, int]

    def __str__(self) -> str:
        lines = [str(say("kept in {directory}:", directory=self.directory))]
        for command in self.commands:
            how = "deadline" if command.exit is None else f"exit {command.exit}"
            lines.append(f"  {' '.join(command.argv)}  ({how}, {command.bytes} B)")
        lines.append(str(say("  {count} devices of the PCI bus", count=self.devices)))
        replaced = ", ".join(f"{count} × {kind}" for kind, count in sorted(self.replaced.items()))
        lines.append(str(say("replaced: {what}", what=replaced or str(say("nothing")))))
        return "\n".join(lines)


def capture(directory: Path, *, sys_root: Path = pci.SYS) -> CaptureSummary:
    """Record this server under `directory`, which must be new or empty.

    Raises `UsageError` for a directory in use, `NeedsRights` where it cannot be written.
    """
    _claim(directory)
    bus = pci.scan(sys_root)
    recorder = _Recorder()
    answers = recorder.record(bus)
    scrubber = Scrubber(machine_key(), hosts=_host_names(), users=_user_names())
    for answer in answers:
        scrubber.learn(answer.stdout)
        scrubber.learn(answer.stderr)
    for value in recorder.card_ids:
        scrubber.learn_value(value)
    try:
        devices = _copy_bus(sys_root, bus, directory / "sys")
        kept = _write_answers(directory, answers, scrubber)
    except PermissionError as error:
        raise _not_writable(directory, error) from error
    return CaptureSummary(
        directory=str(directory),
        commands=kept,
        devices=devices,
        replaced={kind: count for kind, count in scrubber.counts.items() if count},
    )


def _claim(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        in_use = any(directory.iterdir())
    except OSError as error:
        raise _not_writable(directory, error) from error
    if in_use:
        raise UsageError(
            say("{directory} is not empty", directory=directory),
            hint=say("give a directory that does not exist yet"),
            code="NOT-EMPTY",
        )


def _not_writable(directory: Path, error: OSError) -> NeedsRights:
    return NeedsRights(
        say("cannot write {directory}: {why}", directory=directory, why=error.strerror),
        hint=say("give a directory of your own, or run the command with more rights"),
    )


def _host_names() -> list[str]:
    full = platform.node()
    return [name for name in dict.fromkeys((full, full.split(".")[0])) if len(name) > 1]


def _user_names() -> list[str]:
    names = {os.environ.get("SUDO_USER", ""), _own_name()}
    names |= {path.name for path in Path("/home").glob("*")}
    return sorted(name for name in names if len(name) > 2 and name != "root")


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


# -- questions ---------------------------------------------------------------------------------


class _Recorder:
    """Asks each question once and keeps the answer."""

    def __init__(self) -> None:
        self._runner = LiveRunner(deadline_s=DEADLINE_S, budget_s=float("inf"))
        self._answers: dict[tuple[str, ...], ToolAnswer] = {}
        self.card_ids: set[str] = set()

    def record(self, bus: Sequence[PciDevice]) -> list[ToolAnswer]:
        """Everything about the host, and about the vendors that the bus shows."""
        for argv in HOST_QUESTIONS:
            self._ask(*argv)
        self._ask_kernel_log()
        for vendor in (kind() for kind in registry.ALL):
            own = [device for device in bus if vendor.owns(device)]
            if own or not bus:
                self._ask_everything(vendor, own if bus else None)
        return list(self._answers.values())

    def _ask(self, *argv: str) -> ToolAnswer | None:
        if argv not in self._answers:
            answer = self._runner.ask(*argv)
            missing = ToolAnswer(argv=argv, exit=NOT_INSTALLED, stdout="")
            self._answers[argv] = missing if answer is None else answer
        kept = self._answers[argv]
        return None if kept.exit == NOT_INSTALLED else kept

    def _ask_everything(self, vendor: Vendor, devices: list[PciDevice] | None) -> None:
        """Once as a reader does, and once as one whom no answer satisfies."""

        def unsatisfied(*argv: str) -> ToolAnswer | None:
            self._ask(*argv)
            return None

        report = vendor.read_tool(self._ask, devices)
        self.card_ids |= {reading.uuid for reading in report.readings if reading.uuid}
        vendor.read_tool(unsatisfied, devices)
        for argv in QUESTIONS.get(vendor.name, ()):
            self._ask(*argv)

    def _ask_kernel_log(self) -> None:
        """Its newest lines about cards, buses and memory; the rest is nobody's business."""
        answer = self._ask("dmesg", "-T")
        if answer is not None:
            lines = [
                line for line in answer.stdout.splitlines(keepends=True) if _KERNEL.search(line)
            ]
            kept = "".join(lines[-_KERNEL_LOG_LINES:])
            self._answers[answer.argv] = msgspec.structs.replace(answer, stdout=kept)


# -- files -------------------------------------------------------------------------------------


def _write_answers(
    directory: Path, answers: Iterable[ToolAnswer], scrubber: Scrubber
) -> list[KeptCommand]:
    (directory / "files").mkdir()
    commands, kept = [], []
    for number, answer in enumerate(answers, start=1):
        out = _write(directory, f"files/{number:03}.txt", scrubber.clean(answer.stdout))
        err = _write(directory, f"files/{number:03}.err.txt", scrubber.clean(answer.stderr))
        commands.append(
            {
                "argv": list(answer.argv),
                "exit": answer.exit,
                "stdout": out,
                "stderr": err,
                "seconds": answer.seconds,
            }
        )
        size = len(answer.stdout.encode()) + len(answer.stderr.encode())
        kept.append(KeptCommand(argv=list(answer.argv), exit=answer.exit, bytes=size))
    manifest = {
        "schema": "appliance.capture/1",
        "host": "server",
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "commands": commands,
        "written_by": f"appliance {__version__}",
    }
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1).decode()
    _write(directory, "manifest.json", text)
    return kept


def _write(directory: Path, name: str, text: str) -> str | None:
    """Write `text` where there is any; the manifest is written last, so a capture is whole."""
    if text:
        temporary = directory / f"{name}.part"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(directory / name)
    return name if text else None


def _copy_bus(sys_root: Path, bus: Sequence[PciDevice], target: Path) -> int:
    """The attributes that our readers look at, of the functions that could be cards."""
    count = 0
    for device in bus:
        if device.class_id.startswith(pci.CARD_CLASSES):
            source = sys_root / "bus/pci/devices" / device.address
            _copy_device(source, target / "bus/pci/devices" / device.address, device)
            count += 1
    return count


def _copy_device(source: Path, target: Path, device: PciDevice) -> None:
    target.mkdir(parents=True)
    for name in _ATTRIBUTES:
        try:
            (target / name).write_bytes((source / name).read_bytes())
        except OSError:
            continue
    try:
        with (source / "config").open("rb") as config:
            (target / "config").write_bytes(config.read(_CONFIG_BYTES))
    except OSError:
        pass  # only root may read it on some systems
    if device.driver is not None:
        (target / "driver").write_text(f"{device.driver}\n")
    if source.is_symlink():
        (target / "path").write_text(f"{source.readlink()}\n")
