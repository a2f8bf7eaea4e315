"""The exact command that a choice would run."""

from __future__ import annotations

from pathlib import Path

from appliance.catalog.models import load_catalogue
from appliance.core.errors import UsageError
from appliance.core.inventory import Inventory
from appliance.core.paths import Paths
from appliance.core.plan import Choice
from appliance.core.reference import CatalogReference, parse_reference
from appliance.engines.build import command_for
from appliance.engines.command import EngineCommand
from appliance.engines.request import EngineRequest
from appliance.ops.deployment import deployment_of
from appliance.weights.pull import request_for
from appliance.weights.store import Store

_EXAMPLE_PORT = 8000


def command_of(choice: Choice, inventory: Inventory, paths: Paths) -> EngineCommand:
    """The command of the choice's first replica, at an example port.

    A model that is not in the store yet is named by where it will be.
    """
    work = deployment_of(
        choice, model_path=_model_path(choice, paths), family=_family(choice), self_test=False
    )
    first = next(iter(work.replica_cards().values()))
    return command_for(
        EngineRequest(
            recipe=work.recipe,
            model_path=work.model_path,
            alias=work.id,
            port=_EXAMPLE_PORT,
            context=work.context,
            slots=work.slots,
            kv_type=work.kv_type,
            ubatch=work.ubatch,
            cards=[card for card in inventory.cards if card.id in first],
            tensor_parallel=work.tensor_parallel,
            pipeline_parallel=work.pipeline_parallel,
            family=work.family,
        )
    )


def _model_path(choice: Choice, paths: Paths) -> str:
    request = request_for(parse_reference(choice.variant), load_catalogue())
    stored = Store(paths.models).find(request.model)
    if stored:
        return str(stored.entry)
    name = request.files[0].name if request.files else ""
    return str(Path(paths.models) / request.model.replace(":", "-") / Path(name).name)


def _family(choice: Choice) -> str | None:
    try:
        reference = parse_reference(choice.variant)
    except UsageError:
        return None
    return reference.model if isinstance(reference, CatalogReference) else None
