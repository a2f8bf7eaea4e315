"""How an engine gets at the cards of each vendor (`vendors.toml`)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

from appliance.core.documents import prepare
from appliance.engines.command import ContainerOptions


class ContainerAccess(ContainerOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Templates of devices, mounts and environment, and the container's options."""

    devices: list[str] = []
    card_devices: list[str] = []
    mounts: list[str] = []
    env: dict[str, str] = {}

    def options(self) -> ContainerOptions:
        """The part of it that needs no filling in."""
        names = ContainerOptions.__struct_fields__
        return ContainerOptions(**{name: getattr(self, name) for name in names})


class Access(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One vendor's cards. `visible` hides all but the wanted ones from a process."""

    source: str
    visible: str | None = None
    container: ContainerAccess = ContainerAccess()


prepare(Access)


@cache
def _table() -> dict[str, Access]:
    text = files("appliance.engines").joinpath("vendors.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, Access])


def access_to(vendor: str) -> Access:
    """The way to the cards of `vendor` (or of a kind with a way of its own, such as `gaudi`)."""
    return _table()[vendor]
