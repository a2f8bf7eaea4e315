"""The engine's own figures in place of a formula's, for the few models looked at closely."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from appliance.catalog.architecture import Architecture
from appliance.catalog.compose import composable, write_composed
from appliance.core.plan import CardMemory, Memory
from appliance.engines.llamacpp.dryrun import DryRun, Question, dry_run
from appliance.planner.memory import Setup, compute_mib, kv_mib, output_mib
from appliance.planner.model import Model

DEADLINE_S = 5.0


def can_ask(architecture: Architecture) -> bool:
    """Whether the engine can be asked with a composed header, and would answer for these files."""
    return composable(architecture) and not architecture.legacy_cache


def measured(model: Model, setup: Setup, cache: Path | None) -> DryRun | None:
    """What the engine says of this architecture; `None` where it cannot be asked."""
    if model.format != "gguf" or not can_ask(model.architecture):
        return None
    question = Question(
        context=setup.context,
        slots=setup.slots,
        kv_type=setup.kv_type,
        ubatch=setup.ubatch,
        flash_attention=setup.flash_attention,
        unified=setup.unified,
        swa_full=setup.swa_full,
    )
    with tempfile.TemporaryDirectory(prefix="appliance-") as directory:
        header = Path(directory) / "header.gguf"
        write_composed(header, model.architecture)
        return dry_run(header, question, cache=cache, deadline_s=DEADLINE_S)


def with_engine(memory: Memory, model: Model, setup: Setup, cache: Path | None) -> Memory:
    """`memory` with the engine's cache and compute buffers; unchanged where it is silent.

    The engine is asked as its server sets it up, with one output a slot; the scores of a whole
    micro-batch are the most that a caller may make it compute.
    """
    answer = measured(model, setup, cache)
    if answer is None or not setup.fused_indexer:
        return memory
    a, on_card = model.architecture, any(card.id != "cpu" for card in memory.per_card)
    formula = compute_mib(a, setup, on_card=on_card)
    more = max(answer.compute_mib, output_mib(a, setup, on_card=on_card)) - formula
    share = answer.kv_mib / kv_mib(a, setup)
    per_card = [_corrected(card, more, share) for card in memory.per_card]
    host_mib = memory.host_mib if on_card else per_card[0].total_mib
    return msgspec.structs.replace(memory, per_card=per_card, host_mib=host_mib, method="engine")


def _corrected(card: CardMemory, more_mib: float, kv_share: float) -> CardMemory:
    kv = round(card.kv_mib * kv_share, 2)
    return msgspec.structs.replace(
        card,
        kv_mib=kv,
        compute_mib=round(card.compute_mib + more_mib, 2),
        total_mib=round(card.total_mib + more_mib + kv - card.kv_mib, 2),
    )
