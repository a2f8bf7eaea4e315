"""Hygon DCU (the tools now say HCU): `hy-smi`, which older DTK releases call `rocm-smi`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from appliance.core.i18n import say
from appliance.hardware.vendors import rocm_smi, rocminfo
from appliance.hardware.vendors.base import Ask, Library, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry, merged

_METRICS = "--showuse --showmemuse --showpower --showtemp --showserial --showbus --json"
_MEMORY = "--showproductname --showmeminfo vram --json"
_LIMITS = "--showserial --showmaxpower --showmemavailable --showbus --json"
_ROCM = (
    "-i --showmeminfo vram --showpower --showserial --showuse --showtemp --showproductname "
    "--showuniqueid --json"
)
_BUSY_PCT = 5.0
_STUCK_POWER_W = 8.0
"""What a failed power sensor reads; seen on every card of a box under load."""


class Hygon(Vendor):
    """Hygon's deep computing units."""

    name = "hygon"
    title = "Hygon DCU"
    install_hint: ClassVar = say(
        "install the DCU driver (rock-*.run, module hycu) and the DTK of the same release, "
        "from developer.sourcefind.cn, so that /opt/hyhal/bin/hy-smi answers"
    )

    def owns(self, device: PciDevice) -> bool:
        """Bridges, USB and crypto functions of Hygon's processors (14xx) share the vendor id."""
        return (
            device.vendor_id == "1d94"
            and device.class_id.startswith(("0b40", "12", "03"))
            and not device.device_id.startswith("14")
        )

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """JSON first; the table where there is none, or for what it leaves open."""
        inquiry = Inquiry(ask)
        devices = _from_hy_smi(inquiry) or _from_rocm_smi(inquiry)
        readings = _without_stuck_power(list(devices.values()))
        if any(reading.arch is None for reading in readings):
            agents = rocminfo.parse(inquiry.besides("rocminfo"))
            readings = rocminfo.named(readings, agents, rename=False)
        return inquiry.report(rocm_smi.placed(readings, bus))

    def open_library(self) -> Library | None:
        """Hygon's ROCm SMI and HYDMI, through gpustack-runtime."""
        from appliance.hardware.vendors import gpustack

        return gpustack.library("hygon")


def _from_hy_smi(inquiry: Inquiry) -> dict[int, Reading]:
    questions = [("hy-smi", *options.split()) for options in (_METRICS, _MEMORY, _LIMITS)]
    devices = _readings([rocm_smi.parse_json(text) for text in inquiry.at_once(*questions)])
    if not devices or any(one.power_limit_w is None for one in devices.values()):
        table = rocm_smi.parse_hygon_table(inquiry("hy-smi"))
        devices = merged([*devices.items(), *table.items()])
    return devices


def _from_rocm_smi(inquiry: Inquiry) -> dict[int, Reading]:
    answer = rocm_smi.parse_json(inquiry("rocm-smi", *_ROCM.split()))
    devices = _readings([answer] if answer.is_hygon else [])
    return devices or rocm_smi.parse_hygon_table(inquiry("rocm-smi"))


def _readings(answers: Sequence[rocm_smi.Answer]) -> dict[int, Reading]:
    return merged(
        (index, rocm_smi.reading(index, card, answer.system))
        for answer in answers
        for index, card in sorted(answer.cards.items())
    )


def _without_stuck_power(readings: list[Reading]) -> list[Reading]:
    """8 W while a card works is no measurement: none of the 8 W readings of that box is one."""
    stuck = any(
        one.power_w == _STUCK_POWER_W and (one.util_pct or 0) >= _BUSY_PCT for one in readings
    )
    return [
        msgspec.structs.replace(one, power_w=None)
        if stuck and one.power_w == _STUCK_POWER_W
        else one
        for one in readings
    ]
