"""Moore Threads (MTT S80, S3000, S4000, S5000 …).

Formats: `mthreads-gmi` 1.6 to 2.4 as pasted in public MUSA installation notes and the GPUStack and
PaddlePaddle documents; `mthreads-gmi -q` by the keys that SwanLab and torch_musa read; `musaInfo`
as printed in the MUSA 5.2.0 installation guide. PCI ids: pci.ids.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.core.i18n import say
from appliance.hardware.vendors import gpustack, parse, smi_query, smi_table
from appliance.hardware.vendors.base import Ask, Library, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry

_AUDIO = "02ff"


class MooreThreads(Vendor):
    """Moore Threads."""

    name = "mthreads"
    title = "Moore Threads"
    install_hint = say(
        "Install the MUSA driver (package musa, kernel module mtgpu) from developer.mthreads.com;"
        " mthreads-gmi comes with it."
    )

    def owns(self, device: PciDevice) -> bool:
        """Vendor 1ed5; the card's audio function is none."""
        return (
            device.vendor_id == "1ed5"
            and device.class_id.startswith(("03", "0b", "12"))
            and device.device_id != _AUDIO
        )

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """The table, which shows no power, with `-q`; else the list; else what musaInfo knows."""
        inquiry = Inquiry(ask, no_driver=smi_query.NO_DRIVER)
        readings = _table(inquiry("mthreads-gmi"))
        readings = smi_query.together(readings, _details(inquiry("mthreads-gmi", "-q")))
        if not readings:
            readings = smi_query.listed(inquiry("mthreads-gmi", "-L"))
        if not readings:
            readings = _musa_info(inquiry("musaInfo"))
        return inquiry.report(readings)

    def open_library(self) -> Library | None:
        """The mtml library, as `gpustack-runtime` binds it."""
        return gpustack.library("mthreads")


def _table(text: str) -> list[Reading]:
    driver = smi_table.version(text, "Driver Version")
    return smi_table.readings(smi_table.read(text), driver=driver)


def _details(text: str) -> list[Reading]:
    root = parse.blocks(text)
    driver = parse.text_or_none(root.get("Driver Version"))
    return [
        smi_query.reading(
            smi_query.flat(section.block),
            index=section.number,
            pci=section.pci,
            driver=driver,
            processes=smi_query.processes(section.block),
        )
        for section in smi_query.sections(root, "gpu")
    ]


def _musa_info(text: str) -> list[Reading]:
    """`device# 0` and then `key: value` lines; facts only, no present values."""
    devices: list[dict[str, str]] = []
    for line in text.splitlines():
        key, colon, value = line.strip().partition(":")
        if line.strip().lower().startswith("device#"):
            devices.append({"index": line.split("#", 1)[1].strip()})
        elif colon and devices:
            devices[-1].setdefault(key.strip().lower(), value.strip())
    return [_musa_device(device) for device in devices]


def _musa_device(device: dict[str, str]) -> Reading:
    capability = parse.number(device.get("compute capability"))
    return Reading(
        index=parse.integer(device.get("index")),
        name=parse.text_or_none(device.get("name")),
        pci=_address(device),
        memory_mib=parse.mib(device.get("totalglobalmem")),
        driver=parse.text_or_none(device.get("driver version")),
        runtime=parse.text_or_none(device.get("runtime version")),
        arch=None if capability is None else f"mp_{capability * 10:.0f}",
    )


def _address(device: dict[str, str]) -> str | None:
    try:
        domain, bus, slot = (
            int(device[f"pci{part}id"], 16) for part in ("domain", "bus", "device")
        )
    except (KeyError, ValueError):
        return None
    return parse.pci_parts(domain, bus, slot)
