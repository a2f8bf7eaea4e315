"""Recipes: which engine serves which kind of model on which kind of card, as data."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from appliance.core.errors import UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Document, VendorName

Mark = Literal["run here", "documented", "inferred"]


class Limits(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an engine of this recipe cannot do, or holds back; `None` is no known limit."""

    max_slots: int | None = None
    max_cards: int | None = None
    kv_types: tuple[str, ...] = ("f16",)
    tensor_parallel: bool = False
    """Whether one layer can be computed by several cards; otherwise layers are dealt out."""
    prompt_cache_mib: int = 0
    """Host memory in which the engine keeps prompts of idle conversations."""


class Recipe(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to serve. `mark` says how sure it is, `source` where it was read."""

    id: str
    engine: str
    title: str
    vendors: list[VendorName]
    formats: list[Literal["gguf", "safetensors"]]
    architectures: list[str] | None = None
    """GGUF names of what it can load; `None` means everything in its formats."""
    start: Literal["process", "container"]
    readiness: str = "/health"
    metrics: str | None = "/metrics"
    limits: Limits = Limits()
    source: str
    mark: Mark


class _RecipeFile(msgspec.Struct, forbid_unknown_fields=True):
    recipe: list[Recipe]


@cache
def _recipes() -> tuple[Recipe, ...]:
    text = files("appliance.engines").joinpath("recipes.toml").read_text(encoding="utf-8")
    return tuple(msgspec.convert(tomllib.loads(text), _RecipeFile).recipe)


def load_recipes() -> list[Recipe]:
    """All recipes, in the order in which the file prefers them."""
    return list(_recipes())


def recipe(recipe_id: str) -> Recipe:
    """The recipe with this id. Raises `UsageError` for one that is not there."""
    for candidate in _recipes():
        if candidate.id == recipe_id:
            return candidate
    raise UsageError(
        say("no such engine recipe: {recipe}", recipe=recipe_id),
        hint=say("see `appliance engines list`"),
        code="NO-SUCH-RECIPE",
    )
