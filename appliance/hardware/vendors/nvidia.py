"""NVIDIA: NVML, `nvidia-smi`, and what the kernel log says when neither answers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from appliance.core.i18n import say
from appliance.core.inventory import CardState
from appliance.hardware.vendors import nvidia_forms as forms
from appliance.hardware.vendors.base import (
    Ask,
    Library,
    PciDevice,
    Reading,
    Report,
    ToolAnswer,
    Vendor,
)
from appliance.hardware.vendors.inquiry import Inquiry, fill
from appliance.hardware.vendors.parse import integer, pci_address

_SMI = "nvidia-smi"
_NO_DRIVER = (
    r"couldn't communicate with the NVIDIA driver|driver/library version mismatch"
    r"|failed to initialize NVML"
)
_CSV = (_SMI, f"--query-gpu={forms.CSV_FIELDS}", "--format=csv,noheader,nounits")
_SHORT_CSV = (_SMI, f"--query-gpu={forms.SHORT_CSV_FIELDS}", "--format=csv,noheader")


class Nvidia(Vendor):
    """GPUs of NVIDIA. NVSwitches, NICs and audio functions share the vendor id."""

    name = "nvidia"
    title = "NVIDIA"
    install_hint = say(
        "install the NVIDIA driver: `nvidia-driver` or `nvidia-open` of the distribution, or the "
        "data centre driver from https://www.nvidia.com/drivers; reboot afterwards"
    )

    def owns(self, device: PciDevice) -> bool:
        """Display and 3D controllers of 10de."""
        return device.vendor_id == "10de" and device.class_id.startswith(("0300", "0302"))

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """The best form that answers; then the kernel log about cards that did not."""
        heard: list[str] = []

        def listen(*argv: str) -> ToolAnswer | None:
            answer: ToolAnswer | None = ask(*argv)
            heard.extend((answer.stdout, answer.stderr) if answer is not None else ())
            return answer

        inquiry = Inquiry(listen, no_driver=_NO_DRIVER)
        readings = _readings(inquiry)
        answering = {reading.pci for reading in readings}
        lost = [card for card in _named_lost("\n".join(heard)) if card.pci not in answering]
        report = inquiry.report([*readings, *lost])
        missing = [device for device in bus or () if device.address not in answering]
        if readings and bus is not None and not missing:
            return report
        return _with_kernel_log(report, inquiry("dmesg", "-T"), answering)

    def open_library(self) -> Library | None:
        """NVML, through `nvidia-ml-py`."""
        from appliance.hardware.vendors.nvidia_library import open_nvml

        return open_nvml()


def _readings(inquiry: Inquiry) -> list[Reading]:
    if readings := forms.read_xml(inquiry(_SMI, "-q", "-x")):
        return readings
    if readings := forms.read_csv(inquiry(*_CSV)):
        return readings
    if readings := forms.read_q(inquiry(_SMI, "-q") or inquiry(_SMI, "--query")):
        return readings
    table = forms.read_table(inquiry(_SMI))
    listed = {reading.index: reading for reading in forms.read_list(inquiry(_SMI, "-L"))}
    short = forms.read_csv(inquiry(*_SHORT_CSV), forms.SHORT_CSV_FIELDS)
    if table:
        return [_completed(reading, listed.get(reading.index)) for reading in table]
    return [fill(reading, listed.get(reading.index)) for reading in short] or list(listed.values())


def _completed(reading: Reading, listed: Reading | None) -> Reading:
    """The table cuts long names short; the list does not."""
    cut = listed is not None and (reading.name or "").endswith("...")
    whole = msgspec.structs.replace(reading, name=None, arch=None) if cut else reading
    return fill(whole, listed)


_LOST = re.compile(
    r"unable to determine the device handle for (?:gpu|device)\s*(?P<index>\d*):?\s*"
    r"(?P<pci>[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])",
    re.IGNORECASE,
)


def _named_lost(messages: str) -> list[Reading]:
    """Cards that the tool itself gives up on, each once."""
    found = {
        pci_address(match["pci"]): integer(match["index"]) for match in _LOST.finditer(messages)
    }
    return [Reading(index=index, pci=pci, state="lost") for pci, index in found.items()]


# -- kernel log --------------------------------------------------------------------------------


class Xid(msgspec.Struct, frozen=True):
    """A driver error about one card, from the kernel log (NVIDIA's Xid catalogue)."""

    pci: str
    number: int
    text: str


_XID = re.compile(r"NVRM: Xid \(PCI:([0-9A-Fa-f:.]+)\): (\d+), (.*)")
_UUID = re.compile(r"NVRM: GPU at PCI:([0-9A-Fa-f:.]+): (GPU-[0-9a-f-]+)")
_FELL_OFF = 79
_NO_LONGER_ANSWERS = frozenset((61, 62, 119, 120))
"""Internal micro-controller halts and GSP timeouts: the driver waits for the card in vain."""


def read_xids(dmesg: str) -> list[Xid]:
    """All Xid lines of the kernel log, oldest first."""
    found = []
    for line in dmesg.splitlines():
        match = _XID.search(line)
        address = pci_address(match[1]) if match else None
        if match and address:
            found.append(Xid(address, int(match[2]), match[3].strip()))
    return found


def _with_kernel_log(report: Report, dmesg: str, answering: set[str | None]) -> Report:
    """`report` with the cards that do not answer and what the kernel log says about them."""
    uuids = {pci_address(match[1]): match[2] for match in _UUID.finditer(dmesg)}
    by_card: dict[str, list[Xid]] = {}
    for xid in read_xids(dmesg):
        if xid.pci not in answering:
            by_card.setdefault(xid.pci, []).append(xid)
    silent = {pci: _silent_card(pci, uuids.get(pci), xids) for pci, xids in by_card.items()}
    readings = [fill(reading, silent.pop(reading.pci or "", None)) for reading in report.readings]
    readings += [reading for reading in silent.values() if reading.state != "ok"]
    if report.answer == "absent" and readings:
        return Report(answer="no_answer", readings=readings)
    return msgspec.structs.replace(report, readings=readings)


def _silent_card(pci: str, uuid: str | None, xids: list[Xid]) -> Reading:
    numbers = {xid.number for xid in xids}
    last = {xid.number: xid.text for xid in xids}
    notes = [f"Xid {number}: {text}" for number, text in last.items()]
    state: CardState = "no_answer" if numbers & _NO_LONGER_ANSWERS else "ok"
    state = "lost" if _FELL_OFF in numbers else state
    return Reading(pci=pci, uuid=uuid, state=state, notes=notes)
