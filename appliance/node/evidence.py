"""What could be seen when something went wrong, kept for whoever looks into it later.

A directory for each case under the state directory; the oldest go when there are too many.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from appliance.core.documents import to_json
from appliance.core.inventory import Document, Inventory
from appliance.core.paths import Paths, private_directory
from appliance.core.sample import Sample
from appliance.hardware.runner import LiveRunner
from appliance.node.state import now

_MOST_CASES = 40
_KERNEL_LINES = 400
_ENGINE_LINES = 400


class Case(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.evidence/1"):
    """What it is about."""

    at: str
    code: str
    cards: list[str]
    reason: str


def keep_evidence(
    paths: Paths,
    case: Case,
    *,
    samples: Sequence[Sample],
    inventory: Inventory | None,
    engine_logs: Mapping[str, Sequence[str]],
) -> Path:
    """Write a case down and return its directory; what cannot be written is left out."""
    root = private_directory(paths.state / "evidence")
    _forget_oldest(root)
    directory = private_directory(root / _name(case))
    files = {
        "case.json": to_json(case, indent=2),
        "samples.jsonl": "".join(f"{to_json(sample)}\n" for sample in samples),
        "kernel.log": "\n".join(kernel_lines()[-_KERNEL_LINES:]),
        "inventory.json": to_json(inventory, indent=2) if inventory else "",
        **{f"{replica}.log": "\n".join(lines) for replica, lines in engine_logs.items()},
    }
    for name, text in files.items():
        if text:
            (directory / name).write_text(text, encoding="utf-8")
    return directory


def case_of(code: str, cards: Sequence[str], reason: str) -> Case:
    """A case that happens now."""
    return Case(at=now(), code=code, cards=list(cards), reason=reason)


def kernel_lines() -> list[str]:
    """The kernel's log, as far as we may read it."""
    answer = LiveRunner().ask("dmesg", "-T")
    return answer.stdout.splitlines() if answer and answer.exit == 0 else []


def _name(case: Case) -> str:
    stamp = "".join(c for c in case.at if c.isalnum())
    first = case.cards[0] if case.cards else "server"
    safe = "".join(c if c.isalnum() or c in "-." else "-" for c in first)[:60]
    return f"{stamp}-{case.code}-{safe}"


def _forget_oldest(root: Path) -> None:
    for old in sorted(root.iterdir())[: -(_MOST_CASES - 1)]:
        shutil.rmtree(old, ignore_errors=True)
