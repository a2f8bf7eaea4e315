"""The environments that are known (`environments.toml`)."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import msgspec

from appliance.core.documents import prepare
from appliance.core.errors import UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Card
from appliance.engines.native.backends import Need
from appliance.engines.recipes import Recipe, load_recipes


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One engine as Python packages; `read` says where its makers document that.

    `packages` are pinned exactly, all else follows from them. `python` are the versions it runs on,
    best first, `machines` the processors as `uname -m` calls them, both empty for any. `disk_mib`
    is what it takes installed, `download_mib` what is fetched for it, `None` where nobody measured.
    """

    id: str
    title: str
    version: str
    packages: list[str]
    python: list[str]
    machines: list[str] = []
    disk_mib: int
    download_mib: int | None = None
    driver: str | None = None
    """The oldest driver of the cards that the packages run with."""
    needs: list[Need] = []
    """What must be on the server besides."""
    index: str | None = None
    """An index of the makers' own, asked besides the one that pip is set up with."""
    before: str | None = None
    """Commands of a shell that set the scene for every program of the environment."""
    imports: list[str]
    tells_version: list[str]
    """A command of the environment that prints its version."""
    proof_flags: list[str] | None = None
    """Added to a recipe's command to prove it with a tiny model; `None`: it is not tried."""
    read: str

    @property
    def recipes(self) -> list[Recipe]:
        """What is served from it."""
        return [one for one in load_recipes() if one.environment == self.id]

    @property
    def fits_machine(self) -> bool:
        """Whether its packages are made for this processor."""
        return not self.machines or platform.machine() in self.machines


class _File(msgspec.Struct, forbid_unknown_fields=True):
    environment: list[Environment]


prepare(_File)


@cache
def environments() -> dict[str, Environment]:
    """All environments by their ids."""
    text = files("appliance.engines").joinpath("environments.toml").read_bytes()
    return {one.id: one for one in msgspec.toml.decode(text, type=_File).environment}


def environment(name: str) -> Environment:
    """The environment with this id, or that of the recipe with this id.

    Raises `UsageError` (`NO-SUCH-ENVIRONMENT`) where there is none.
    """
    of_recipes = {one.id: one.environment for one in load_recipes() if one.environment}
    if found := environments().get(of_recipes.get(name) or name):
        return found
    raise UsageError(
        say("no engine of that name is installed as Python packages: {name}", name=name),
        hint=say("choose one of: {names}", names=", ".join(environments())),
        code="NO-SUCH-ENVIRONMENT",
    )


def too_old_driver(needed: str | None, cards: Iterable[Card]) -> str | None:
    """The oldest driver of these cards that is below `needed`; `None` where none is known to be."""
    if needed is None:
        return None
    least = _numbers(needed)
    known = [card.driver for card in cards if card.driver and _numbers(card.driver)]
    old = [driver for driver in known if _numbers(driver)[: len(least)] < least]
    return min(old, key=_numbers, default=None)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.replace("-", ".").split(".")
    return tuple(int(part) for part in parts if part.isdigit())
