"""A setup of frozen documents: three choices on the cards of `tui_fakes`, hubs, a disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from appliance.core.errors import ApplianceError, UsageError
from appliance.core.inventory import Inventory
from appliance.core.paths import find_paths
from appliance.core.plan import CardMemory, Choice, Memory, People, Speed
from appliance.core.status import DeploymentStatus
from appliance.ops.planning import empty_ground
from appliance.ops.setup.answers import Answers
from appliance.ops.setup.draft import Draft
from appliance.ops.setup.found import Found, found_here
from appliance.ops.setup.places import Place
from appliance.ops.setup.proposal import Offers, Proposal, propose


def choice(
    model: str, quant: str, pick: Any, weights_mib: float, tps: float, **more: Any
) -> Choice:
    memory = CardMemory(
        id="GPU-0000",
        weights_mib=weights_mib,
        kv_mib=6000,
        compute_mib=900,
        overhead_mib=600,
        total_mib=weights_mib + 7500,
        available_mib=45000,
    )
    known: dict[str, Any] = {
        "cards": ["GPU-0000"],
        "gives_up": ["answers come slower than from the others"],
        "download_mib": weights_mib,
    }
    return Choice(
        model=model,
        variant=f"{model}:{quant}",
        engine="llama.cpp",
        recipe="llama.cpp-native-cuda",
        context=16384,
        slots=12,
        fits=True,
        memory=Memory(per_card=[memory], host_mib=900, method="engine"),
        speed=Speed(decode_tps_one=tps, decode_tps_all=tps * 6),
        people=People(users=12, first_word_s=30 / tps, words_per_s=tps * 0.6, most_users=40),
        pick=pick,
        disk_mib=weights_mib,
        why=["the most capable that fits", "takes 24 of 44 GiB", "answers 38 people at once"],
        **{**known, **more},
    )


QUALITY = choice("deepseek-r1-distill-qwen-32b", "q4_k_m", "quality", 18926, 31.0)
BALANCED = choice(
    "deepseek-r1-distill-qwen-14b", "q6_k", "balanced", 11557, 48.0,
    gives_up=["less thorough answers than the best"],
)  # fmt: skip
FASTEST = choice(
    "deepseek-r1-distill-qwen-7b", "q4_k_m", "fastest", 4460, 118.0,
    gives_up=["the least thorough answers of the three"],
)  # fmt: skip


class FakeSetup:
    """Remembers what it is told. `fault` is raised instead of offers."""

    def __init__(self, draft: Draft | None = None) -> None:
        self.choices = [QUALITY, BALANCED, FASTEST]
        self.kept = draft or Draft()
        self.fault: ApplianceError | None = None
        self.planned: list[Answers] = []
        self.begun: list[Answers] = []
        self.saved: list[Answers] = []
        self.finished = 0
        self.forgotten = 0

    def draft(self) -> Draft:
        return self.kept

    def keep(self, draft: Draft) -> None:
        self.kept = draft

    def found(self, inventory: Inventory) -> list[Found]:
        return found_here(inventory, "/")

    def outside(self, offered: Offers) -> list[Found]:
        return [
            Found(state="found", what="network", text="Hugging Face answers in 0.4 s"),
            Found(state="found", what="network", text="ModelScope answers in 0.2 s"),
        ]

    def offers(
        self, answers: Answers, inventory: Inventory, running: Sequence[DeploymentStatus]
    ) -> Offers:
        self.planned.append(answers)
        if self.fault:
            raise self.fault
        wanted = answers.reference
        known = [c for c in self.choices if wanted in (None, c.variant, c.model)]
        if not known:
            raise UsageError(f"no such model: {wanted}", hint="see `appliance models list`")
        ground = msgspec.structs.replace(
            empty_ground(find_paths()), inventory=inventory, disk_free_mib=476_837.0
        )
        habits = "Reckoned with questions of 400 tokens, answers of 300, and 45 s until the next."
        return Offers(choices=self.choices, best=known[0], ground=ground, habits=habits)

    def places(self, offered: Offers) -> list[Place]:
        both = "what one lacks, the other gives"
        return [
            Place(source="hubs", title="Hugging Face + ModelScope", text=both),
            Place(source="hf", title="Hugging Face", text="has it, answers in 0.4 s"),
            Place(source="ms", title="ModelScope", text="does not have it", state="no"),
            Place(source="file:/media/usb", title="disk", text="/media/usb"),
            Place(source="file:", title="another disk", text="a path", state="typed"),
            Place(source="peer:", title="a neighbour", text="its name", state="typed"),
        ]

    def propose(self, answers: Answers, offered: Offers) -> Proposal:
        return propose(answers, offered)

    def save(self, answers: Answers, path: Path | None = None) -> Path:
        self.saved.append(answers)
        return Path("/somewhere/answers.toml")

    def begin(self, answers: Answers) -> None:
        self.begun.append(answers)

    def finish(self) -> None:
        self.finished += 1

    def forget(self) -> None:
        self.forgotten += 1
