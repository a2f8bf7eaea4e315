"""Which model, on which cards, how: what would work, best first, and why not the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from appliance.catalog.from_config import SafetensorsSet
from appliance.catalog.from_header import architecture_of
from appliance.catalog.gguf import GgufHeader
from appliance.catalog.models import Catalogue
from appliance.core.cards import CardFacts
from appliance.core.i18n import Text, say
from appliance.core.inventory import Inventory
from appliance.core.measurement import Measurement
from appliance.core.plan import Choice, People, Plan, Rejection, Wish
from appliance.core.reference import CatalogReference, parse_reference
from appliance.engines.recipes import Recipe
from appliance.planner.candidates import Candidate, candidates, people_of, sized
from appliance.planner.improvements import improvements
from appliance.planner.kinds import Kinds, best_of_all, kinds_of
from appliance.planner.model import Model, of_catalogue, of_header, of_safetensors
from appliance.planner.picks import gives_up, picks_of, role_of
from appliance.planner.placement import Place, places
from appliance.planner.starts import rejection
from appliance.planner.wording import left_out, unmet, why

MOST_CHOICES = 16
MOST_REJECTED = 40
MOST_ASKED = 3
NEAR_MISSES = ("DISK-SPACE", "TOO-BIG", "MEMORY-UNKNOWN")
"""Rejections that more room would undo."""


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
    used_mib: Mapping[str, float] | None = None,
    measurements: Sequence[Measurement] = (),
    startable: Collection[str] = (),
) -> Plan:
    """Choices of the catalogue for `wish`. `stored` are the ids of variants that are here already.

    `startable` are the ids of recipes whose engine is here: of equals, one of them is taken.
    `cache` is where answers of the engine are kept: with it the picks are sized by the engine.
    `used_mib` is what others have of each card; `measurements` made here replace predictions.
    `wish.model` may name a family or a variant; the self-test model is planned only when named.
    Raises `UsageError` for a model that the catalogue does not have.
    """
    models = _by_size(_models(wish, catalogue))
    where = places(
        inventory, facts, host_memory_free_mib, used_mib=used_mib, measurements=measurements
    )
    found, rejected = candidates(wish, models, recipes, where)
    found, no_room = with_disk(marked(found, stored), disk_free_mib)
    kinds = kinds_of(found, where)
    found = kinds.marked(found)
    kept = _best_of_each(found, where, startable, variants=wish.model is not None)
    kept.sort(key=lambda one: one.order, reverse=True)
    if cache is not None:
        kept = _sized_by_engine(kept, cache, named=wish.model is not None)
    choices = _choices(wish, kept, kinds, startable, named=wish.model is not None)
    if choices:
        choices[0].gives_up.extend(str(text) for text in left_out(inventory))
    return Plan(
        wish=wish,
        choices=choices,
        improvements=improvements(wish, models, recipes, where, kept[0]) if kept else [],
        rejected=_worth_telling(
            [*no_room, *rejected], _on_best(kept, where), named=wish.model is not None
        ),
    )


def plan_files(
    wish: Wish,
    found: GgufHeader | SafetensorsSet,
    reference: str,
    inventory: Inventory,
    recipes: Sequence[Recipe],
    facts: Mapping[str, CardFacts],
    *,
    stored: Collection[str] = (),
    disk_free_mib: float | None = None,
    host_memory_free_mib: float | None = None,
    all_bytes: int | None = None,
    cache: Path | None = None,
    used_mib: Mapping[str, float] | None = None,
    measurements: Sequence[Measurement] = (),
) -> Plan:
    """Choices for files outside the catalogue, which `reference` names and `found` describes.

    That is the header of a GGUF (of a split one, of its first part) or a set of safetensors;
    `all_bytes` is the size of all files together.
    Raises `VerificationFailed` where they do not say what a plan needs, `UsageError` where no
    engine is known for such safetensors.
    """
    if isinstance(found, GgufHeader):
        model = of_header(found, reference, architecture_of(found), all_bytes)
    else:
        model = of_safetensors(found, reference, all_bytes)
    where = places(
        inventory, facts, host_memory_free_mib, used_mib=used_mib, measurements=measurements
    )
    able, rejected = candidates(wish, [model], recipes, where)
    able, no_room = with_disk(marked(able, stored), disk_free_mib)
    able.sort(key=lambda one: one.order, reverse=True)
    if cache is not None:
        able = _sized_by_engine(able, cache, named=True)
    return Plan(
        wish=wish,
        # such a file is served on one kind of card: none is known to be the same for another
        choices=_choices(wish, able, kinds_of((), where), (), named=True),
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


def _sized_by_engine(ordered: Sequence[Candidate], cache: Path, *, named: bool) -> list[Candidate]:
    """The picks with the engine's own figures; one that does not fit after all is left out."""
    kept = list(ordered)
    for _ in range(MOST_ASKED):
        picks = list(picks_of(kept, named=named).values()) or kept[:1]
        if not picks:
            break
        with ThreadPoolExecutor(max_workers=len(picks)) as pool:
            answers = list(pool.map(partial(sized, cache=cache), picks))
        known = dict(zip(map(id, picks), answers, strict=True))
        kept = [known.get(id(one), one) for one in kept]
        if all(one.choice.fits for one in answers):
            break
        kept = [one for one in kept if one.choice.fits]
    return kept


