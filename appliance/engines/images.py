"""Which image a container recipe uses on this server.

A recipe names one, or none where only the vendor hands it out. What was loaded here for a recipe
counts before it; `images.json` among the engines' data remembers that.
"""

from __future__ import annotations

import json
from pathlib import Path

from appliance.core.files import write_atomically
from appliance.core.paths import find_paths, private_directory
from appliance.engines.recipes import Recipe


def image_of(recipe: Recipe, arch: str | None) -> str | None:
    """The image for cards of this architecture; `None` while the vendor's was not loaded here."""
    return images_here().get(recipe.id) or recipe.image_for(arch)


def images_here() -> dict[str, str]:
    """Images that were loaded for a recipe, by its id."""
    try:
        table = json.loads(_file().read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in table.items()} if isinstance(table, dict) else {}


def use_image(recipe: Recipe, image: str) -> None:
    """From now on, containers of this recipe are made from `image`."""
    private_directory(_file().parent)
    table = json.dumps({**images_here(), recipe.id: image}, indent=2)
    write_atomically(_file(), f"{table}\n".encode())


def _file() -> Path:
    return find_paths().data / "engines" / "images.json"
