"""The engine's own figures in place of a formula's, for the few models looked at closely."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from appliance.catalog.architecture import Architecture
from appliance.catalog.compose import composable, write_composed
from appliance.core.plan import CardMemory, Memory
from appliance.engines.llamacpp.dryrun import DryRun, Question, dry_run
from appliance.planner.memory import Setup, compute_mib, output_mib
from appliance.planner.model import Model


def needs_engine(architecture: Architecture) -> bool:
    """Whether the formula for compute buffers is a fit: V3.2 and V4, with their indexer."""
    return bool(architecture.indexer_dim)


def measured(model: Model, setup: Setup, cache: Path | None) -> DryRun | None:
    """What the engine says of this architecture; `None` where it cannot be asked."""
    if model.format != "gguf" or not composable(model.architecture):
        return None
    question = Question(
        context=setup.context,
        slots=setup.slots,
        kv_type=setup.kv_type,
        ubatch=setup.ubatch,
        flash_attention=setup.flash_attention,
    )
    with tempfile.TemporaryDirectory(prefix="appliance-") as directory:
        header = Path(directory) / "header.gguf"
        write_composed(header, model.architecture)
        return dry_run(header, question, cache=cache)


def with_engine(memory: Memory, model: Model, setup: Setup, cache: Path | None) -> Memory:
    """`memory` with the engine's compute buffers, on every device; unchanged where it is silent."""
    answer = measured(model, setup, cache)
    if answer is None:
        return memory
    on_card = any(card.id != "cpu" for card in memory.per_card)
    formula = compute_mib(model.architecture, setup, on_card=on_card)
    more = max(answer.compute_mib, output_mib(model.architecture, setup)) - formula
    per_card = [_corrected(card, more) for card in memory.per_card]
    host_mib = memory.host_mib if on_card else per_card[0].total_mib
    return msgspec.structs.replace(memory, per_card=per_card, host_mib=host_mib, method="engine")


def _corrected(card: CardMemory, more_mib: float) -> CardMemory:
    return msgspec.structs.replace(
        card,
        compute_mib=round(card.compute_mib + more_mib, 2),
        total_mib=round(card.total_mib + more_mib, 2),
    )
