"""Why nothing can be served here, and the way out."""

from __future__ import annotations

from appliance.core.errors import ApplianceError, DoesNotFit, Unreachable
from appliance.core.i18n import Text, say
from appliance.core.plan import Plan
from appliance.engines.recipes import Recipe, recipe
from appliance.ops.planning import Ground

_BUILD = "appliance engines build llama.cpp --backend"


def instead_of_the_processor(ground: Ground) -> Text:
    """How to have the cards used, or the processor all the same."""
    ways = ways_to_have_engines(ground)
    if not ways:
        return say("to use the processor all the same, run `appliance up --yes`")
    return say(
        "make an engine for the cards with {ways}; to use the processor all the same, run "
        "`appliance up --yes`",
        ways=" | ".join(f"`{way}`" for way in ways),
    )


def ways_to_have_engines(ground: Ground) -> list[str]:
    """Commands that would each bring an engine for this server's cards."""
    builds = [f"{_BUILD} {backend}" for backend in ground.buildable()[:1]]
    return builds + [f"appliance engines install {name}" for name in ground.installable()[:1]]


def _way_to_have(missing: Recipe) -> Text:
    """How the engine of this recipe comes to this server."""
    if missing.build:
        return say("appliance engines build llama.cpp --backend {backend}", backend=missing.build)
    if missing.environment:
        return say("appliance engines install {environment}", environment=missing.environment)
    return say(
        "fetch its image with `appliance engines pull {recipe}`, or bring it along as a file: "
        "`appliance engines load FILE.tar --recipe {recipe}`",
        recipe=missing.id,
    )


def nothing_fits(plan: Plan, model: str | None) -> ApplianceError:
    """Why nothing of this plan can be started here."""
    subject = model or say("any model of the catalogue")
    why = plan.rejected[0] if plan.rejected else None
    if plan.choices and all(c.fits for c in plan.choices):
        return Unreachable(
            say("this appliance cannot start an engine for {model} here yet", model=subject),
            hint=_way_to_have(recipe(plan.choices[0].recipe)),
            code="ENGINE-NOT-HERE",
        )
    if why:
        return DoesNotFit(
            say("{model} does not run here: {reason}", model=subject, reason=why.reason),
            hint=why.advice or say("`appliance plan` shows what fits"),
            code=why.code,
        )
    return DoesNotFit(
        say("{model} does not fit into this server's memory", model=subject),
        hint=say("`appliance plan` shows what fits; fewer --users or less --context may help"),
    )
