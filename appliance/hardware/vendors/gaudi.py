"""Intel Gaudi (Habana Labs): `hl-smi`.

Formats: the CSV of inureyes/all-smi's parser (values with their units); tables of HL-SMI 1.4 to
1.24 pasted in public repositories: column titles, a NIC driver line and the spelling of MiB change,
the cells keep their units.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from appliance.core.i18n import say
from appliance.core.sample import CardProcess
from appliance.hardware.vendors.base import ABSENT, Ask, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry, merged
from appliance.hardware.vendors.parse import (
    Row,
    celsius,
    csv_rows,
    integer,
    mib,
    pci_address,
    percent,
    positive,
    table_groups,
    text_or_none,
)

_FIELDS = (
    "index,uuid,name,driver_version,memory.total,memory.used,memory.free,power.draw,power.max,"
    "temperature.aip,utilization.aip"
)


class Gaudi(Vendor):
    """Intel's Gaudi accelerators; reported under the vendor name `intel`."""

    name = "intel"
    title = "Intel Gaudi"
    install_hint: ClassVar = say(
        "install the Gaudi driver and firmware (habanalabs-installer.sh install --type base, or "
        "the packages habanalabs-dkms and habanalabs-firmware-tools from vault.habana.ai)"
    )

    def owns(self, device: PciDevice) -> bool:
        """Everything that Habana Labs makes is an accelerator."""
        return device.vendor_id == "1da3" and device.class_id.startswith("12")

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """The CSV query, and the table for bus addresses, errors and processes."""
        if bus is not None and not bus:
            return ABSENT
        inquiry = Inquiry(ask)
        query = ("hl-smi", "-Q", _FIELDS, "-f", "csv,noheader")
        rows, table = inquiry.at_once(query, ("hl-smi",))
        devices = merged([*parse_csv(rows).items(), *parse_table(table).items()])
        return inquiry.report([_with_arch(one) for one in devices.values()])


def parse_csv(text: str) -> dict[int, Reading]:
    """`hl-smi -Q … -f csv,noheader`, by device number."""
    names = _FIELDS.split(",")
    devices: dict[int, Reading] = {}
    for row in csv_rows(text):
        values = dict(zip(names, row, strict=True)) if len(row) == len(names) else {}
        index = integer(values.get("index"))
        if index is not None:
            devices[index] = _queried(index, values)
    return devices


def _queried(index: int, values: dict[str, str]) -> Reading:
    return Reading(
        index=index,
        uuid=text_or_none(values["uuid"]),
        name=text_or_none(values["name"]),
        driver=text_or_none(values["driver_version"]),
        memory_mib=mib(values["memory.total"]),
        memory_used_mib=mib(values["memory.used"]),
        power_w=positive(values["power.draw"]),
        power_limit_w=positive(values["power.max"]),
        temp_c=celsius(values["temperature.aip"]),
        util_pct=percent(values["utilization.aip"]),
    )


# -- the table ---------------------------------------------------------------------------------

_DRIVER = re.compile(r"(?<!Nic )Driver Version:\s*(\S+)")
_CARD = re.compile(r"(\d+)\s+(\S+)\s+\S+")
_POWER = re.compile(r"(?:([\d.]+)\s*W|N/A)\s*/\s*(?:([\d.]+)\s*W|N/A)")
_TEMPERATURE = re.compile(r"(?:^|\s)(\d+)\s*C(?:\s|$)")
_MEMORY = re.compile(r"(?:(\d+)\s*MiB|N/A)\s*/\s*(\d+)\s*MiB", re.IGNORECASE)
_PROCESS = re.compile(r"(\d+)\s+(\d+|N/A)\s+(?:\S+)\s+(\S.*?)\s+(\d+\s*MiB|N/A)", re.IGNORECASE)


def parse_table(text: str) -> dict[int, Reading]:
    """`hl-smi` without arguments: two lines a card, then processes by card."""
    driver = _DRIVER.search(text)
    devices: dict[int, Reading] = {}
    running: dict[int, list[CardProcess]] = {}
    for group in table_groups(text):
        current: int | None = None
        for row in group:
            if len(row) == 1:
                _take_process(running, row[0])
            elif len(row) == 3 and (address := pci_address(row[1].split(" ")[0])) is not None:
                current = _take_card(devices, row, address, driver[1] if driver else None)
            elif len(row) == 3 and current is not None:
                devices[current] = _with_values(devices[current], row)
                current = None
    return {
        index: msgspec.structs.replace(one, processes=running.get(index))
        for index, one in devices.items()
    }


def _take_card(
    devices: dict[int, Reading], row: Row, address: str, driver: str | None
) -> int | None:
    card = _CARD.fullmatch(row[0])
    if card is None:
        return None
    index = int(card[1])
    devices[index] = Reading(
        index=index,
        name=text_or_none(card[2]),
        pci=address,
        driver=driver,
        ecc_uncorrected=integer(row[2]),
    )
    return index


def _with_values(reading: Reading, row: Row) -> Reading:
    power, memory = _POWER.search(row[0]), _MEMORY.search(row[1])
    temperature = _TEMPERATURE.search(row[0])
    return msgspec.structs.replace(
        reading,
        fan_pct=percent(row[0].split(" ")[0]) if "%" in row[0] else None,
        temp_c=celsius(temperature[1]) if temperature else None,
        power_w=positive(power[1]) if power else None,
        power_limit_w=positive(power[2]) if power else None,
        memory_used_mib=mib(memory[1]) if memory else None,
        memory_mib=mib(memory[2]) if memory else None,
        util_pct=_utilization(row[2]),
    )


def _utilization(cell: str) -> float | None:
    """The first of two columns; the compute mode behind it may be a percentage as well."""
    words = cell.split()
    return percent(words[0]) if len(words) > 1 and words[0].endswith("%") else None


def _take_process(running: dict[int, list[CardProcess]], line: str) -> None:
    """A row that is all N/A says that nothing runs on its card."""
    match = _PROCESS.fullmatch(line)
    if match is None:
        return
    processes = running.setdefault(int(match[1]), [])
    if match[2].isdigit():
        process = CardProcess(
            pid=int(match[2]), command=text_or_none(match[3]), memory_mib=mib(match[4])
        )
        processes.append(process)


# -- generations -------------------------------------------------------------------------------

_GENERATIONS = (
    (re.compile(r"HL-1\d\d"), "goya"),
    (re.compile(r"HL-20\d"), "gaudi"),
    (re.compile(r"HL-2[2-9]\d"), "gaudi2"),
    (re.compile(r"HL-3\d\d"), "gaudi3"),
)


def _with_arch(reading: Reading) -> Reading:
    found = (arch for pattern, arch in _GENERATIONS if pattern.match(reading.name or ""))
    return msgspec.structs.replace(reading, arch=next(found, None))
