"""AMD: GPUs of the amdgpu driver, by `amd-smi`, else by the older `rocm-smi`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from appliance.core.i18n import say
from appliance.hardware.vendors import amd_monitor, amd_smi, rocm_smi, rocminfo
from appliance.hardware.vendors.base import Ask, Library, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry, merged

_NO_DRIVER = r"DRIVER_NOT_LOADED|unable to detect any gpu devices, check amdgpu"

_ROCM_SHORT = (
    "--showid --showproductname --showtemp --showpower --showuse --showmeminfo vram --showbus "
    "--json"
)
_ROCM_LONG = (
    "-o -l -m -M -g -c -t -u -i -f -p -P -s -S -v --showreplaycount --showpids "
    "--showdriverversion --showmemvendor --showfwinfo --showproductname --showserial "
    "--showuniqueid --showbus --showpendingpages --showpagesinfo --showretiredpages "
    "--showunreservablepages --showmemuse --showvoltage --showtopo --showtopoweight "
    "--showtopohops --showtopotype --showtoponuma --showmeminfo all --json"
)
_ROCM_IDS = (
    "-i --showmeminfo vram --showpower --showserial --showuse --showtemp --showproductname "
    "--showuniqueid --json"
)
_MONITORS = ("monitor -p -t -v", "monitor -q", "monitor --csv")
_TEXTS = ("static --limit", "metric --pcie", "metric --throttle")

_APU_IDS = (
    "1304 1305 1306 1307 1309 130a 130b 130c 130d 130e 130f 1310 1311 1312 1313 1315 1316 1317 "
    "1318 131b 131c 131d 9830 9831 9832 9833 9834 9835 9836 9837 9838 9839 983d 9850 9851 9852 "
    "9853 9854 9855 9856 9874 98e4 15dd 15d8 1636 1638 164c 164d 164e 1681 163f 15bf 15c8 15e7 "
    "1506 1900 1901 13c0 150e 1114"
)
"""Graphics inside AMD's processors (pci.ids): Kaveri to Krackan. Strix Halo (1586) is not here: its
unified memory of up to 128 GB makes it a card to serve with; the MI300A is an accelerator too."""
_APUS = frozenset(_APU_IDS.split())

_ROCM_SMI_POWERLESS = ("74a", "74b", "75a")
_LEAST_POWER_W = 3.0
"""rocm-smi shows 0 to 2 W for the MI300 family (seen on an MI325X); idle ones draw over 100 W."""


class Amd(Vendor):
    """Radeon and Instinct GPUs."""

    name = "amd"
    title = "AMD"
    install_hint: ClassVar = say(
        "install the amdgpu driver and ROCm: `amdgpu-install --usecase=dkms,rocm` from "
        "repo.radeon.com, add the service's user to the groups render and video, reboot"
    )

    def owns(self, device: PciDevice) -> bool:
        """Display controllers and accelerators of 1002, without audio and processor graphics."""
        return (
            device.vendor_id == "1002"
            and device.class_id.startswith(("0300", "0302", "0380", "12"))
            and device.device_id not in _APUS
        )

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """`amd-smi` in JSON; else `rocm-smi`, else its monitor; then limits and names."""
        inquiry = Inquiry(ask, no_driver=_NO_DRIVER)
        devices = _from_amd_smi(inquiry)
        if not _measured(devices):
            devices = merged([*devices.items(), *_from_rocm_smi(inquiry).items()])
        if not _measured(devices):
            devices = merged([*devices.items(), *_from_monitor(inquiry).items()])
        if not devices or any(_wants_limits(one) for one in devices.values()):
            devices = _with_texts(inquiry, devices)
        readings = rocm_smi.placed(_with_names(inquiry, list(devices.values())), bus)
        return inquiry.report(readings)

    def open_library(self) -> Library | None:
        """AMD SMI and ROCm SMI, through gpustack-runtime."""
        from appliance.hardware.vendors import gpustack

        return gpustack.library("amd")


def _measured(devices: dict[int, Reading]) -> bool:
    """Whether a reader told how at least one GPU is doing."""
    return any(
        one.util_pct is not None or one.memory_used_mib is not None for one in devices.values()
    )


def _from_amd_smi(inquiry: Inquiry) -> dict[int, Reading]:
    questions = [("amd-smi", verb, "--json") for verb in ("list", "static", "metric")]
    answers = [amd_smi.parse(text) for text in inquiry.at_once(*questions)]
    running = amd_smi.parse(inquiry.besides("amd-smi", "process", "--json"))
    return _readings(amd_smi.merge(*answers, running))


def _readings(trees: dict[int, amd_smi.Tree]) -> dict[int, Reading]:
    return {
        gpu: amd_smi.reading(gpu, tree)
        for gpu, tree in trees.items()
        if _device_id(amd_smi.at(tree, "asic", "device_id")) not in _APUS
    }


def _device_id(text: object) -> str:
    return str(text).strip().lower().removeprefix("0x")


def _from_rocm_smi(inquiry: Inquiry) -> dict[int, Reading]:
    """The short question first; the long one for limits, clocks and links, or in its place."""
    answers = [rocm_smi.parse_json(inquiry("rocm-smi", *_ROCM_SHORT.split()))]
    ask = inquiry.besides if answers[0].cards else inquiry.__call__
    answers.append(rocm_smi.parse_json(ask("rocm-smi", *_ROCM_LONG.split())))
    if not any(answer.cards for answer in answers):
        answers.append(rocm_smi.parse_json(inquiry("rocm-smi", *_ROCM_IDS.split())))
    if any(answer.is_hygon for answer in answers):
        return {}
    return merged(
        (index, _rocm_reading(index, card, answer))
        for answer in answers
        for index, card in sorted(answer.cards.items())
        if _rocm_device_id(card) not in _APUS
    )


def _rocm_device_id(card: rocm_smi.Fields) -> str:
    return _device_id(card.get("device id", card.get("gpu id")))


def _rocm_reading(index: int, card: rocm_smi.Fields, answer: rocm_smi.Answer) -> Reading:
    reading = rocm_smi.reading(index, card, answer.system)
    power_w = reading.power_w
    if _rocm_device_id(card).startswith(_ROCM_SMI_POWERLESS) and (power_w or 0) < _LEAST_POWER_W:
        power_w = None
    running = rocm_smi.processes(answer.system) if rocm_smi.has_one_card(answer) else []
    return msgspec.structs.replace(
        reading,
        power_w=power_w,
        links=rocm_smi.links(answer.system).get(index, []),
        processes=running or None,
    )


def _from_monitor(inquiry: Inquiry) -> dict[int, Reading]:
    for question in _MONITORS:
        devices = amd_monitor.parse(inquiry("amd-smi", *question.split()))
        if devices:
            return devices
    return _readings(amd_smi.parse(inquiry("amd-smi", "--json")))


def _wants_limits(reading: Reading) -> bool:
    return reading.temp_warn_c is None or reading.power_limit_w is None


def _with_texts(inquiry: Inquiry, devices: dict[int, Reading]) -> dict[int, Reading]:
    """Limits, link and throttling from the text forms; GPUs they alone know are new."""
    ask = inquiry.besides if devices else inquiry.__call__
    texts = [amd_smi.parse(ask("amd-smi", *question.split())) for question in _TEXTS]
    devices = merged([*devices.items(), *_readings(amd_smi.merge(*texts)).items()])
    violations = amd_monitor.parse(ask("amd-smi", "monitor", "--violation"))
    known = {gpu: one for gpu, one in violations.items() if gpu in devices or not devices}
    return merged([*devices.items(), *known.items()])


def _with_names(inquiry: Inquiry, readings: list[Reading]) -> list[Reading]:
    """The target, and the product where rocm-smi shows all that share a chip, from `rocminfo`."""
    if all(one.arch and one.name and "/" not in one.name for one in readings):
        return readings
    agents = rocminfo.parse(inquiry.besides("rocminfo"))
    return rocminfo.named(readings, agents, rename=any("/" in (one.name or "") for one in readings))
