"""After a power cut at any moment: no torn file, and nothing lost that the operator was told."""

from __future__ import annotations

import hashlib
import random
import shutil
import sys
from pathlib import Path

import pytest
from hub import LoopbackHub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from power_cut import Recorder, cut
from shelf import Shelf, some_bytes

from appliance.node.state import State
from appliance.weights.store import Store

CHUNK = 64 << 10
MODEL = "hf:deepseek-ai/tiny"
OLD = {"model.safetensors": some_bytes(6 * CHUNK + 9, seed=1), "config.json": b'{"v": 1}'}
NEW = {"model.safetensors": some_bytes(5 * CHUNK + 7, seed=2), "config.json": b'{"v": 2}'}
NAMES = {"old": OLD, "new": NEW}


@pytest.fixture
def recorder(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return history(hub, tmp_path, monkeypatch)


def history(hub: LoopbackHub, place: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A model that is fetched, replaced by a newer revision, and removed."""
    for name, module in list(sys.modules.items()):
        if name.startswith("appliance.weights.") and hasattr(module, "CHUNK_BYTES"):
            monkeypatch.setattr(module, "CHUNK_BYTES", CHUNK)
    shelf = Shelf(hub, place)
    shelf.store.root.mkdir()
    recorder = Recorder(shelf.store.root)
    with recorder.recording():
        for revision, files in NAMES.items():
            for name, data in files.items():
                shelf.add(name, data)
            shelf.pull()
            recorder.note(revision)
        shelf.store.remove(MODEL)
        recorder.note("removed")
    return recorder


def revision_of(store: Store) -> str | None:
    """Which revision is there, whole to the last byte; `None` for none."""
    model = store.find(MODEL)
    if model is None:
        return None
    found = {file.name: Path(file.path).read_bytes() for file in model.files}
    for file in model.files:
        assert hashlib.sha256(found[file.name]).hexdigest() == file.sha256, "a torn file"
    (revision,) = (name for name, files in NAMES.items() if files == found)
    return revision


def check(recorder: Recorder, after: int, target: Path, chance: random.Random) -> str | None:
    """Cut, and hold what is there against what was promised; which revision there is."""
    promised = cut(recorder, after, target, chance)
    revision = revision_of(Store(target, floor_bytes=0))
    if "removed" in promised:
        assert revision is None
    elif "new" in promised:
        assert revision in ("new", None)  # it may be on its way out
        assert revision == "new" or _removal_began(recorder, after)
    elif "old" in promised:
        assert revision in ("old", "new")
    return revision


def _removal_began(recorder: Recorder, after: int) -> bool:
    notes = [at for at, step in enumerate(recorder.steps) if step.kind == "note"]
    return after > notes[1] + 1


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 1 << 32))
def test_no_file_is_torn_and_no_promise_is_broken(
    recorder: Recorder, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    target = tmp_path / "after"
    try:
        check(recorder, chance.randrange(len(recorder.steps) + 1), target, chance)
    finally:
        shutil.rmtree(target, ignore_errors=True)


def test_the_cut_right_after_each_promise_breaks_none(recorder: Recorder, tmp_path: Path) -> None:
    """Nothing unflushed survives here: what was told must be on the disk already."""
    notes = [at for at, step in enumerate(recorder.steps) if step.kind == "note"]
    assert len(notes) == 3
    for number, at in enumerate(notes):
        check(recorder, at + 1, tmp_path / f"after-{number}", _Never())


class _Never(random.Random):
    def choice(self, seq: object) -> float:  # type: ignore[override]
        return 0.0


def test_the_simulation_sees_a_missing_flush(recorder: Recorder, tmp_path: Path) -> None:
    """Without any flush of names, what was promised is lost: the cuts above can fail."""
    recorder.steps = [step for step in recorder.steps if step.kind != "flush-names"]
    notes = [at for at, step in enumerate(recorder.steps) if step.kind == "note"]
    with pytest.raises(AssertionError):
        check(recorder, notes[0] + 1, tmp_path / "after", _Never())


def test_a_pull_after_any_cut_brings_the_model_back(
    recorder: Recorder, hub: LoopbackHub, tmp_path: Path
) -> None:
    chance = random.Random(3)
    for number in range(12):
        place = tmp_path / f"again-{number}"
        place.mkdir()
        shelf = Shelf(hub, place)
        cut(recorder, chance.randrange(len(recorder.steps)), shelf.store.root, chance)
        shelf.pull()
        assert revision_of(shelf.store) == "new"
        shelf.store.verify(MODEL)


@pytest.mark.parametrize("seed", range(20))
def test_what_the_daemon_was_told_to_remember_survives(tmp_path: Path, seed: int) -> None:
    """Every acknowledged setting is there, however much of the next one reached the disk."""
    live = tmp_path / "live"
    live.mkdir()
    state = State(live / "state.db")
    images: list[dict[str, bytes]] = []
    for number in range(8):
        state.set_setting("pulls", f"record {number} " + "x" * 3000)
        images.append({path.name: path.read_bytes() for path in live.iterdir()})
    state.close()

    chance = random.Random(seed)
    told = chance.randrange(len(images) - 1)
    after = tmp_path / "after"
    after.mkdir()
    for name, data in _between(images[told], images[told + 1], chance).items():
        (after / name).write_bytes(data)

    survivor = State(after / "state.db")
    value = survivor.setting("pulls") or ""
    survivor.close()
    assert value.split()[1] in (str(told), str(told + 1))


def _between(
    flushed: dict[str, bytes], later: dict[str, bytes], chance: random.Random
) -> dict[str, bytes]:
    """The flushed files, with any sectors of what came after; the shared memory is gone."""
    files = {}
    for name in flushed:
        if name.endswith("-shm"):
            continue
        data = bytearray(later[name])
        for sector in range(0, len(data), 512):
            if chance.random() < 0.5:
                before = flushed[name][sector : sector + 512]
                data[sector : sector + 512] = before.ljust(len(data[sector : sector + 512]), b"\0")
        files[name] = bytes(data)
    return files
