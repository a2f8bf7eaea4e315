"""Intel GPUs: Arc, Flex and Max, by `xpu-smi` of the XPU manager."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from appliance.core.i18n import say
from appliance.hardware.vendors import smi_table, xpu_smi
from appliance.hardware.vendors.base import ABSENT, Ask, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry, fill, merged

_TOOL = "xpu-smi"
_DUMP = (_TOOL, "dump", "-d", "-1", "-m", "0,1,2,3,4,5,18", "-n", "1")
_PATIENCE_S = 1.0
"""Seconds for asking device by device; a slower box answers for all devices at once."""

_FAMILIES = (
    ("0bd", "pvc"),
    ("0be", "pvc"),
    ("56", "dg2"),
    ("e20", "xe2"),
    ("e21", "xe2"),
    ("e22", "xe2"),
)
_DISCRETE = (*(prefix for prefix, _ in _FAMILIES), "490", "020", "674")
"""Device ids of boards (pci.ids): DG1, Arc, Flex, Max, ATS, Battlemage, Crescent Island."""


class Intel(Vendor):
    """Intel's graphics boards. Gaudi has a class of its own under the same name."""

    name = "intel"
    title = "Intel GPU"
    install_hint: ClassVar = say(
        "install the GPU driver and the compute packages (intel-i915-dkms or a kernel with xe, "
        "intel-opencl-icd, libze1, xpu-smi) as dgpu-docs.intel.com describes for this system"
    )

    def owns(self, device: PciDevice) -> bool:
        """Boards; not the graphics in processors (always 00:02), QuickAssist (0b40) or audio."""
        if device.vendor_id != "8086" or not device.class_id.startswith(("03", "12")):
            return False
        integrated = device.address.rpartition(".")[0].endswith(":00:02")
        display = device.class_id.startswith("03")
        return device.device_id.startswith(_DISCRETE) or (display and not integrated)

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """Devices by `discovery`, values by `stats` or `dump`. Kunlunxin's tool has this name."""
        if bus is not None and not bus:
            return ABSENT
        inquiry = Inquiry(ask)
        devices = _with_values(inquiry, _discovered(inquiry))
        if not devices:
            return inquiry.report(_overview(inquiry))
        devices = _with_health(inquiry, devices)
        devices = _with_processes_and_links(inquiry, devices)
        readings = _without_shared_uuids(list(devices.values()))
        return inquiry.report([_with_arch(one, bus) for one in readings])


def _discovered(inquiry: Inquiry) -> dict[int, Reading]:
    """Every device and its facts, from the first form of `discovery` that answers."""
    listed = xpu_smi.parse_discovery(inquiry(_TOOL, "discovery", "-j"))
    for question in (("discovery",), ("discovery", "--dump", "1,2,3,6")):
        if not listed:
            listed = xpu_smi.parse_discovery(inquiry(_TOOL, *question))
    devices = {}
    for device, fields in listed.items():
        reading = xpu_smi.facts(device, fields)
        more = xpu_smi.parse_discovery(inquiry(_TOOL, "discovery", "-d", str(device), "-j"))
        if device not in more and reading.pci is not None:
            more = xpu_smi.parse_discovery(inquiry(_TOOL, "discovery", "-d", reading.pci))
        devices[device] = fill(reading, xpu_smi.facts(device, more.get(device, {})))
    return devices


def _with_values(inquiry: Inquiry, devices: dict[int, Reading]) -> dict[int, Reading]:
    """`stats` card by card, in JSON or text; `dump` where that would take long or says nothing."""
    told: dict[int, Reading] = {}
    for device in devices:
        if inquiry.pace_s * len(devices) > _PATIENCE_S:
            break
        for form in (["-j"], []):
            values = xpu_smi.parse_stats(inquiry(_TOOL, "stats", "-d", str(device), *form))
            if values != Reading():
                told[device] = values
                break
    if not told or len(told) < len(devices):
        told = merged([*told.items(), *xpu_smi.parse_dump(inquiry(*_DUMP)).items()])
    known = {device: Reading(index=device) for device in told} | devices
    return {device: fill(one, told.get(device)) for device, one in sorted(known.items())}


def _with_health(inquiry: Inquiry, devices: dict[int, Reading]) -> dict[int, Reading]:
    told = xpu_smi.parse_health(inquiry.besides(_TOOL, "health", "-l", "-j"))
    if not told:
        told = xpu_smi.parse_health(inquiry.besides(_TOOL, "health", "-l"))
    limits = {
        device: xpu_smi.parse_power_limit(inquiry.besides(_TOOL, "config", "-d", str(device)))
        for device in devices
    }
    return {
        device: fill(one, told.get(device), Reading(power_limit_w=limits[device]))
        for device, one in devices.items()
    }


def _with_processes_and_links(inquiry: Inquiry, devices: dict[int, Reading]) -> dict[int, Reading]:
    running = xpu_smi.parse_processes(inquiry.besides(_TOOL, "ps"))
    links = (
        xpu_smi.parse_links(inquiry.besides(_TOOL, "topology", "-m")) if len(devices) > 1 else {}
    )
    return {
        device: msgspec.structs.replace(
            one,
            processes=None if running is None else running.get(device, []),
            links=[link for link in links.get(device, []) if link.peer in _peers(devices)],
        )
        for device, one in devices.items()
    }


def _peers(devices: dict[int, Reading]) -> set[str]:
    return {f"#{device}" for device in devices}


def _overview(inquiry: Inquiry) -> list[Reading]:
    """The table of xpu-smi 2 without a verb; a long name goes on in a line of its own."""
    text = inquiry(_TOOL)
    if "Intel XPU-SMI" not in text:
        return []
    lines = [line for line in text.splitlines() if not _goes_on(line)]
    driver = smi_table.version(text, "Driver")
    return smi_table.readings(smi_table.read("\n".join(lines)), driver=driver)


def _goes_on(line: str) -> bool:
    cells = line.strip().strip("|").split("|")
    return len(cells) == 3 and not cells[1].strip() and not cells[2].strip()


def _without_shared_uuids(readings: list[Reading]) -> list[Reading]:
    """Old releases build the uuid from the product alone: shared by two devices, it names none."""
    often = Counter(one.uuid for one in readings)
    return [
        msgspec.structs.replace(one, uuid=None) if often[one.uuid] > 1 else one for one in readings
    ]


def _with_arch(reading: Reading, bus: Sequence[PciDevice] | None) -> Reading:
    """The family that Intel's compiler names (`ocloc`), by the device id."""
    device_id = next((one.device_id for one in bus or () if one.address == reading.pci), "")
    family = next((name for prefix, name in _FAMILIES if device_id.startswith(prefix)), None)
    return msgspec.structs.replace(reading, arch=family)
