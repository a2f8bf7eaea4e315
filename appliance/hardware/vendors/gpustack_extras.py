"""What the vendors' libraries tell beyond what gpustack-runtime's detectors ask them.

Each function gets a detector's device and returns fields of a `Reading`. The bindings raise
exceptions of their own kinds; whatever fails is left unknown.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from appliance.core.inventory import VendorName
from appliance.core.sample import HealthWord, Pcie
from appliance.hardware.vendors.parse import celsius, integer, number, positive

Fields = dict[str, Any]


def extras(vendor: VendorName, device: Any) -> Fields:
    """Known fields only."""
    ask = _EXTRAS.get(vendor)
    found: Fields = {}
    if ask is not None:
        with contextlib.suppress(Exception):
            found = ask(device)
    return {name: value for name, value in found.items() if value is not None}


def tells_utilization(vendor: VendorName, device: Any) -> bool:
    """Whether a utilization of 0 is one. Cambricon's detector swallows errors without a word."""
    if vendor != "cambricon":
        return True
    from gpustack_runtime.detector import pycndev

    try:
        pycndev.cndevGetDeviceUtilizationInfo(pycndev.cndevGetDeviceHandleByIndex(device.index))
    except pycndev.CNDevError:
        return False
    return True


_DCMI_HEALTH: dict[int, HealthWord] = {0: "ok", 1: "warning", 2: "critical", 3: "critical"}
"""dcmi_get_device_health: none, minor, major, critical alarm; `npu-smi` says OK to Critical."""


def _ascend(device: Any) -> Fields:
    from gpustack_runtime.detector import pydcmi

    place = device.appendix["card_id"], device.appendix["device_id"]
    return {"health": _DCMI_HEALTH.get(pydcmi.dcmi_get_device_health(*place))}


def _cambricon(device: Any) -> Fields:
    from gpustack_runtime.detector import pycndev

    handle = pycndev.cndevGetDeviceHandleByIndex(device.index)
    healthy = pycndev.cndevGetCardHealthStateV2(handle).health
    return {"health": "ok" if healthy else "critical"}


def _iluvatar(device: Any) -> Fields:
    from gpustack_runtime.detector import pyixml

    faults = pyixml.ixmlDeviceGetHealth(pyixml.nvmlDeviceGetHandleByIndex(device.index))
    return {"health": "ok" if faults == pyixml.IXML_HEALTH_OK else "critical"}


_GENERATIONS = {25: 1, 50: 2, 80: 3, 160: 4, 320: 5, 640: 6}
"""gpu_metrics counts the link's speed in tenths of GT/s."""


def _amd(device: Any) -> Fields:
    """From amdsmi's gpu_metrics; the detector's temperature is the hot spot's."""
    from gpustack_runtime.detector import pyamdsmi

    handle = pyamdsmi.amdsmi_get_processor_handles()[device.index]
    metrics = pyamdsmi.amdsmi_get_gpu_metrics_info(handle)
    link = Pcie(
        gen=_GENERATIONS.get(integer(metrics.get("pcie_link_speed")) or 0),
        width=integer(metrics.get("pcie_link_width")),
    )
    return {
        "temp_c": celsius(metrics.get("temperature_edge")),
        "temp_hotspot_c": celsius(metrics.get("temperature_hotspot")),
        "temp_memory_c": celsius(metrics.get("temperature_mem")),
        "clock_mhz": positive(metrics.get("current_gfxclk")),
        "pcie": link if link != Pcie() else None,
        "ecc_uncorrected": _amd_ecc(pyamdsmi, handle),
    }


def _amd_ecc(pyamdsmi: Any, handle: Any) -> int | None:
    with contextlib.suppress(Exception):
        counts = pyamdsmi.amdsmi_get_gpu_total_ecc_count(handle)
        return integer(number(counts.get("uncorrectable_count")))
    return None


_EXTRAS: dict[VendorName, Callable[[Any], Fields]] = {
    "amd": _amd,
    "ascend": _ascend,
    "cambricon": _cambricon,
    "iluvatar": _iluvatar,
}
