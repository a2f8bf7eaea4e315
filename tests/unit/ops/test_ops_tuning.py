"""Tuning keeps what is better twice, and always ends with something that serves."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from up_fakes import FakeServices

from appliance.core.errors import ApplianceError, Interrupted
from appliance.core.measurement import load_measurements
from appliance.core.paths import find_paths
from appliance.core.progress import Cancel
from appliance.core.tune import Goal, Trial, Tune
from appliance.engines.llamacpp.threads import usable_threads
from appliance.ops import tuning
from appliance.ops.crowd import Heard
from appliance.ops.deployment import Deployment
from appliance.ops.tuning import TuneJob, tuned

WORK = Deployment(
    id="m",
    model="deepseek-r1-distill-qwen-1.5b",
    variant="deepseek-r1-distill-qwen-1.5b:q4_k_m",
    engine="llama.cpp",
    recipe="llama.cpp-prebuilt-cpu",
    cards=["cpu"],
    model_path="/m.gguf",
    context=2048,
    slots=2,
    quant="q4_k_m",
)


class Box(FakeServices):
    """Serves `speed(deployment)` tokens/s; remembers what to go back to."""

    def __init__(self) -> None:
        super().__init__(find_paths())
        self.back: list[str | None] = []
        self.load_s: float | None = None
        self.refused: dict[str, object] = {}

    def load_seconds(self, deployment_id: str) -> float | None:
        return self.load_s

    def on_trial(self, before: Deployment | None) -> None:
        self.back.append(before.id if before else None)

    def await_ready(self, deployment_id: str, cancel: Cancel) -> None:
        now = msgspec.to_builtins(self.running[deployment_id])
        if self.refused and self.refused.items() <= now.items():
            raise ApplianceError("out of memory", hint="")
        super().await_ready(deployment_id, cancel)

    @property
    def now(self) -> Deployment:
        return self.running["m"]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path))
    box = Box()
    box.deploy(WORK)
    return box


def speeds(
    monkeypatch: pytest.MonkeyPatch, box: Box, **by_setting: dict[object, float | list[float]]
) -> None:
    """The crowd hears the product of what each setting gives; lists give one after the other."""

    def heard(*_args: object, users: int, **_options: object) -> Heard:
        speed = 10.0
        for setting, values in by_setting.items():
            value = values.get(getattr(box.now, setting), 1.0)
            speed *= value.pop(0) if isinstance(value, list) else value
        return Heard(users=users, tokens_per_s=speed, first_token_s=1 / speed)

    monkeypatch.setattr(tuning, "listen", heard)


def run(box: Box, goal: Goal = "throughput", limit_s: float = 300.0) -> Tune:
    told: list[Trial] = []
    job = TuneJob(box, WORK, goal=goal, users=None, limit_s=limit_s, tell=told.append,
                  cancel=Cancel())  # fmt: skip
    result = job.run()
    assert told == result.trials
    return result


@pytest.mark.parametrize("goal", ["throughput", "first-token"])
def test_the_best_of_each_setting_is_carried_on_and_kept(
    box: Box, monkeypatch: pytest.MonkeyPatch, goal: Goal
) -> None:
    speeds(monkeypatch, box, ubatch={128: 1.5}, kv_type={"q8_0": 1.2})
    result = run(box, goal)
    assert result.changed
    assert (box.now.ubatch, box.now.kv_type) == (128, "q8_0")
    assert result.kept == {"ubatch": "128", "kv_type": "q8_0"}
    assert box.back == ["m", None]
    kept = load_measurements(box.paths)[-1]
    assert (kept.decode_tps_all, kept.settings) == (18.0, result.kept)


def test_the_next_up_of_the_same_thing_begins_with_what_was_kept(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds(monkeypatch, box, ubatch={128: 1.5})
    run(box)
    assert tuned(WORK, box.inventory(), box.paths).ubatch == 128
    other = msgspec.structs.replace(WORK, slots=3)
    assert tuned(other, box.inventory(), box.paths) == other


def test_a_lucky_moment_changes_nothing(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    once = [1.5, 1.5, *[1.0] * 4]  # alone and together; then the truth
    speeds(monkeypatch, box, ubatch={128: once})
    result = run(box)
    assert not result.changed
    assert box.now == WORK


def test_what_does_not_start_is_a_trial_with_its_fault(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds(monkeypatch, box, ubatch={128: 1.5, 256: 9.0})
    box.refused = {"ubatch": 256}
    result = run(box)
    assert [t.fault for t in result.trials if t.settings["ubatch"] == "256"] == ["out of memory"]
    assert box.now.ubatch == 128


def test_little_time_measures_what_is_there(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    speeds(monkeypatch, box, ubatch={128: 1.5})
    result = run(box, limit_s=0.0)
    assert len(result.trials) == 1
    assert not result.changed
    assert load_measurements(box.paths)[-1].decode_tps_one == 10.0


def test_whoever_breaks_it_off_finds_it_as_it_was(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_off(*_args: object, **_options: object) -> Heard:
        if box.now != WORK:
            raise Interrupted("cancelled", hint="")
        return Heard(users=1, tokens_per_s=1.0, first_token_s=1.0)

    monkeypatch.setattr(tuning, "listen", broken_off)
    with pytest.raises(Interrupted) as told:
        run(box)
    assert "measures anew" in str(told.value.hint)
    assert box.now == WORK
    assert box.back == ["m", None]


def test_what_does_not_answer_is_not_tuned(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.refused = {"id": "m"}
    with pytest.raises(ApplianceError) as told:
        run(box)
    assert told.value.code == "TUNE-FAILED"
    assert "out of memory" in str(told.value)
    assert box.now == WORK


def test_memory_is_never_beyond_the_plan(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown to the planner: nothing may grow, whatever it would give."""
    speeds(monkeypatch, box, ubatch={1024: 9.0, 2048: 9.0})
    unknown = msgspec.structs.replace(WORK, variant="file:/m.gguf", quant=None)
    box.deploy(unknown)
    job = TuneJob(box, unknown, goal="throughput", users=None, limit_s=300.0,
                  tell=lambda _trial: None, cancel=Cancel())  # fmt: skip
    tried = {trial.settings["ubatch"] for trial in job.run().trials}
    assert tried == {"512", "256", "128"}