def marked(found: Iterable[Candidate], stored: Collection[str]) -> list[Candidate]:
    """Those whose files are here say so."""
    return [
        msgspec.structs.replace(one, stored=True) if one.model.variant in stored else one
        for one in found
    ]


def with_disk(
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
    found: Iterable[Candidate],
    where: Sequence[Place],
    startable: Collection[str],
    *,
    variants: bool,
) -> list[Candidate]:
    """The best of each family (or variant) for each engine and kind of card.

    Beside cards the processor is second best: its best variant is enough.
    """

    def rank(one: Candidate) -> tuple[object, ...]:
        return (*one.order, one.recipe.id in startable)

    best: dict[tuple[str, str, str], Candidate] = {}
    for one in found:
        second = one.place.is_host and not where[0].is_host
        name = one.model.variant if variants and not second else one.model.id
        key = (name, one.recipe.engine, one.place.vendor)
        if key not in best or rank(one) > rank(best[key]):
            best[key] = one
    return list(best.values())


def _choices(
    wish: Wish,
    ordered: Sequence[Candidate],
    kinds: Kinds,
    startable: Collection[str],
    *,
    named: bool,
) -> list[Choice]:
    """The ones worth showing, best first: the first ones, the picks, a few that start at once."""
    picks = picks_of(ordered, named=named)
    people = {pick: people_of(wish, one, most=True) for pick, one in picks.items()}
    known = {pick: found for pick, found in people.items() if found}
    by_id = {id(one): pick for pick, one in picks.items()}
    for_all = None if named else best_of_all(kinds, ordered)
    choices = []
    for one in ordered if named else _shown(ordered, by_id, startable):
        pick = by_id.get(id(one))
        if pick is None:
            choices.append(_choice(one, people_of(wish, one, most=False), []))
            continue
        choice = _choice(one, people[pick], [role_of(pick)])
        lacks = [str(text) for text in unmet(one)]
        lacks += gives_up(one, picks, known) if pick in known else []
        lacks += [str(text) for text in kinds.idle(one, for_all)]
        choices.append(msgspec.structs.replace(choice, pick=pick, gives_up=lacks))
    return choices


def _shown(
    ordered: Sequence[Candidate], picks: Collection[int], startable: Collection[str]
) -> list[Candidate]:
    """The first ones, the picks, and the first few whose engine is here."""
    first = {id(one) for one in ordered[:MOST_CHOICES]}
    here = [one for one in ordered if one.recipe.start == "process" or one.recipe.id in startable]
    ready = here[:MOST_ASKED]
    kept = first | set(picks) | {id(one) for one in ready}
    return [one for one in ordered if id(one) in kept]


def _choice(one: Candidate, people: People | None, roles: list[Text]) -> Choice:
    return msgspec.structs.replace(
        one.choice,
        disk_mib=round(one.model.disk_mib, 1),
        download_mib=0.0 if one.stored else round(one.model.disk_mib, 1),
        why=why(one, people, roles),
        people=people,
    )


def _on_best(kept: Sequence[Candidate], where: Sequence[Place]) -> list[Candidate]:
    """Those on cards where there are cards: that the processor could do it excuses no card."""
    return [one for one in kept if where[0].is_host or not one.place.is_host]


def _worth_telling(
    rejected: Sequence[Rejection], kept: Sequence[Candidate], *, named: bool
) -> list[Rejection]:
    """A reason for each variant asked for; of the whole catalogue for each family left out.

    The smallest variant that only wants more room speaks for its family: it came nearest.
    """
    told: dict[str, Rejection] = {}
    served = {one.choice.variant if named else one.choice.model for one in kept}
    for one in sorted(rejected, key=lambda one: one.code not in NEAR_MISSES):
        key = one.variant if named else one.variant.partition(":")[0]
        if key not in served:
            told.setdefault(key, one)
    return list(told.values())[:MOST_REJECTED]
