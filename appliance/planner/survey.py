"""Every variant of the catalogue on one server: how it would run, or why it does not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from appliance.catalog.models import Catalogue
from appliance.core.cards import CardFacts
from appliance.core.inventory import Inventory
from appliance.core.measurement import Measurement
from appliance.core.plan import Choice, Rejection, Wish
from appliance.engines.recipes import Recipe
from appliance.planner.candidates import candidates
from appliance.planner.model import of_catalogue
from appliance.planner.placement import places
from appliance.planner.plan import NEAR_MISSES, marked, with_disk


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one variant: the best way to run it, or the reason that is nearest to one.

    `rank` orders those that run, the best first.
    """

    rank: int
    choice: Choice | None = None
    rejection: Rejection | None = None
    meets_wish: bool = False


def survey(
    wish: Wish,
    inventory: Inventory,
    catalogue: Catalogue,
    recipes: Sequence[Recipe],
    facts: Mapping[str, CardFacts],
    *,
    stored: Collection[str] = (),
    disk_free_mib: float | None = None,
    host_memory_free_mib: float | None = None,
    used_mib: Mapping[str, float] | None = None,
    measurements: Sequence[Measurement] = (),
) -> dict[str, Verdict]:
    """A verdict for each variant whose size is known. The arguments are those of a plan."""
    families = [family for family in catalogue.families if family.chat]
    known = (of_catalogue(family, one) for family in families for one in family.variants)
    where = places(
        inventory, facts, host_memory_free_mib, used_mib=used_mib, measurements=measurements
    )
    models = [model for model in known if model]
    found, rejected = candidates(wish, models, recipes, where)
    kept, no_room = with_disk(marked(found, stored), disk_free_mib)
    kept.sort(key=lambda one: one.order, reverse=True)
    verdicts: dict[str, Verdict] = {}
    for rank, one in enumerate(kept):
        verdict = Verdict(rank=rank, choice=one.choice, meets_wish=one.meets_wish)
        verdicts.setdefault(one.model.variant, verdict)
    reasons = sorted([*no_room, *rejected], key=lambda one: one.code not in NEAR_MISSES)
    for reason in reasons:
        verdicts.setdefault(reason.variant, Verdict(rank=len(kept), rejection=reason))
    return verdicts
