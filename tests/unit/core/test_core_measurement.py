"""What was measured is kept, the newest of each subject."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from appliance.core.measurement import Measurement, load_measurements, save_measurement
from appliance.core.paths import find_paths


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path))


def _measured(**changes: object) -> Measurement:
    plain = Measurement(
        variant="deepseek-r1-distill-qwen-7b:q4_k_m",
        engine="llama.cpp",
        recipe="llama.cpp-prebuilt-cpu",
        cards=["cpu"],
        context=4096,
        slots=2,
        users=2,
        at="2026-11-25T03:00:00Z",
        decode_tps_one=9.0,
    )
    return msgspec.structs.replace(plain, **changes)


def test_the_newest_of_a_subject_is_kept_beside_other_subjects() -> None:
    paths = find_paths()
    save_measurement(paths, _measured())
    save_measurement(paths, _measured(slots=4, decode_tps_one=8.0))
    save_measurement(paths, _measured(decode_tps_one=11.0))
    kept = {m.slots: m.decode_tps_one for m in load_measurements(paths)}
    assert kept == {2: 11.0, 4: 8.0}


def test_a_damaged_file_costs_the_past_and_nothing_else() -> None:
    paths = find_paths()
    save_measurement(paths, _measured())
    next(paths.state.glob("measurements*")).write_bytes(b"[{")
    assert load_measurements(paths) == []
    save_measurement(paths, _measured())
    assert load_measurements(paths) == [_measured()]
    assert [path.name for path in paths.state.iterdir()] == ["measurements.json"]
