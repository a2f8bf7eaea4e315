"""Memory and speed of exactly one setup, without choosing: to be held against measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from appliance.catalog.ggml import BYTES_PER_ELEMENT
from appliance.catalog.models import Catalogue
from appliance.core.cards import CardFacts
from appliance.core.errors import DoesNotFit, UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.plan import Choice, Memory, Plan, Wish
from appliance.core.reference import CatalogReference, parse_reference
from appliance.engines.classes import drafts_of
from appliance.engines.recipes import Recipe
from appliance.planner.measured import with_engine
from appliance.planner.memory import Setup
from appliance.planner.model import Model, of_catalogue
from appliance.planner.placement import Place, places
from appliance.planner.sizing import fits, size
from appliance.planner.speed import machine_for, speed_of


class Exactly(msgspec.Struct, frozen=True, kw_only=True):
    """The setup: `total_context` is the engine's n_ctx over all slots.

    `variant` is a catalogue id, with the quantization after a colon where `quant` does not name it.
    """

    variant: str
    total_context: int
    quant: str | None = None
    slots: int = 1
    kv_type: str = "f16"
    ubatch: int = 512
    flash_attention: bool = True
    unified: bool = False
    swa_full: bool = False


def plan_exact(
    asked: Exactly,
    inventory: Inventory,
    catalogue: Catalogue,
    recipes: Sequence[Recipe],
    facts: Mapping[str, CardFacts],
    *,
    host_memory_free_mib: float | None = None,
    cache: Path | None = None,
) -> Plan:
    """One choice, whether it fits or not, on the strongest kind of card (or the processor).

    It takes as few cards as it fits on, else all. `cache` keeps the engine's answers. Raises
    `UsageError` for what is not in the catalogue or makes no sense, `DoesNotFit` without any place.
    """
    setup = _setup(asked)
    model = _model(asked, catalogue)
    place = places(inventory, facts, host_memory_free_mib)[0]
    recipe = _recipe(model, place, recipes)
    memory = _sized(model, recipe, place, setup)
    memory = with_engine(memory, model, setup, cache)
    choice = _choice(model, recipe, place, setup, memory)
    wish = Wish(model=model.variant, users=asked.slots, context=choice.context)
    return Plan(wish=wish, choices=[choice])


def _setup(asked: Exactly) -> Setup:
    if asked.kv_type not in BYTES_PER_ELEMENT:
        raise UsageError(
            say("no cache type {kind}", kind=asked.kv_type),
            hint=say("f16, bf16, f32, q8_0, q5_1, q5_0, q4_1, q4_0 and iq4_nl are known"),
        )
    if min(asked.total_context, asked.slots, asked.ubatch) < 1:
        raise UsageError(
            say("context, slots and micro-batch must be at least 1"),
            hint=say("see `appliance plan --help`"),
        )
    return Setup(
        context=asked.total_context,
        slots=asked.slots,
        kv_type=asked.kv_type,
        ubatch=asked.ubatch,
        flash_attention=asked.flash_attention,
        unified=asked.unified,
        swa_full=asked.swa_full,
    )


def _model(asked: Exactly, catalogue: Catalogue) -> Model:
    reference = parse_reference(asked.variant)
    if not isinstance(reference, CatalogReference):
        raise UsageError(
            say("{variant} is not a catalogue id", variant=asked.variant),
            hint=say("`appliance models list --all` shows every model of the catalogue"),
            code="UNKNOWN-MODEL",
        )
    quant = asked.quant.lower() if asked.quant else reference.quant
    family, variant = catalogue.variant(CatalogReference(reference.model, quant))
    model = of_catalogue(family, variant)
    if model is None:
        raise UsageError(
            say("the size of {variant} is not known", variant=variant.id),
            hint=say("ask for a stock quantization, such as q4_k_m"),
            code="SIZE-UNKNOWN",
        )
    return model


def _recipe(model: Model, place: Place, recipes: Sequence[Recipe]) -> Recipe:
    """The first engine for such files on such cards, without its cache of idle prompts."""
    for recipe in recipes:
        if recipe.takes(place.typical) and model.format in recipe.formats:
            limits = msgspec.structs.replace(recipe.limits, prompt_cache_mib=0)
            return msgspec.structs.replace(recipe, limits=limits)
    raise DoesNotFit(
        say("no engine serves {format} on {card}", format=model.format, card=place.name),
        hint=say("`appliance engines list` shows what each engine serves"),
        code="NO-ENGINE",
    )


def _sized(model: Model, recipe: Recipe, place: Place, setup: Setup) -> Memory:
    memory = size(model, recipe, place, setup, 1)
    for cards in range(2, len(place.cards) + 1):
        if fits(memory, model):
            break
        memory = size(model, recipe, place, setup, cards)
    return memory


def _choice(model: Model, recipe: Recipe, place: Place, setup: Setup, memory: Memory) -> Choice:
    cards = len(memory.per_card)
    tensor = cards if model.is_tensor_parallel else 1
    drafts = drafts_of(model.id, recipe.engine, recipe.command, place.arch)
    machine = machine_for(model, place, cards, drafts=drafts)
    return Choice(
        model=model.id,
        variant=model.variant,
        engine=recipe.engine,
        recipe=recipe.id,
        cards=[card.id for card in place.cards[:cards]],
        tensor_parallel=tensor,
        pipeline_parallel=1 if tensor > 1 else cards,
        context=setup.slot_context,
        slots=setup.slots,
        kv_type=setup.kv_type,
        ubatch=setup.ubatch,
        fits=fits(memory, model),
        memory=memory,
        speed=speed_of(model, machine, setup, setup.slots, 1),
        disk_mib=round(model.disk_mib, 1),
        download_mib=round(model.disk_mib, 1),
    )
