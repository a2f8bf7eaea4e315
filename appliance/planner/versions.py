"""Versions as makers write them: compared by their numbers, and read off an image's name."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from appliance.engines.environments.environment import environment
from appliance.engines.recipes import Recipe

_NUMBERS = re.compile(r"\d+")
_VERSION = r"\d+(?:\.\d+)+"


def numbers(text: str) -> tuple[int, ...]:
    """`580.65.06` as (580, 65, 6), `v24.1.rc2` as (24, 1, 2), `2026-06-29` as (2026, 6, 29)."""
    return tuple(int(number) for number in _NUMBERS.findall(text))


def older(version_text: str, than: str) -> bool:
    """Whether a version comes before another; one without any number is not taken for older."""
    one, other = numbers(version_text), numbers(than)
    return bool(one) and one[: len(other)] < other


def engine_version(recipe: Recipe, arch: str | None) -> str | None:
    """The version of an engine that a recipe starts; `None` where it does not say.

    Of a container by its image's name, of an environment by its packages, of our own process by
    its package.
    """
    if recipe.start == "process":
        return _prebuilt_version()
    if recipe.environment:
        return environment(recipe.environment).version
    found = re.search(rf"{recipe.engine.lower()}({_VERSION})", recipe.image_for(arch) or "")
    return found[1] if found else None


@cache
def _prebuilt_version() -> str | None:
    try:
        return version("xllamacpp")
    except PackageNotFoundError:
        return None
