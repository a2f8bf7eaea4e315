"""A file that was stored is known to be another one later."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.weights.manifest import StoredFile, StoredModel
from appliance.weights.origin import may_have_changed

STORED_AT = time.time() - 3600


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"four")
    os.utime(path, (STORED_AT - 60, STORED_AT - 60))
    return path


def stored(model_id: str) -> StoredModel:
    file = StoredFile(
        name="a.gguf", path="/x", bytes=4, sha256="0" * 64, source="s", trust="first-use"
    )
    added = datetime.fromtimestamp(STORED_AT, UTC).isoformat(timespec="seconds")
    return StoredModel(
        id=model_id, reference=model_id, revision="", added=added, directory="/", files=[file]
    )


def test_what_was_not_written_to_has_not_changed(place: Path) -> None:
    assert not may_have_changed(stored(f"file:{place}"))
    assert not may_have_changed(stored(f"file:{place.parent}"))


def test_another_size_or_a_later_time_of_writing_is_a_change(place: Path) -> None:
    os.utime(place, (STORED_AT + 60, STORED_AT + 60))
    assert may_have_changed(stored(f"file:{place}"))
    assert may_have_changed(stored(f"file:{place.parent}"))
    place.write_bytes(b"five!")
    os.utime(place, (STORED_AT - 60, STORED_AT - 60))
    assert may_have_changed(stored(f"file:{place}"))


def test_a_time_to_come_a_disk_that_is_away_and_a_hub_say_nothing(place: Path) -> None:
    later = time.time() + 8 * 3600
    os.utime(place, (later, later))
    assert not may_have_changed(stored(f"file:{place}"))
    assert not may_have_changed(stored(f"file:{place}.away"))
    assert not may_have_changed(stored("hf:org/name"))
