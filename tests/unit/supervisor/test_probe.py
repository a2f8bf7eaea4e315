from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_engines import Fakes, until

from appliance.core.loopback import free_port
from appliance.supervisor.probe import Pulse, Refusals, Signs, answers, cpu_ticks, ready


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Fakes]:
    with Fakes(tmp_path) as running:
        yield running


def test_an_engine_that_answers_is_ready(fakes: Fakes) -> None:
    engine = fakes.serving("good")

    readiness = ready(engine.port, "model")
    assert readiness.ok
    assert readiness.why is None


@pytest.mark.parametrize(
    ("mode", "why"),
    [("garbage", "not an answer"), ("empty", "an empty answer"), ("loading", "HTTP 503")],
)
def test_an_engine_that_does_not_answer_a_question_is_not_ready(
    fakes: Fakes, mode: str, why: str
) -> None:
    engine = fakes.serving(mode)

    readiness = ready(engine.port, "model")
    assert not readiness.ok
    assert readiness.why is not None
    assert why in readiness.why


def test_a_silent_engine_is_not_waited_for_without_end(fakes: Fakes) -> None:
    engine = fakes.serving("silent")

    readiness = ready(engine.port, "model", timeout_s=0.3)
    assert not readiness.ok
    assert readiness.why == "no answer within 0.3 s"
    assert answers(engine.port), "its HTTP side is well"


def test_a_slow_answer_is_an_answer(fakes: Fakes) -> None:
    engine = fakes.serving("busy")

    assert ready(engine.port, "model", timeout_s=20).ok


def test_nobody_at_the_port_is_no_answer() -> None:
    port = free_port()

    assert not answers(port)
    assert not ready(port, "model").ok


def test_a_stopped_engine_answers_nothing_and_uses_no_processor(fakes: Fakes) -> None:
    engine = fakes.serving("good")
    until(lambda: answers(engine.port))
    os.kill(engine.pid, signal.SIGSTOP)
    before = cpu_ticks(engine.pid)

    assert not answers(engine.port, timeout_s=0.3)
    assert cpu_ticks(engine.pid) == before
    os.kill(engine.pid, signal.SIGCONT)
    assert answers(engine.port, timeout_s=10)


def test_an_engine_that_loads_is_not_yet_well(fakes: Fakes) -> None:
    engine = fakes.serving("loading")

    assert not answers(engine.port)


def judge(*signs: Signs, every_s: float = 5.0) -> list[bool]:
    pulse = Pulse(still_s=25.0, spinning_s=900.0)
    return [pulse.hung(sign, number * every_s) for number, sign in enumerate(signs)]


def test_idle_and_well_is_never_hung() -> None:
    assert not any(judge(*[Signs(answers=True, progress=7, working=False, cpu_ticks=9)] * 1000))


def test_busy_with_progress_is_never_hung_however_slow_its_answers() -> None:
    assert not any(
        judge(*[Signs(answers=False, progress=n, working=True, cpu_ticks=9) for n in range(1000)])
    )


def test_one_long_prompt_is_not_a_hang() -> None:
    deep = [Signs(answers=True, progress=7, working=True, cpu_ticks=n) for n in range(100)]

    assert not any(judge(*deep))


def test_requests_inside_and_nothing_moves_is_hung_within_thirty_seconds() -> None:
    still = [Signs(answers=True, progress=7, working=True, cpu_ticks=9)] * 7

    assert judge(*still) == [False] * 5 + [True] * 2


def test_silence_without_any_other_sign_is_hung() -> None:
    assert judge(*[Signs(answers=False)] * 7)[-1]


def test_a_processor_that_spins_for_ever_is_hung_in_the_end() -> None:
    spinning = [Signs(answers=True, progress=7, working=True, cpu_ticks=n) for n in range(200)]

    assert judge(*spinning).index(True) == 180


def test_progress_after_a_pause_starts_the_clock_again() -> None:
    still = [Signs(answers=True, progress=7, working=True, cpu_ticks=9)] * 4
    moved = [Signs(answers=True, progress=8, working=True, cpu_ticks=9)] * 4

    assert not any(judge(*still, *moved))


def test_refusals_are_borne_for_a_while(fakes: Fakes) -> None:
    refused = ready(fakes.serving("garbage").port, "model")
    loading = ready(fakes.serving("loading").port, "model")
    nobody = ready(free_port(), "model")
    assert [one.refused for one in (refused, loading, nobody)] == [True, False, False]

    refusals = Refusals(patience_s=60.0)
    assert [refusals.too_long(refused, now) for now in (0.0, 59.0, 60.0)] == [False, False, True]
    assert not refusals.too_long(loading, 61.0)
    assert not refusals.too_long(refused, 62.0)
