"""Held cards stay held, everywhere, until they are released."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.core.errors import DoesNotFit, UsageError
from appliance.core.holds import load_holds, without_held
from appliance.core.inventory import Card, Host, Inventory
from appliance.core.paths import Paths
from appliance.core.status import Hold
from appliance.node import holds as holds_module
from appliance.node.evidence import case_of, keep_evidence
from appliance.node.holds import CardHolds
from appliance.ops.usable import with_holds

HOLD = Hold(kind="maintenance", since="2026-11-25T03:00:00Z", code="CARD-HELD", reason="new fan")
BOX = Inventory(host=Host(), cards=[Card(id=name, vendor="nvidia") for name in ("a", "b")])


def test_a_hold_is_in_force_for_everybody_and_after_a_restart(paths: Paths) -> None:
    CardHolds(paths).hold("a", HOLD)

    again = CardHolds(paths)
    assert again.on(["b", "a"]) == ("a", HOLD)
    assert again.on(["b"]) is None
    assert [card.id for card in without_held(BOX, paths).cards] == ["b"]
    (note,) = with_holds(BOX, paths).cards[0].notes
    assert note == "held since 2026-11-25T03:00:00Z: new fan"

    again.release("a")
    assert load_holds(paths) == {}
    assert without_held(BOX, paths) == BOX


def test_only_what_is_held_can_be_released(paths: Paths) -> None:
    with pytest.raises(UsageError) as refused:
        CardHolds(paths).release("a")
    assert refused.value.code == "CARD-NOT-HELD"


def test_a_damaged_file_holds_nothing(paths: Paths) -> None:
    (paths.state / "holds.json").write_text('{"cards": {"a": 7}}')

    assert load_holds(paths) == {}


def test_on_a_full_disk_it_is_in_force_and_said(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(holds_module, "save_holds", full)
    holds = CardHolds(paths)
    with pytest.raises(DoesNotFit) as refused:
        holds.hold("a", HOLD)

    assert refused.value.code == "DISK-FULL"
    assert holds.on(["a"]) == ("a", HOLD)


def test_evidence_is_kept_within_bounds(paths: Paths) -> None:
    kept: list[Path] = []
    for number in range(45):
        case = case_of("CARD-LOST", [f"GPU/{number}"], "gone")
        kept.append(
            keep_evidence(
                paths, case, samples=[], inventory=BOX, engine_logs={"tiny-0": ["the last words"]}
            )
        )

    there = [directory for directory in kept if directory.exists()]
    assert len(there) == 40
    assert there[-1] == kept[-1]
    assert (kept[-1] / "tiny-0.log").read_text() == "the last words"
    assert '"GPU/44"' in (kept[-1] / "case.json").read_text()
