"""Biren (106B, 106M, 166M …).

Formats: the table of BR-SMI 1.11 as pasted in birensupa-spectralconv; the CSV query and the list by
the vendor's command reference. Vendor 1ee0 is general knowledge, to be verified on hardware.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.core.i18n import say
from appliance.hardware.vendors import smi_query, smi_table
from appliance.hardware.vendors.base import Ask, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry

_QUERY = (
    "brsmi",
    "gpu",
    "--query-gpu=index,name,uuid,pci.bus_id,utilization.gpu,memory.used,memory.total,temperature.gpu",
    "--format=csv,noheader,nounits",
)


class Biren(Vendor):
    """Biren."""

    name = "biren"
    title = "Biren"
    install_hint = say(
        "Install the BIRENSUPA driver (kernel module biren) from Biren's developer site;"
        " brsmi is then in /usr/local/birensupa/bin."
    )

    def owns(self, device: PciDevice) -> bool:
        """Vendor 1ee0, of a display or accelerator class."""
        return device.vendor_id == "1ee0" and device.class_id.startswith(("03", "0b", "12"))

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """The CSV query, and what it leaves out from the table; else the list."""
        inquiry = Inquiry(ask, no_driver=smi_query.NO_DRIVER)
        rows = smi_query.csv_readings(_QUERY, inquiry(*_QUERY))
        readings = smi_query.together(rows, _table(inquiry("brsmi")))
        if not readings:
            readings = _list(inquiry("brsmi", "gpu", "list"))
        return inquiry.report(readings)


def _table(text: str) -> list[Reading]:
    return smi_table.readings(
        smi_table.read(text),
        driver=smi_table.version(text, "Driver Version"),
        runtime=smi_table.version(text, "SUPA Version"),
    )


def _list(text: str) -> list[Reading]:
    return smi_query.listed(text) or _table(text)
