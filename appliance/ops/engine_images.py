"""Images for container recipes: fetched, loaded from a file, and which recipes they serve."""

from __future__ import annotations

from pathlib import Path

from appliance.core.errors import UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.progress import Cancel
from appliance.engines.images import image_of, use_image
from appliance.engines.recipes import Recipe, load_recipes, recipe
from appliance.supervisor.container_images import Image, OnBytes, image_names, load, plain, pull


def load_images(
    archive: Path, recipe_id: str | None, sha256: str | None, on_bytes: OnBytes, cancel: Cancel
) -> list[Image]:
    """Load an archive; with `recipe_id`, that recipe uses its image from now on.

    Raises `UsageError` for a recipe without containers, and what `load` raises.
    """
    chosen = _container_recipe(recipe_id) if recipe_id else None
    images = load(archive, sha256, on_bytes, cancel)
    if chosen:
        use_image(chosen, _only_name(images, archive))
    return images


def pull_image(wanted: str, inventory: Inventory, on_bytes: OnBytes, cancel: Cancel) -> Image:
    """Fetch an image by its name, or the one of a recipe for this server's cards."""
    known = {one.id: one for one in load_recipes()}
    name = _of_recipe(known[wanted], inventory) if wanted in known else wanted
    return pull(name, on_bytes, cancel)


def recipes_with_images(inventory: Inventory) -> frozenset[str] | None:
    """Ids of container recipes whose image for this server's cards is here; `None` where no
    container engine answers.
    """
    here = image_names()
    if not here:
        return here
    return frozenset(
        one.id
        for one in load_recipes()
        if one.start == "container" and plain(_image_for(one, inventory) or "") in here
    )


def _image_for(one: Recipe, inventory: Inventory) -> str | None:
    """By the first card of the inventory that the recipe serves; `None` where there is none."""
    card = next((card for card in inventory.accelerators() if one.takes(card)), None)
    return image_of(one, card.arch) if card else None


def _of_recipe(one: Recipe, inventory: Inventory) -> str:
    _container_recipe(one.id)
    image = _image_for(one, inventory) or one.image_for(None)
    if image is None:
        raise UsageError(
            say("the image of {recipe} comes from the card's vendor alone", recipe=one.id),
            hint=say(
                "get it as a file, then `appliance engines load FILE.tar --recipe {recipe}`",
                recipe=one.id,
            ),
            code="IMAGE-FROM-VENDOR",
        )
    return image


def _container_recipe(recipe_id: str) -> Recipe:
    chosen = recipe(recipe_id)
    if chosen.start != "container":
        raise UsageError(
            say("{recipe} runs in no container", recipe=recipe_id),
            hint=say("see `appliance engines list`"),
            code="NO-CONTAINER",
        )
    return chosen


def _only_name(images: list[Image], archive: Path) -> str:
    names = [name for image in images for name in image.names]
    if len(names) == 1:
        return names[0]
    raise UsageError(
        say("{archive} holds {count} named images, not one", archive=archive, count=len(names)),
        hint=say("save one image with its name: `docker save NAME:TAG -o FILE.tar`"),
        code="BAD-IMAGE",
    )
