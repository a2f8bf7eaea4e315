"""What this server really gave, in place of what is foretold."""

from __future__ import annotations

import math

import msgspec

from appliance.core.measurement import Measurement
from appliance.core.plan import Speed
from appliance.engines.recipes import Recipe
from appliance.planner.memory import Setup
from appliance.planner.model import Model
from appliance.planner.placement import Place
from appliance.planner.speed import Helper, Machine, decode_step_s, prompt_s


def observation(model: Model, recipe: Recipe, place: Place, cards: int) -> Measurement | None:
    """The newest measurement of this variant, by this recipe, on so many cards of this name."""
    found = [one for one in _of_engine(model, recipe, place, cards) if one.recipe == recipe.id]
    return max(found, key=lambda one: one.at, default=None)


def _of_engine(model: Model, recipe: Recipe, place: Place, cards: int) -> list[Measurement]:
    names = [place.name] * cards
    return [
        one
        for one in place.measurements
        if one.variant == model.variant
        and one.engine == recipe.engine
        and one.cards == names
        and one.decode_tps_one
    ]


def learnt(machine: Machine, model: Model, recipe: Recipe, place: Place, cards: int) -> Machine:
    """`machine` as fast as it was seen to be.

    What another backend of the same engine gave counts, too, but not as a promise of more.
    """
    seen = observation(model, recipe, place, cards)
    if seen:
        return _calibrated(machine, model, seen, most=math.inf)
    others = _of_engine(model, recipe, place, cards)
    newest = max(others, key=lambda one: one.at, default=None)
    return _calibrated(machine, model, newest, most=1.0) if newest else machine


def _calibrated(machine: Machine, model: Model, seen: Measurement, *, most: float) -> Machine:
    """All times of `machine` scaled by the same factor, at `most` so much faster."""
    setup = Setup(context=seen.context * seen.slots, slots=seen.slots)
    factor = min(most, (seen.decode_tps_one or 0.0) * decode_step_s(model, machine, setup))
    prompts = factor
    if seen.prefill_tps:
        prompts = min(most, seen.prefill_tps * prompt_s(model, machine, 1024) / 1024)
    return msgspec.structs.replace(
        machine,
        gbs=machine.gbs * factor,
        expert_gbs=machine.expert_gbs and machine.expert_gbs * factor,
        cache_gbs=machine.cache_gbs and machine.cache_gbs * factor,
        gflops=machine.gflops * prompts,
        layer_s=machine.layer_s / factor,
        hop_s=machine.hop_s / factor,
        reduce_gbs=machine.reduce_gbs and machine.reduce_gbs * factor,
        helper=machine.helper and _faster(machine.helper, factor),
    )


def _faster(helper: Helper, factor: float) -> Helper:
    return msgspec.structs.replace(helper, gbs=helper.gbs * factor, layer_s=helper.layer_s / factor)


def as_observed(speed: Speed, seen: Measurement, predicted_tps: float) -> Speed:
    """`speed`, which a calibrated machine gave, with what was measured and what was foretold."""
    return msgspec.structs.replace(
        speed,
        decode_tps_one=seen.decode_tps_one,
        prefill_tps=seen.prefill_tps or speed.prefill_tps,
        method="measured",
        decode_tps_one_range=None,
        decode_tps_all_range=None,
        first_token_s_range=None,
        predicted_tps_one=round(predicted_tps, 1),
    )
