"""Will it start? Recipes and the rule base, before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.core.i18n import Text, say
from appliance.core.plan import Rejection
from appliance.engines.classes import class_of
from appliance.engines.recipes import Recipe
from appliance.planner.model import Model
from appliance.planner.placement import Place
from appliance.planner.rules import Rule, rules


def refusal(model: Model, recipe: Recipe, place: Place) -> Rejection | None:
    """Why this engine does not serve this model on these cards; `None` where nothing is known."""
    reason, advice, code = _unserved(model, recipe, place) or (None, None, "")
    if reason and advice:
        return rejection(model, recipe.engine, code, reason, advice)
    return _ruled_out(model, recipe, place)


def _unserved(model: Model, recipe: Recipe, place: Place) -> tuple[Text, Text, str] | None:
    """Reason, advice and code of what the files or the recipe themselves exclude."""
    engine = recipe.engine
    if model.vendors and place.vendor not in model.vendors:
        return (
            say("this form is made for {vendors} cards", vendors=", ".join(model.vendors)),
            say("use another variant of {model}", model=model.id),
            "FORMAT-UNSUPPORTED",
        )
    if model.fork:
        return (
            say("only a fork of the engine loads this file so far"),
            say("use another variant, or wait for a release of {engine}", engine=engine),
            "NEEDS-FORK",
        )
    name = model.architecture.gguf
    if recipe.architectures is not None and name not in recipe.architectures:
        return (
            say("{engine} does not know the architecture {name} here", engine=engine, name=name),
            say("choose another model, or another engine for this one"),
            "ARCHITECTURE-UNSUPPORTED",
        )
    if recipe.classes is not None and class_of(model.id).id not in recipe.classes:
        return (
            say("{engine} is not known to serve {model} here", engine=engine, model=model.id),
            say("choose another model, or another engine for this one"),
            "MODEL-UNSUPPORTED",
        )
    return None


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
    if rule.quants_except is not None and model.quant in rule.quants_except:
        return False
    if rule.formats_lack is None:
        return True
    return bool(place.formats) and not any(name in place.formats for name in rule.formats_lack)


def rejection(model: Model, engine: str, code: str, reason: Text, advice: Text) -> Rejection:
    """A rejected choice in words."""
    return Rejection(
        variant=model.variant, engine=engine, code=code, reason=str(reason), advice=str(advice)
    )
