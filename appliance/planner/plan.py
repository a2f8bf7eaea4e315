"""Which model, on which cards, how: what would work, best first, and why not the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from appliance.catalog.from_header import architecture_of
from appliance.catalog.gguf import GgufHeader
from appliance.catalog.models import Catalogue
from appliance.core.cards import CardFacts
from appliance.core.i18n import Text, say
from appliance.core.inventory import Inventory
from appliance.core.plan import Choice, Plan, Rejection, Wish
from appliance.core.reference import CatalogReference, parse_reference
from appliance.engines.recipes import Recipe
from appliance.planner.candidates import Candidate, candidate, sized
from appliance.planner.model import Model, of_catalogue, of_header
from appliance.planner.placement import Place, places
from appliance.planner.starts import rejection
from appliance.planner.wording import why

MOST_CHOICES = 16
MOST_REJECTED = 40
MOST_ASKED = 3


def plan(
    wish: Wish,
    inventory: Inventory,
    catalogue: Catalogue,
    recipes: Sequence[Recipe],
    facts: Mapping[str, CardFacts],
    *,
    stored: Collection[str] = (),
    disk_free_mib: float | None = None,
    host_memory_free_mib: float | None = None,
    cache: Path | None = None,
) -> Plan:
    """Choices of the catalogue for `wish`. `stored` are the ids of variants that are here already.

    `cache` is where answers of the engine are kept: with it the first choices that only the engine
    can size well (V3.2, V4) are sized by the engine itself.
    `wish.model` may name a family or a variant; the self-test model is planned only when named.
    Raises `UsageError` for a model that the catalogue does not have.
    """
    models = _by_size(_models(wish, catalogue))
    where = places(inventory, facts, host_memory_free_mib)
    found, rejected = _all(wish, models, recipes, where)
    found, no_room = _with_disk(_marked(found, stored), disk_free_mib)
    kept = _best_of_each(found, where, variants=wish.model is not None)
    kept.sort(key=lambda one: one.order, reverse=True)
    if cache is not None:
        kept = _sized_by_engine(kept, cache)
    choices = _choices(kept, named=wish.model is not None)
    if kept and wish.model is None:
        choices[0].why.extend(_one_more_card(wish, models, recipes, kept[0]))
    return Plan(
        wish=wish,
        choices=choices,
        rejected=_worth_telling(
            [*no_room, *rejected], _on_best(kept, where), named=wish.model is not None
        ),
    )


def plan_header(
    wish: Wish,
    header: GgufHeader,
    reference: str,
    inventory: Inventory,
    recipes: Sequence[Recipe],
    facts: Mapping[str, CardFacts],
    *,
    stored: Collection[str] = (),
    disk_free_mib: float | None = None,
    host_memory_free_mib: float | None = None,
    all_bytes: int | None = None,
) -> Plan:
    """Choices for the GGUF file that `header` belongs to and `reference` names.

    Of a split one `header` is the first part's and `all_bytes` the size of all parts together.
    Raises `VerificationFailed` where the header does not say what a plan needs.
    """
    model = of_header(header, reference, architecture_of(header), all_bytes)
    found, rejected = _all(wish, [model], recipes, places(inventory, facts, host_memory_free_mib))
    found, no_room = _with_disk(_marked(found, stored), disk_free_mib)
    found.sort(key=lambda one: one.order, reverse=True)
    return Plan(
        wish=wish,
        choices=_choices(found, named=True),
        rejected=[*no_room, *rejected],
    )


def _models(wish: Wish, catalogue: Catalogue) -> Iterator[Model]:
    """What the wish leaves open: every DeepSeek variant, those of a family, or one."""
    if wish.model is None:
        wanted = [
            (family, variant)
            for family in catalogue.families
            if family.kind == "deepseek" and family.chat
            for variant in family.variants
        ]
    else:
        reference = parse_reference(wish.model)
        assert isinstance(reference, CatalogReference)  # noqa: S101 - others come with a header
        family, variant = catalogue.variant(reference)
        variants = family.variants if reference.quant is None else (variant,)
        wanted = [(family, each) for each in variants]
    for family, variant in wanted:
        model = of_catalogue(family, variant)
        if model:
            yield model


def _by_size(models: Iterable[Model]) -> list[Model]:
    return sorted(models, key=lambda model: model.tensor_mib)


def _all(
    wish: Wish, models: Sequence[Model], recipes: Sequence[Recipe], where: Sequence[Place]
) -> tuple[list[Candidate], list[Rejection]]:
    found: list[Candidate] = []
    rejected: list[Rejection] = []
    pairs = [
        (recipe, place) for place in where for recipe in recipes if recipe.takes(place.typical)
    ]
    for model in models:
        engines = [pair for pair in pairs if model.format in pair[0].formats]
        if not engines:
            rejected.append(_no_engine(model, where))
        for recipe, place in engines:
            outcome = candidate(wish, model, recipe, place)
            if isinstance(outcome, Candidate):
                found.append(outcome)
            else:
                rejected.append(outcome)
    return found, rejected


def _no_engine(model: Model, where: Sequence[Place]) -> Rejection:
    return rejection(
        model,
        "",
        "NO-ENGINE",
        say(
            "no engine here serves {format} on {cards}",
            format=model.format,
            cards=", ".join(dict.fromkeys(place.name for place in where)),
        ),
        say("choose a GGUF variant, or see `appliance engines list`"),
    )


def _sized_by_engine(ordered: Sequence[Candidate], cache: Path) -> list[Candidate]:
    """The first ones with the engine's own figures; one that does not fit after all is left out."""
    asked = [sized(one, cache) for one in ordered[:MOST_ASKED]]
    return [one for one in asked if one.choice.fits] + list(ordered[MOST_ASKED:])


