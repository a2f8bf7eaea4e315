from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.supervisor.backoff import Backoff


def test_the_first_restart_begins_within_a_second_and_the_wait_grows_to_a_minute() -> None:
    backoff = Backoff()
    waits = [backoff.died("exit 1") for _ in range(12)]

    assert waits[:3] == [0.2, 1.0, 2.0]
    assert waits[-1] == 60.0
    assert waits == sorted(waits)


def test_an_answer_makes_it_forget() -> None:
    backoff = Backoff()
    for _ in range(3):
        backoff.died("exit 1")
    backoff.answered()

    assert backoff.deaths == 0
    assert not backoff.hopeless
    assert backoff.died("exit 1") == 0.2


def test_three_deaths_the_same_way_are_hopeless() -> None:
    backoff = Backoff()
    verdicts = []
    for way in ("PORT-TAKEN", "HOST-MEMORY", "HOST-MEMORY", "HOST-MEMORY", "exit 1"):
        backoff.died(way)
        verdicts.append(backoff.hopeless)

    assert verdicts == [False, False, False, True, False]


@given(st.lists(st.sampled_from(["a", "b", "answer"]), max_size=200))
def test_every_wait_is_within_bounds_and_it_never_gives_up(story: list[str]) -> None:
    backoff = Backoff()
    for event in story:
        if event == "answer":
            backoff.answered()
        else:
            assert 0 < backoff.died(event) <= 60.0
