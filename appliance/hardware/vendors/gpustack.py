"""Library readers of the vendors that `gpustack-runtime` binds (AMD, Ascend, Cambricon, Hygon …).

Its detectors read all cards of a vendor at once. Three of their habits would make us lie, and are
undone here: utilization that cannot be read becomes 0 (with a debug warning that names the card),
a card whose usage was not read keeps zeroes, and a card counts as healthy until an ECC counter says
otherwise. Health words come from the vendor's own health question, where its library has one.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import msgspec

from appliance.core.inventory import VendorName
from appliance.hardware.vendors.base import Library, LibraryGone, Reading, Report
from appliance.hardware.vendors.gpustack_extras import extras, tells_utilization
from appliance.hardware.vendors.parse import celsius, pci_address, percent, positive, text_or_none

_DETECTORS: dict[VendorName, tuple[str, str]] = {
    "amd": ("amd", "AMDDetector"),
    "ascend": ("ascend", "AscendDetector"),
    "cambricon": ("cambricon", "CambriconDetector"),
    "hygon": ("hygon", "HygonDetector"),
    "iluvatar": ("iluvatar", "IluvatarDetector"),
    "metax": ("metax", "MetaXDetector"),
    "mthreads": ("mthreads", "MThreadsDetector"),
    "thead": ("thead", "THeadDetector"),
}
_ENVIRONMENT = {
    "GPUSTACK_RUNTIME_DETECT": "auto",
    "GPUSTACK_RUNTIME_LOG_WARNING": "1",
}
"""Asks for every vendor, and for the warnings that tell unknown from 0."""
_MOST_WATTS = 2000.0


def library(vendor: VendorName) -> Library | None:
    """The vendor's management library behind our interface; `None` where it is not installed.

    Call it in the helper process only: it changes the environment and the log of the process.
    """
    os.environ.update(_ENVIRONMENT)
    from importlib import import_module

    module, name = _DETECTORS[vendor]
    detectors = import_module(f"gpustack_runtime.detector.{module}")
    detector = getattr(detectors, name)()
    return _Detected(vendor, detector) if detector.is_supported() else None


class _Detected:
    """A detector of gpustack-runtime. Facts are read once, values each time."""

    def __init__(self, vendor: VendorName, detector: Any) -> None:
        self._vendor = vendor
        self._detector = detector
        self._warnings = _Warnings(f"gpustack_runtime.detector.{_DETECTORS[vendor][0]}")
        self._devices: list[Any] = []

    def read(self, *, processes: bool) -> Report:
        """All cards now; these libraries are not asked for processes."""
        self._warnings.forget()
        try:
            if not self._devices:
                self._devices = self._detector.detect_info() or []
            for device in self._devices:
                device.cores_utilization = device.memory_used = None
                device.temperature = device.power_used = None
            self._detector.detect_usage(self._devices)
        except Exception as error:  # each binding has an exception of its own
            raise LibraryGone(Report(answer="no_answer", message=str(error))) from error
        return Report(answer="ok", readings=[self._reading(device) for device in self._devices])

    def _reading(self, device: Any) -> Reading:
        appendix = device.appendix or {}
        memory_mib = int(device.memory) if device.memory else None
        reading = Reading(
            index=device.index,
            name=text_or_none(device.name),
            uuid=text_or_none(device.uuid),
            pci=pci_address(appendix.get("bdf")),
            memory_mib=memory_mib,
            driver=text_or_none(device.driver_version),
            runtime=text_or_none(device.runtime_version),
            arch=self._arch(device, appendix),
            util_pct=self._utilization(device, appendix),
            memory_used_mib=positive(device.memory_used) if memory_mib else None,
            temp_c=celsius(device.temperature),
            power_w=_watts(device.power_used),
            power_limit_w=_watts(device.power) or None,
        )
        return msgspec.structs.replace(reading, **extras(self._vendor, device))

    def _arch(self, device: Any, appendix: dict[str, Any]) -> str | None:
        """What the toolchain calls the chip, where the detector knows it by that name."""
        capability = str(device.compute_capability or "")
        if capability.startswith("gfx"):
            return capability
        if self._vendor == "ascend":
            family = text_or_none(appendix.get("arch_family"))
            return family.lower() if family else None
        return None

    def _utilization(self, device: Any, appendix: dict[str, Any]) -> float | None:
        place = (appendix.get("card_id"), appendix.get("device_id"))
        if self._warnings.unknown_utilization & {(device.index,), place}:
            return None
        if device.cores_utilization == 0 and not tells_utilization(self._vendor, device):
            return None
        return percent(device.cores_utilization)

    def close(self) -> None:
        """The libraries end with the process."""


def _watts(power: object) -> float | None:
    """Moore Threads' library counts milliwatts, which its detector passes on unchanged."""
    watts = positive(power)
    return watts / 1000 if watts is not None and watts > _MOST_WATTS else watts


class _Warnings(logging.Handler):
    """Listens for "Failed to get device %d cores utilization, setting to 0"."""

    def __init__(self, logger_name: str) -> None:
        super().__init__()
        self.unknown_utilization: set[tuple[object, ...]] = set()
        logger = logging.getLogger(logger_name)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep which card (an index, or card and device id) the warning is about."""
        if "cores utilization" in str(record.msg) and isinstance(record.args, tuple):
            self.unknown_utilization.add(record.args)

    def forget(self) -> None:
        """Before each reading."""
        self.unknown_utilization.clear()
