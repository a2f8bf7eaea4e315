"""Facts about a kind of card, as a planner needs them."""

from __future__ import annotations

from typing import Literal

from appliance.core.inventory import Document, VendorName


class CardFacts(Document, frozen=True, kw_only=True):
    """One row of cards.toml. Bandwidth in 10^9 bytes/s; compute is dense, matrix units.

    `mark` says how sure the bandwidth is: `sourced`, or `general knowledge` (verify on hardware).
    """

    name: str
    vendor: VendorName
    reported_as: list[str] = []
    memory_gib: float | None = None
    bandwidth_gbs: float | None = None
    fp16_tflops: float | None = None
    fp8_int8_tops: float | None = None
    tdp_w: float | None = None
    dies: int = 1
    """Devices that the driver counts on one board; the figures are the whole board's."""
    interconnect: str | None = None
    host_share: float | None = None
    """Of the host's memory, what a card may take that computes in it; `None`: it has its own."""
    carve_out: bool = False
    """Whether firmware can set memory aside for it, which the host then does not have."""
    arch: str | None = None
    """Family as the vendor's toolchain names it: `sm_90`, `gfx942`, `ascend910b`, `mp_22` …"""
    formats: list[str] = []
    """Number formats the matrix units compute in: fp16, bf16, fp8, int8, fp4 …"""
    temp_warn_c: float | None = None
    temp_critical_c: float | None = None
    source: str = ""
    mark: Literal["sourced", "general knowledge"] = "general knowledge"
    general_knowledge: list[str] = []
    """Names of the fields of this row that are not from `source`."""
