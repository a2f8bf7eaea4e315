"""The exact command that a choice would run."""

from __future__ import annotations

from pathlib import Path

from appliance.catalog.models import load_catalogue
from appliance.core.inventory import Inventory
from appliance.core.paths import Paths
from appliance.core.plan import Choice
from appliance.core.reference import parse_reference
from appliance.engines.build import command_for
from appliance.engines.command import EngineCommand
from appliance.engines.native.builds import CURRENT, builds_root
from appliance.engines.recipes import recipe
from appliance.ops.deployment import deployment_of, request_of
from appliance.weights.pull import request_for
from appliance.weights.store import Store

_EXAMPLE_PORT = 8000


def command_of(choice: Choice, inventory: Inventory, paths: Paths) -> EngineCommand:
    """The command of the choice's first replica, at an example port.

    A model that is not in the store yet, or an engine that is not built yet, is named by where it
    will be.
    """
    work = deployment_of(choice, _model_path(choice, paths), load_catalogue())
    first = next(iter(work.replica_cards().values()))
    cards = [card for card in inventory.cards if card.id in first]
    return command_for(request_of(work, cards, _EXAMPLE_PORT), build=_build_place(work.recipe))


def _build_place(recipe_id: str) -> Path | None:
    backend = recipe(recipe_id).build
    return builds_root(backend) / CURRENT if backend else None


def _model_path(choice: Choice, paths: Paths) -> str:
    request = request_for(parse_reference(choice.variant), load_catalogue())
    stored = Store(paths.models).find(request.model)
    if stored:
        return str(stored.entry)
    name = request.files[0].name if request.files else ""
    return str(Path(paths.models) / request.model.replace(":", "-") / Path(name).name)
