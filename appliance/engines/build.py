"""From a request to the exact command."""

from __future__ import annotations

import sys

from appliance.core.errors import UsageError
from appliance.core.i18n import say
from appliance.engines.command import EngineCommand
from appliance.engines.recipes import Recipe, recipe
from appliance.engines.request import EngineRequest


def command_for(request: EngineRequest) -> EngineCommand:
    """What exactly would run. Raises `UsageError` for a request that its recipe cannot serve."""
    chosen = recipe(request.recipe)
    _check(request, chosen)
    return _prebuilt_llamacpp(request, chosen)


def _check(request: EngineRequest, chosen: Recipe) -> None:
    if request.kv_type not in chosen.limits.kv_types:
        raise UsageError(
            say("{recipe} has no cache type {kv_type}", recipe=chosen.id, kv_type=request.kv_type),
            hint=say("choose one of: {types}", types=", ".join(chosen.limits.kv_types)),
            code="NO-SUCH-KV-TYPE",
        )
    if request.slots < 1 or request.context < 1:
        raise UsageError(
            say("slots and context must be at least 1"), hint=say("plan again"), code="BAD-REQUEST"
        )


def _prebuilt_llamacpp(request: EngineRequest, chosen: Recipe) -> EngineCommand:
    options = {
        "--model": request.model_path,
        "--alias": request.alias,
        "--port": request.port,
        "--context": request.context,
        "--slots": request.slots,
        "--kv-type": request.kv_type,
        "--ubatch": request.ubatch,
        "--threads": request.threads,
        "--prompt-cache-mib": chosen.limits.prompt_cache_mib,
    }
    given = [str(part) for name, value in options.items() if value for part in (name, value)]
    return EngineCommand(
        engine=chosen.engine,
        argv=[sys.executable, "-P", "-m", "appliance.engines.llamacpp.serve", *given],
        port=request.port,
        readiness=chosen.readiness,
        metrics=chosen.metrics,
    )
