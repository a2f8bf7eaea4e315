from __future__ import annotations

from pathlib import Path

import pytest
from fake_engines import Fakes
from hypothesis import given
from hypothesis import strategies as st

from appliance.supervisor.canary import Reference, ask, garbage, wrong

PROSE = " Paris. The capital of Germany is Berlin. The capital of Italy is Rome."
LOOP = " Paris. The capital of France is Paris. The capital of France is Paris."
BROKEN = [
    "!" * 24,
    "GgGgGgGgGgGgGgGgGgGg",
    "的" * 20,
    "\ufffd\ufffd\ufffd what",
    "",
    "\x07\x08\x01",
]


def reference(answer: str) -> Reference:
    return Reference(answer=answer, at="2026-11-25T03:00:00Z")


@pytest.mark.parametrize(
    "text", [PROSE, LOOP, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10", "巴黎。德国的首都是柏林。"]
)
def test_what_models_say_is_no_garbage(text: str) -> None:
    assert garbage(text) is None


@pytest.mark.parametrize("text", BROKEN)
def test_what_broken_arithmetic_says_is(text: str) -> None:
    assert garbage(text) is not None
    assert wrong(text, reference(PROSE), known_good=False) is not None
    assert wrong(text, None, known_good=True) is not None


def test_a_model_that_knew_must_know() -> None:
    assert wrong(LOOP, reference(PROSE), known_good=False) is None
    assert wrong(" Berlin, of course, and so on.", reference(PROSE), known_good=False) is not None


def test_one_that_never_knew_must_say_much_the_same() -> None:
    before = reference("Word 0. Word 0. Word 0.")

    assert wrong("Word 0. Word 0. Word 1.", before, known_good=False) is None
    assert wrong("zqx vbnm kjh gfd", before, known_good=False) is not None


def test_one_that_always_was_odd_is_not_called_broken() -> None:
    assert wrong("!" * 24, reference("!" * 30), known_good=False) is None
    assert wrong("!" * 24, None, known_good=False) is None


def test_a_known_model_needs_no_reference() -> None:
    assert wrong(PROSE, None, known_good=True) is None
    assert wrong(" London, England. It is", None, known_good=True) is not None


def test_an_engine_that_offers_no_completion_says_nothing(tmp_path: Path) -> None:
    with Fakes(tmp_path) as fakes:
        assert ask(fakes.serving("good").port, "model") is None
    assert ask(9, "model", timeout_s=0.5) is None


@given(st.text(max_size=200), st.one_of(st.none(), st.text(max_size=100)), st.booleans())
def test_no_answer_is_too_strange(answer: str, before: str | None, known_good: bool) -> None:
    fault = wrong(answer, reference(before) if before is not None else None, known_good=known_good)

    assert fault is None or str(fault)
