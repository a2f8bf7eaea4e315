"""Iluvatar CoreX (BI-V100, BI-V150, MR-V100 …).

Formats: the table of ixsmi 3.0 to 4.4 as pasted in FlagPerf, PaddlePaddle and ix-container-toolkit;
`ixsmi -q -x` by the elements that siltide reads; `--query-gpu` by its own help text as quoted in
public MR-V100 notes. A board of two dies shows its power at the second die only. No entry in
pci.ids; vendor 1e3e as `gpustack-runtime` has it.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.core.i18n import say
from appliance.hardware.vendors import gpustack, parse, smi_query, smi_table
from appliance.hardware.vendors.base import Ask, Library, PciDevice, Reading, Report, Vendor
from appliance.hardware.vendors.inquiry import Inquiry

_FIELDS = "index,name,memory.total,memory.used,utilization.gpu,temperature.gpu"
_QUERIES = (
    f"--query-gpu={_FIELDS},gpu.power.draw,gpu.power.limit",
    f"--query-gpu={_FIELDS},power.draw,gpu.power.limit",
    f"--query-gpu={_FIELDS},power.draw,power.limit",
)
"""Before 4.0 the power is called `power.draw`."""


class Iluvatar(Vendor):
    """Iluvatar CoreX."""

    name = "iluvatar"
    title = "Iluvatar CoreX"
    install_hint = say(
        "Install the CoreX driver (corex-driver-linux64-*.run, kernel module iluvatar) from"
        " support.iluvatar.com; ixsmi is then in /usr/local/corex/bin."
    )

    def owns(self, device: PciDevice) -> bool:
        """Vendor 1e3e, of a display or accelerator class."""
        return device.vendor_id == "1e3e" and device.class_id.startswith(("03", "0b", "12"))

    def read_tool(self, ask: Ask, bus: Sequence[PciDevice] | None) -> Report:
        """The XML log; else the CSV query, and what it leaves out from the table."""
        inquiry = Inquiry(ask, no_driver=smi_query.NO_DRIVER)
        readings = _log(inquiry("ixsmi", "-q", "-x"))
        if not readings:
            readings = smi_query.together(_csv(inquiry), _table(inquiry("ixsmi")))
        return inquiry.report(readings)

    def open_library(self) -> Library | None:
        """The ixml library, as `gpustack-runtime` binds it."""
        return gpustack.library("iluvatar")


def _csv(inquiry: Inquiry) -> list[Reading]:
    for query in _QUERIES:
        argv = ("ixsmi", query, "--format=csv,noheader")
        if readings := smi_query.csv_readings(argv, inquiry(*argv)):
            return readings
    return []


def _table(text: str) -> list[Reading]:
    return smi_table.readings(
        smi_table.read(text),
        driver=smi_table.version(text, "Driver Version"),
        runtime=smi_table.version(text, "CUDA Version"),
    )


def _log(text: str) -> list[Reading]:
    root = smi_query.xml_block(text)
    cards = root.all("gpu")
    return [
        smi_query.reading(
            smi_query.flat(card),
            index=index,
            driver=parse.text_or_none(root.get("driver version")),
            runtime=parse.text_or_none(root.get("cuda version")),
            processes=smi_query.processes(card),
        )
        for index, card in zip(smi_query.in_order(root, len(cards)), cards, strict=True)
    ]
