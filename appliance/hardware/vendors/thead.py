"""T-Head PPU (ZW810E, ZW-M890P …).

Formats: the PPU-SMI manual and the getting-started guide of the SAIL SDK (developer.t-head.cn);
queries as in zstack-utility and omnismi. Vendor 1ded (pci.ids, Alibaba) also has the eRDMA
network cards.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.core.i18n import say
from appliance.core.sample import CardProcess
from appliance.hardware.vendors import gpustack, parse, smi_query, smi_table
from appliance.hardware.vendors.base import Ask, Library, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry, fill

_NETWORK_CARDS = frozenset(("107f", "5007"))
_QUERY = (
    "ppu-smi",
    "--query-ppu=timestamp,index,name,uuid,pci.bus_id,memory.total,memory.used",
    "--format=csv,noheader,nounits",
)
_OTHER_QUERIES = (
    (
        "ppu-smi",
        "--query-ppu=timestamp,index,name,compute_mode,memory.total,memory.used",
        "--format=csv",
    ),
    ("ppu-smi", "--query-ppu=timestamp,count,name,serial,index,uuid", "--format=csv"),
)
_RUNNING = (
    "ppu-smi",
    "--query-compute-apps=timestamp,uuid,pid,process_name,used_ppu_memory",
    "--format=csv",
)
_SECTIONS = ("TEMPERATURE", "POWER", "UTILIZATION", "ECC", "MEMORY", "ROW_REMAPPER")


class THead(Vendor):
    """T-Head PPU."""

    name = "thead"
    title = "T-Head PPU"
    install_hint = say(
        "Install the PPU driver (kernel modules alipci, alixpu) and the SAIL SDK from"
        " developer.t-head.cn; ppu-smi is then in /usr/local/PPU_SDK."
    )

    def owns(self, device: PciDevice) -> bool:
        """Vendor 1ded; the eRDMA network cards are none."""
        return (
            device.vendor_id == "1ded"
            and device.class_id.startswith(("03", "0b", "12"))
            and device.device_id not in _NETWORK_CARDS
        )

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """A CSV query with the table and `-q`; else the sections of `-q`; else the list."""
        inquiry = Inquiry(ask, no_driver=smi_query.NO_DRIVER)
        rows = smi_query.csv_readings(_QUERY, inquiry(*_QUERY))
        readings = smi_query.together(rows, _table(inquiry("ppu-smi")))
        readings = smi_query.together(readings, _details(inquiry.besides("ppu-smi", "-q")))
        for other in (_other_queries, _in_sections, _list):
            readings = readings or other(inquiry)
        return inquiry.report(_with_processes(inquiry, readings))

    def open_library(self) -> Library | None:
        """The hgml library, as `gpustack-runtime` binds it."""
        return gpustack.library("thead")


def _table(text: str) -> list[Reading]:
    return smi_table.readings(
        smi_table.read(text),
        driver=smi_table.version(text, "Driver Version"),
        runtime=smi_table.version(text, "HGGC Version"),
    )


def _details(text: str) -> list[Reading]:
    root = parse.blocks(text)
    return [
        smi_query.reading(
            smi_query.flat(section.block),
            index=section.number,
            pci=section.pci,
            driver=parse.text_or_none(root.get("Driver Version")),
            runtime=parse.text_or_none(root.get("HGGC Version")),
            processes=smi_query.processes(section.block),
        )
        for section in smi_query.sections(root, "ppu")
    ]


def _in_sections(inquiry: Inquiry) -> list[Reading]:
    answers = (inquiry("ppu-smi", "-q", "-d", section) for section in _SECTIONS)
    return smi_query.collected(_details(answer) for answer in answers)


def _other_queries(inquiry: Inquiry) -> list[Reading]:
    """Field lists that others ask for; the list knows what they leave out."""
    rows = [smi_query.csv_readings(argv, inquiry(*argv)) for argv in _OTHER_QUERIES]
    readings = smi_query.collected(rows)
    return smi_query.together(readings, _list(inquiry)) if readings else []


def _list(inquiry: Inquiry) -> list[Reading]:
    return smi_query.listed(inquiry("ppu-smi", "-L"))


def _with_processes(inquiry: Inquiry, readings: list[Reading]) -> list[Reading]:
    """Processes by the unique id of their card, where no other answer told them."""
    if all(one.processes is not None or one.uuid is None for one in readings):
        return readings
    rows = parse.csv_table(inquiry.besides(*_RUNNING))
    running: dict[str, list[CardProcess]] = {}
    for row in rows:
        pid = parse.integer(row.get("pid"))
        if pid is not None:
            running.setdefault(row.get("uuid", ""), []).append(_process(pid, row))
    return [
        fill(one, Reading(processes=running.get(one.uuid, []))) if rows and one.uuid else one
        for one in readings
    ]


def _process(pid: int, row: dict[str, str]) -> CardProcess:
    return CardProcess(
        pid=pid,
        memory_mib=parse.mib(row.get("used_ppu_memory [MiB]")),
        command=parse.text_or_none(row.get("process_name")),
    )
