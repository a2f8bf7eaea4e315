"""Every vendor we know: one line each. `ALL` holds the classes, imported when first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from appliance.hardware.vendors.base import Vendor

_CLASSES = (
    "nvidia:Nvidia",
    "amd:Amd",
    "intel:Intel",
    "gaudi:Gaudi",
    "apple:Apple",
    "ascend:Ascend",
    "mthreads:MooreThreads",
    "metax:MetaX",
    "hygon:Hygon",
    "enflame:Enflame",
    "iluvatar:Iluvatar",
    "biren:Biren",
    "kunlunxin:Kunlunxin",
    "cambricon:Cambricon",
    "thead:THead",
)
"""File and class under `appliance/hardware/vendors/`. A vendor name may have two lines (Intel)."""

ALL: tuple[type[Vendor], ...]


@cache
def _load() -> tuple[type[Vendor], ...]:
    lines = (line.partition(":") for line in _CLASSES)
    return tuple(
        getattr(import_module(f"appliance.hardware.vendors.{module}"), name)
        for module, _, name in lines
    )


def __getattr__(name: str) -> tuple[type[Vendor], ...]:
    if name == "ALL":
        return _load()
    raise AttributeError(name)
