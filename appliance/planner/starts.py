"""Will it start? Recipes and the rule base, before anything is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from appliance.core.i18n import Text, say
from appliance.core.plan import Rejection
from appliance.engines.environments.environment import environment, too_old_driver
from appliance.engines.recipes import Recipe
from appliance.planner.model import Model
from appliance.planner.placement import Place
from appliance.planner.rules import Rule, rules
from appliance.planner.versions import engine_version, numbers, older


def refusal(model: Model, recipe: Recipe, place: Place) -> Rejection | None:
    """Why this engine does not serve this model on these cards; `None` where nothing is known."""
    excluded = (
        _unserved(model, recipe, place)
        or _too_old(model, recipe, place)
        or _driver_too_old(recipe, place)
    )
    if excluded:
        reason, advice, code = excluded
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
    if model.loaded_by and engine not in model.loaded_by:
        return (
            say("only {engines} is known to load this form", engines=", ".join(model.loaded_by)),
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
    if recipe.classes is not None and not {model.kind.id, model.kind.known_as} & {*recipe.classes}:
        return (
            say("{engine} is not known to serve {model} here", engine=engine, model=model.id),
            say("choose another model, or another engine for this one"),
            "MODEL-UNSUPPORTED",
        )
    return None


def _too_old(model: Model, recipe: Recipe, place: Place) -> tuple[Text, Text, str] | None:
    """Whether the engine is from before the model."""
    needed = _needed_version(model, recipe, place)
    has = engine_version(recipe, place.arch) if needed else None
    if has is None or needed is None or not older(has, needed):
        return None
    return (
        say("{model} needs {engine} {needed} or newer, here is {version}", model=model.id,
            engine=recipe.engine, needed=needed, version=has),
        say("update the engine to ≥ {needed}, or choose another model", needed=needed),
        "ENGINE-OLD",
    )  # fmt: skip


def _driver_too_old(recipe: Recipe, place: Place) -> tuple[Text, Text, str] | None:
    """Whether the packages of an environment are from after the cards' driver."""
    least = _least_driver(recipe)
    has = too_old_driver(least, place.cards)
    if has is None:
        return None
    return (
        say("{engine} needs the driver {least} or newer; here is {version}",
            engine=recipe.engine, least=least, version=has),
        say("update the driver to ≥ {least}, or choose another engine", least=least),
        "DRIVER-OLD",
    )  # fmt: skip


def _least_driver(recipe: Recipe) -> str | None:
    return environment(recipe.environment).driver if recipe.environment else None


def _needed_version(model: Model, recipe: Recipe, place: Place) -> str | None:
    name = recipe.engine.lower()
    if place.vendor == "ascend":
        return model.engines.get(f"{name}-ascend")
    return model.engines.get(name)


def _ruled_out(model: Model, recipe: Recipe, place: Place) -> Rejection | None:
    for rule in rules().rule:
        if not _matches(rule, model, recipe, place):
            continue
        found = _oldest(rule, place)
        if found is None:
            continue
        values = {"card": place.name, "engine": recipe.engine, "model": model.id, "version": found}
        reason, advice = say(rule.reason, **values), say(rule.advice, **values)
        return rejection(model, recipe.engine, rule.code, reason, advice)
    return None


def _oldest(rule: Rule, place: Place) -> str | None:
    """The oldest version on these cards that a rule refuses; "" for a rule without versions."""
    if not (rule.driver_below or rule.runtime_below):
        return ""
    drivers = [(card.driver, rule.driver_below) for card in place.cards]
    runtimes = [(card.runtime, rule.runtime_below) for card in place.cards]
    refused = [
        version
        for version, least in (*drivers, *runtimes)
        if version and least and older(version, least)
    ]
    return min(refused, key=numbers, default=None)


def unknowns(model: Model, recipe: Recipe, place: Place) -> Iterator[Text]:
    """Versions that cards do not tell and that would decide whether it starts."""
    drivers = [card.driver for card in place.cards]
    if (least := _least_driver(recipe)) and not all(drivers):
        yield _unknown_driver(recipe, place, least)
    for rule in rules().rule:
        least = rule.driver_below or rule.runtime_below
        told = drivers if rule.driver_below else [card.runtime for card in place.cards]
        if least and not all(told) and _matches(rule, model, recipe, place):
            yield _unknown_driver(recipe, place, least)


def _unknown_driver(recipe: Recipe, place: Place, least: str) -> Text:
    return say(
        "the version of the driver of {card} is not known: {engine} needs {least} or newer",
        card=place.name,
        engine=recipe.engine,
        least=least,
    )


def _matches(rule: Rule, model: Model, recipe: Recipe, place: Place) -> bool:
    conditions: tuple[tuple[Sequence[str] | None, str | None], ...] = (
        (rule.engines, recipe.engine),
        (rule.vendors, place.vendor),
        (rule.archs, place.arch),
        ([rule.image] if rule.image else None, recipe.image_for(place.arch)),
        ([rule.format] if rule.format else None, model.format),
        (rule.quants, model.quant),
        (rule.architectures, model.architecture.gguf),
    )
    for wanted, actual in conditions:
        if not _is_one_of(actual, wanted):
            return False
    if rule.quants_except is not None and model.quant in rule.quants_except:
        return False
    if any(fnmatchcase(place.name, name) for name in rule.cards_except or ()):
        return False
    if rule.formats_lack is None:
        return True
    return bool(place.formats) and not any(name in place.formats for name in rule.formats_lack)


def _is_one_of(actual: str | None, wanted: Sequence[str] | None) -> bool:
    if wanted is None or (actual or "") in wanted:
        return True
    return any(fnmatchcase(actual or "", pattern) for pattern in wanted if not pattern.isalnum())


def rejection(model: Model, engine: str, code: str, reason: Text, advice: Text) -> Rejection:
    """A rejected choice in words."""
    return Rejection(
        variant=model.variant, engine=engine, code=code, reason=str(reason), advice=str(advice)
    )
