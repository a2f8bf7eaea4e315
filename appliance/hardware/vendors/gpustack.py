"""Library readers of the vendors that `gpustack-runtime` binds."""

from __future__ import annotations

from appliance.core.inventory import VendorName
from appliance.hardware.vendors.base import Library


def library(vendor: VendorName) -> Library | None:
    """The vendor's management library behind our interface; `None` where it is not installed.

    Call it in the helper process only.
    """
    return None