def _marked(found: Iterable[Candidate], stored: Collection[str]) -> list[Candidate]:
    return [
        msgspec.structs.replace(one, stored=True) if one.model.variant in stored else one
        for one in found
    ]


def _with_disk(
    found: Iterable[Candidate], disk_free_mib: float | None
) -> tuple[list[Candidate], list[Rejection]]:
    """Those whose files are here or have room on the disk; and rejections for the rest."""
    kept: list[Candidate] = []
    rejected: dict[str, Rejection] = {}
    for one in found:
        model = one.model
        if one.stored or disk_free_mib is None or model.disk_mib <= disk_free_mib:
            kept.append(one)
        elif model.variant not in rejected:
            rejected[model.variant] = rejection(
                model,
                one.recipe.engine,
                "DISK-SPACE",
                say(
                    "its files take {needs:.1f} GiB, the disk has {free:.1f} GiB free",
                    needs=model.disk_mib / 1024,
                    free=disk_free_mib / 1024,
                ),
                say("free some space, or put the store on a larger disk"),
            )
    return kept, list(rejected.values())


def _best_of_each(
    found: Iterable[Candidate], where: Sequence[Place], *, variants: bool
) -> list[Candidate]:
    """The best of each family (or variant) for each engine and kind of card.

    Beside cards the processor is second best: its best variant is enough.
    """
    best: dict[tuple[str, str, str], Candidate] = {}
    for one in found:
        second = one.place.is_host and not where[0].is_host
        name = one.model.variant if variants and not second else one.model.id
        key = (name, one.recipe.engine, one.place.vendor)
        if key not in best or one.order > best[key].order:
            best[key] = one
    return list(best.values())


def _one_more_card(
    wish: Wish, models: Sequence[Model], recipes: Sequence[Recipe], best: Candidate
) -> list[str]:
    """What a further card of the kind would buy: a better model, or room for more people."""
    if best.place.is_host:
        return []
    found, _ = _all(wish, models, recipes, [best.place.with_one_more()])
    better = max(found, key=lambda one: one.order, default=best)
    card = best.place.name
    if better.model.variant != best.model.variant:
        text = say("one more {card} would serve {model}", card=card, model=better.model.variant)
    elif better.people > best.people:
        text = say("one more {card} would serve {people} people", card=card, people=better.people)
    else:
        return []
    return [str(text)]


def _choices(ordered: Sequence[Candidate], *, named: bool) -> list[Choice]:
    roles = _roles(ordered)
    shown = ordered if named else _shown(ordered, roles)
    return [_choice(one, roles.get(id(one), [])) for one in shown]


def _shown(ordered: Sequence[Candidate], roles: Collection[int]) -> list[Candidate]:
    """The first ones, those with a role, and the first few that a process of ours can start."""
    first = {id(one) for one in ordered[:MOST_CHOICES]}
    ready = [one for one in ordered if one.recipe.start == "process"][:MOST_ASKED]
    kept = first | set(roles) | {id(one) for one in ready}
    return [one for one in ordered if id(one) in kept]


def _roles(ordered: Sequence[Candidate]) -> dict[int, list[Text]]:
    """What the first, the fastest and the one between are good for."""
    roles: dict[int, list[Text]] = {}
    usable = [one for one in ordered if one.usable]
    if not usable:
        return roles
    fastest = max(usable, key=lambda one: one.choice.speed.decode_tps_one or 0.0)
    roles.setdefault(id(usable[0]), []).append(say("best quality that fits and meets the wish"))
    if fastest is not usable[0]:
        roles.setdefault(id(fastest), []).append(say("fastest, with less capable answers"))
    known = {usable[0].model.id, fastest.model.id}
    between = [one for one in usable[1:] if one.model.id not in known]
    if between:
        balanced = max(between, key=_balance)
        roles.setdefault(id(balanced), []).append(say("balanced between quality and speed"))
    return roles


def _balance(one: Candidate) -> float:
    speed = min(one.choice.speed.decode_tps_one or 0.0, 60.0)
    return one.model.score + speed / 3


def _choice(one: Candidate, roles: list[Text]) -> Choice:
    return msgspec.structs.replace(
        one.choice,
        disk_mib=round(one.model.disk_mib, 1),
        download_mib=0.0 if one.stored else round(one.model.disk_mib, 1),
        why=why(one, roles),
    )


def _on_best(kept: Sequence[Candidate], where: Sequence[Place]) -> list[Candidate]:
    """Those on cards where there are cards: that the processor could do it excuses no card."""
    return [one for one in kept if where[0].is_host or not one.place.is_host]


def _worth_telling(
    rejected: Sequence[Rejection], kept: Sequence[Candidate], *, named: bool
) -> list[Rejection]:
    """A reason for each variant asked for; of the whole catalogue for each family left out.

    The smallest variant speaks for its family: it came nearest.
    """
    told: dict[str, Rejection] = {}
    served = {one.choice.variant if named else one.choice.model for one in kept}
    for one in rejected:
        key = one.variant if named else one.variant.partition(":")[0]
        if key not in served:
            told.setdefault(key, one)
    return list(told.values())[:MOST_REJECTED]
