"""A build is good when it serves: it is started the way it will be, and asked something."""

from __future__ import annotations

from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.loopback import free_port
from appliance.core.progress import Cancel
from appliance.engines.answers import CHECK, fault_of
from appliance.engines.build import command_for
from appliance.engines.recipes import load_recipes
from appliance.engines.request import EngineRequest

BUILD_BROKEN = "BUILD-BROKEN"
_START_S = 120.0


def verify(build: Path, backend: str, model: Path, log: Path, cancel: Cancel) -> None:
    """Serve `model` with `build`. Raises `ApplianceError` (`BUILD-BROKEN`) when no answer comes."""
    request = EngineRequest(
        recipe=next(recipe.id for recipe in load_recipes() if recipe.build == backend),
        model_path=str(model),
        alias=CHECK,
        port=free_port(),
        context=512,
    )
    why = fault_of(command_for(request, place=build), log, cancel, start_s=_START_S)
    if why is not None:
        raise ApplianceError(
            say("the new build does not serve: {why}", why=why),
            hint=say("nothing was changed; the log is {log}", log=log),
            code=BUILD_BROKEN,
        )
