"""Whether other settings of a deployment stay within the memory that is there."""

from __future__ import annotations

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.plan import Memory
from appliance.ops.deployment import Deployment
from appliance.ops.planning import Ground, make_exact_plan

_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 1.0625}
"""Of one element of the cache, among the kinds that `tune` may try."""


def stays_within(candidate: Deployment, before: Deployment, ground: Ground) -> bool:
    """Whether `candidate` can take the place of `before`, which runs now.

    A smaller cache and a smaller micro-batch always can. A larger one needs the planner's word that
    there is room for it; what the planner cannot size does not grow.
    """
    if _BYTES.get(candidate.kv_type, 99.0) > _BYTES.get(before.kv_type, 0.0):
        return False
    if candidate.ubatch <= before.ubatch:
        return True
    try:
        more, less = _memory(candidate, ground), _memory(before, ground)
    except ApplianceError:
        return False
    extra = max(c.total_mib for c in more.per_card) - max(c.total_mib for c in less.per_card)
    return extra <= _room_mib(less, ground)


def _room_mib(running: Memory, ground: Ground) -> float:
    """On cards what the plan left over; of the host half of what is free beside the engine."""
    if [card.id for card in running.per_card] == ["cpu"]:
        return (ground.host_memory_free_mib or 0.0) / 2
    return min((card.available_mib or 0.0) - card.total_mib for card in running.per_card)


def _memory(work: Deployment, ground: Ground) -> Memory:
    cards = set(next(iter(work.replica_cards().values())))
    kept = [card for card in ground.inventory.cards if card.id in cards]
    inventory = msgspec.structs.replace(ground.inventory, cards=kept)
    plan = make_exact_plan(
        msgspec.structs.replace(ground, inventory=inventory),
        variant=work.variant,
        quant=work.quant or "",
        total_context=work.context * work.slots,
        slots=work.slots,
        kv_type=work.kv_type,
        ubatch=work.ubatch,
        flash_attn=True,
    )
    return plan.choices[0].memory
