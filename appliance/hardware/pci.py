"""The PCI bus: the ground truth about which cards are in the server, needing no vendor software.

Sysfs as the kernel documents it (Documentation/ABI/testing/sysfs-bus-pci). A capture holds a copy
of the attributes under `sys/bus/pci/devices/<address>/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from appliance.core.sample import Pcie
from appliance.hardware.vendors.base import PciDevice
from appliance.hardware.vendors.parse import integer, pci_address

SYS = Path("/sys")
CARD_CLASSES = ("02", "03", "0b", "12")
"""Class prefixes that accelerators use: network (early firmware), display, processor, accelerator.
Functions of other classes are listed without the slower attributes of their link."""

_GENERATIONS = {"2.5": 1, "5.0": 2, "5": 2, "8.0": 3, "8": 3, "16.0": 4, "16": 4}
_GENERATIONS |= {"32.0": 5, "32": 5, "64.0": 6, "64": 6}
_WIDTHS = frozenset((1, 2, 4, 8, 12, 16, 32))
"""A dead link reads as 63 lanes: six bits of ones."""


def scan(sys: Path = SYS) -> list[PciDevice]:
    """All functions on the bus, by address; empty where there is no PCI bus."""
    devices = sys / "bus/pci/devices"
    if not devices.is_dir():
        return []
    found = (_device(path) for path in sorted(devices.iterdir()))
    return [device for device in found if device is not None]


def _attribute(device: Path, name: str) -> str | None:
    try:
        return (device / name).read_text(errors="replace").strip() or None
    except OSError:
        return None


def _hex(device: Path, name: str) -> str | None:
    value = _attribute(device, name)
    return value.lower().removeprefix("0x") if value else None


def _device(path: Path) -> PciDevice | None:
    address = pci_address(path.name)
    ids = [_hex(path, name) for name in ("vendor", "device", "class")]
    vendor_id, device_id, class_id = ids
    if address is None or vendor_id is None or device_id is None or class_id is None:
        return None
    if (path / "physfn").exists():
        return None  # a virtual function: its physical one is counted
    basic = PciDevice(address=address, vendor_id=vendor_id, device_id=device_id, class_id=class_id)
    return _with_details(basic, path) if class_id.startswith(CARD_CLASSES) else basic


def _with_details(device: PciDevice, path: Path) -> PciDevice:
    numa = integer(_attribute(path, "numa_node"))
    return msgspec.structs.replace(
        device,
        subsystem_vendor_id=_hex(path, "subsystem_vendor"),
        subsystem_device_id=_hex(path, "subsystem_device"),
        numa=numa if numa is not None and numa >= 0 else None,
        pcie=_link(path),
        answers=_answers(path),
        driver=_driver(path),
    )


def generation(speed: str | None) -> int | None:
    """The PCIe generation of a link speed: `"16.0 GT/s PCIe"` is 4."""
    words = (speed or "").split()
    return _GENERATIONS.get(words[0]) if words else None


def _width(text: str | None) -> int | None:
    lanes = integer(text)
    return lanes if lanes in _WIDTHS else None


def _link(path: Path) -> Pcie | None:
    link = Pcie(
        gen=generation(_attribute(path, "current_link_speed")),
        width=_width(_attribute(path, "current_link_width")),
        gen_max=generation(_attribute(path, "max_link_speed")),
        width_max=_width(_attribute(path, "max_link_width")),
    )
    return link if link != Pcie() else None


def _answers(path: Path) -> bool:
    """A device that fell off reads as ones: its ids in config space, its link status."""
    try:
        with (path / "config").open("rb") as config:
            if config.read(4) == b"\xff\xff\xff\xff":
                return False
    except OSError:
        pass  # not captured, or not readable here
    return integer(_attribute(path, "current_link_width")) != 63


def _driver(path: Path) -> str | None:
    """The bound driver: a link on a live system, a file with its name in a capture."""
    link = path / "driver"
    if link.is_symlink():
        return link.readlink().name
    if link.is_file():
        return _attribute(path, "driver") or ""
    return "" if (path / "driver_override").exists() else None


# -- lspci -------------------------------------------------------------------------------------

_LSPCI = re.compile(
    r"(?P<address>\S+) [^\[]*\[(?P<class>[0-9a-f]{4})\]: (?P<name>.*) "
    r"\[(?P<vendor>[0-9a-f]{4}):(?P<device>[0-9a-f]{4})\](?: \(rev (?P<rev>[0-9a-f]{2})\))?.*"
)
_MODEL = re.compile(r".*\[([^\[\]]+)\]")


def read_lspci(text: str) -> list[PciDevice]:
    """The functions that `lspci -nn` printed. `rev ff` is a device that no longer answers."""
    found = []
    for line in text.splitlines():
        match = _LSPCI.fullmatch(line.strip())
        address = pci_address(match["address"]) if match else None
        if match and address:
            found.append(
                PciDevice(
                    address=address,
                    vendor_id=match["vendor"],
                    device_id=match["device"],
                    class_id=match["class"] + "00",
                    answers=match["rev"] != "ff",
                    name=_model(match["name"]),
                )
            )
    return found


def _model(name: str) -> str:
    """`NVIDIA Corporation GA104GL [RTX A4000]`: the bracket says it best where there is one."""
    match = _MODEL.fullmatch(name)
    return match[1] if match else name


def with_lspci(devices: Iterable[PciDevice], lspci: Iterable[PciDevice]) -> list[PciDevice]:
    """`devices` with what only lspci tells: names, and which read `rev ff`."""
    told = {device.address: device for device in lspci}
    merged = []
    for device in devices:
        other = told.get(device.address)
        if other is not None:
            answers = device.answers and other.answers
            device = msgspec.structs.replace(device, name=other.name, answers=answers)
        merged.append(device)
    return merged