def test_threads_are_tried_on_the_processor_alone() -> None:
    from appliance.engines.tuning import knobs

    assert "threads" in {knob.setting for knob in knobs("llama.cpp", on_cpu=True)}
    assert "threads" not in {knob.setting for knob in knobs("llama.cpp", on_cpu=False)}
    assert knobs("vllm", on_cpu=False) == []
    threads = next(k for k in knobs("llama.cpp", on_cpu=True) if k.setting == "threads")
    assert usable_threads() not in threads.trials(None)


def test_what_loads_for_longer_than_there_is_time_is_not_loaded_anew(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds(monkeypatch, box, ubatch={128: 1.5})
    box.load_s = 100.0
    deployed = len(box.history)

    result = run(box, limit_s=300.0)

    assert len(result.trials) == 1
    assert result.load_s == 100.0
    assert len(box.history) - deployed == 2, "as it was, twice: nothing is started for that"


def test_what_there_is_no_time_to_confirm_is_not_kept(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another setting is faster, and takes unexpectedly long to start."""
    now = [0.0]

    def heard(*_args: object, users: int, **_options: object) -> Heard:
        speed = 10.0 if box.now == WORK else 15.0
        return Heard(users=users, tokens_per_s=speed, first_token_s=1 / speed)

    monkeypatch.setattr(tuning, "listen", heard)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ready = box.await_ready

    def slow(deployment_id: str, cancel: Cancel) -> None:
        now[0] += 0.0 if box.now == WORK else 200.0
        ready(deployment_id, cancel)

    monkeypatch.setattr(box, "await_ready", slow)

    result = run(box, limit_s=300.0)

    assert not result.changed
    assert box.now == WORK
    assert len(result.trials) == 2
