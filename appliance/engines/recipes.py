"""Recipes: which engine serves which kind of model on which kind of card, as data."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

from appliance.core.documents import prepare
from appliance.core.errors import UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Card, Document, VendorName
from appliance.engines.classes import architectures_of

Mark = Literal["run here", "documented", "inferred"]


class Limits(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an engine of this recipe cannot do, or holds back; `None` is no known limit."""

    max_slots: int | None = None
    max_cards: int | None = None
    kv_types: tuple[str, ...] = ("f16",)
    tensor_parallel: bool = False
    """Whether one layer can be computed by several cards; otherwise layers are dealt out."""
    max_tensor_parallel: int | None = None
    """Cards that share a layer of experts at most; more work in groups, side by side."""
    host_experts: bool = False
    """Whether experts can stay in host memory while the rest of a layer is on a card."""
    host_tables: bool = False
    """Whether a model's lookup tables (Engram) are kept in host memory."""
    prompt_cache_mib: int = 0
    """Host memory in which the engine keeps prompts of idle conversations."""
    told_cache: bool = False
    """Whether it is told how much memory the context of all conversations gets."""

    def ranks(self, cards: int, *, experts: bool) -> int | None:
        """How many of `cards` share each layer, others in groups beside; `None`: not with these.

        Experts are dealt out to all of them either way.
        """
        most = self.max_tensor_parallel
        if cards == 1:
            return 1
        if not self.tensor_parallel:
            return None
        if not experts or most is None or cards <= most:
            return cards
        return most if cards % most == 0 else None


class Recipe(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to serve. `mark` says how sure it is, `source` where it was read.

    `start`: the appliance starts a `process` by itself, can start it after a `build` on this server
    (of the backend `build`), from a Python `environment` that was installed here (that of
    `environment`, see environments.toml), or in a `container` once its image is here.
    """

    id: str
    engine: str
    title: str
    vendors: list[VendorName]
    archs: tuple[str, ...] = ("*",)
    """Patterns of the cards' architectures."""
    formats: list[Literal["gguf", "safetensors"]]
    architectures: list[str] | None = None
    """GGUF names of what it can load; `None` means everything in its formats."""
    classes: list[str] | None = None
    """Classes of models (classes.toml) it is known to serve; `None` means `architectures`."""
    start: Literal["process", "build", "environment", "container"]
    build: str | None = None
    environment: str | None = None
    instead_of: str | None = None
    """The container recipe that it stands in for where no container engine runs."""
    access: str | None = None
    image: dict[str, str] = {}
    command: str = ""
    env: dict[str, str] = {}
    mounts: list[str] = []
    files: dict[str, str] = {}
    ports: int = 1
    """How many loopback ports in a row it listens at; it answers at the first."""
    readiness: str = "/health"
    metrics: str | None = "/metrics"
    limits: Limits = Limits()
    notes: list[str] = []
    source: str
    mark: Mark

    def takes(self, card: Card) -> bool:
        """Whether it serves on cards of this vendor and architecture; an unknown one may pass."""
        known = card.arch is None or any(fnmatchcase(card.arch, arch) for arch in self.archs)
        return card.vendor in self.vendors and known

    def image_for(self, arch: str | None) -> str | None:
        """The container image for an architecture; `None` where the vendor hands it out."""
        for pattern, image in self.image.items():
            if arch is None or fnmatchcase(arch, pattern):
                return image
        return None


class _RecipeFile(msgspec.Struct, forbid_unknown_fields=True):
    commands: dict[str, str]
    recipe: list[dict[str, Any]]


prepare(_RecipeFile, Recipe)


@cache
def _file() -> _RecipeFile:
    text = files("appliance.engines").joinpath("recipes.toml").read_bytes()
    return msgspec.toml.decode(text, type=_RecipeFile)


@cache
def _recipes() -> dict[str, Recipe]:
    rows: dict[str, dict[str, Any]] = {}
    for row in _file().recipe:
        base = rows[row["like"]] if "like" in row else {}
        rows[row["id"]] = {**base, **{key: row[key] for key in row if key != "like"}}
    return {name: _known_architectures(msgspec.convert(row, Recipe)) for name, row in rows.items()}


def _known_architectures(one: Recipe) -> Recipe:
    if one.architectures is not None or one.classes is None:
        return one
    return msgspec.structs.replace(one, architectures=architectures_of(one.classes))


def load_recipes() -> list[Recipe]:
    """All recipes, in the order in which the file prefers them."""
    return list(_recipes().values())


def command_parts() -> dict[str, str]:
    """Pieces of commands that several recipes include, by name."""
    return _file().commands


def recipe(recipe_id: str) -> Recipe:
    """The recipe with this id. Raises `UsageError` for one that is not there."""
    if found := _recipes().get(recipe_id):
        return found
    raise UsageError(
        say("no such engine recipe: {recipe}", recipe=recipe_id),
        hint=say("see `appliance engines list`"),
        code="NO-SUCH-RECIPE",
    )
