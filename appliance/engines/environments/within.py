"""Running programs of an environment."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.engines.environments.environment import Environment
from appliance.engines.environments.places import BIN

PYTHON = "python3"


def within(kind: Environment, argv: list[str]) -> list[str]:
    """A command line of the environment with the scene set for it."""
    return ["bash", "-c", f'{kind.before} && exec "$0" "$@"', *argv] if kind.before else argv


def python_of(place: Path) -> Path:
    """The environment's own Python."""
    return place / BIN / PYTHON


def search_path(place: Path) -> str:
    """PATH, so that what a program starts is looked for in its environment first."""
    return os.pathsep.join([str(place / BIN), os.environ.get("PATH", os.defpath)])
