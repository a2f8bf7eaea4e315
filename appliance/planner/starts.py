"""Will it start? Recipes and the rule base, before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.core.i18n import Text, say
from appliance.core.plan import Rejection
from appliance.engines.recipes import Recipe
from appliance.planner.model import Model
from appliance.planner.placement import Place
from appliance.planner.rules import Rule, rules


def refusal(model: Model, recipe: Recipe, place: Place) -> Rejection | None:
    """Why this engine does not serve this model on these cards; `None` where nothing is known."""
    if model.vendors and place.vendor not in model.vendors:
        return rejection(
            model,
            recipe.engine,
            "FORMAT-UNSUPPORTED",
            say("this form is made for {vendors} cards", vendors=", ".join(model.vendors)),
            say("use another variant of {model}", model=model.id),
        )
    if model.fork:
        return rejection(
            model,
            recipe.engine,
            "NEEDS-FORK",
            say("only a fork of the engine loads this file so far"),
            say("use another variant, or wait for a release of {engine}", engine=recipe.engine),
        )
    if recipe.architectures is not None and model.architecture.gguf not in recipe.architectures:
        return rejection(
            model,
            recipe.engine,
            "ARCHITECTURE-UNSUPPORTED",
            say(
                "{engine} does not know the architecture {architecture} yet",
                engine=recipe.engine,
                architecture=model.architecture.gguf,
            ),
            say("choose another model, or another engine for this one"),
        )
    return _ruled_out(model, recipe, place)


def _ruled_out(model: Model, recipe: Recipe, place: Place) -> Rejection | None:
    for rule in rules().rule:
        if _matches(rule, model, recipe, place):
            values = {"card": place.name, "engine": recipe.engine, "model": model.id}
            return rejection(
                model,
                recipe.engine,
                rule.code,
                say(rule.reason, **values),
                say(rule.advice, **values),
            )
    return None


def _matches(rule: Rule, model: Model, recipe: Recipe, place: Place) -> bool:
    conditions: tuple[tuple[Sequence[str] | None, str | None], ...] = (
        (rule.engines, recipe.engine),
        (rule.vendors, place.vendor),
        (rule.archs, place.arch),
        ([rule.format] if rule.format else None, model.format),
        (rule.quants, model.quant),
        (rule.architectures, model.architecture.gguf),
    )
    if any(wanted is not None and actual not in wanted for wanted, actual in conditions):
        return False
    if rule.formats_lack is None:
        return True
    return bool(place.formats) and not any(name in place.formats for name in rule.formats_lack)


def rejection(model: Model, engine: str, code: str, reason: Text, advice: Text) -> Rejection:
    """A rejected choice in words."""
    return Rejection(
        variant=model.variant, engine=engine, code=code, reason=str(reason), advice=str(advice)
    )
