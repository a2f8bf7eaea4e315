"""Classes of models: what engines must be told about each."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

import msgspec

from appliance.core.documents import prepare


class ModelClass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Models that an engine serves with the same settings.

    `flags` are by engine, and so are `draft`, how it uses the drafting head that comes with the
    weights (a template), and `drafts`, how many tokens it then drafts; on the card architectures
    `undrafted` it does not. `cache` is how vLLM keeps the context unless a vendor has its own way.
    Weights outside the catalogue are told by their class of `transformers` and by a piece of their
    chat `template`; `known_as` is the class that recipes name where they serve this one, too.
    """

    id: str
    title: str
    families: list[str]
    architectures: list[str]
    transformers: list[str] = []
    template: str = ""
    known_as: str | None = None
    experts: bool = False
    cache: list[str] = []
    draft: Mapping[str, str] = {}
    drafts: Mapping[str, int] = {}
    undrafted: Mapping[str, list[str]] = {}
    flags: Mapping[str, list[str]] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    classes: list[ModelClass] = msgspec.field(name="class")


prepare(_File)


@cache
def classes() -> tuple[ModelClass, ...]:
    """All classes, the narrow ones first; the last one takes anything."""
    text = files("appliance.engines").joinpath("classes.toml").read_bytes()
    return tuple(msgspec.toml.decode(text, type=_File).classes)


def class_of(family: str | None) -> ModelClass:
    """The class of a catalogue family; of an unknown one the class without settings."""
    name = family or ""
    return next(c for c in classes() if any(fnmatchcase(name, pattern) for pattern in c.families))


def class_of_weights(transformers: str, template: str) -> ModelClass:
    """The class of weights outside the catalogue, of which that of `transformers` is known."""
    return next(c for c in classes() if transformers in c.transformers and c.template in template)


def class_named(class_id: str) -> ModelClass:
    """The class with this id; one that this version does not have is the class without settings."""
    return next((c for c in classes() if c.id == class_id), classes()[-1])


def drafts_of(family: str | None, engine: str, command: str, arch: str | None) -> int:
    """Tokens that `command` (of a recipe) drafts for each of this catalogue family's on `arch`."""
    kind = class_of(family)
    if "include 'draft'" not in command or arch in kind.undrafted.get(engine, ()):
        return 0
    return kind.drafts.get(engine, 0)


def architectures_of(class_ids: list[str]) -> list[str]:
    """GGUF names of the architectures in these classes, each once."""
    named = [a for c in classes() if c.id in class_ids for a in c.architectures]
    return list(dict.fromkeys(named))
