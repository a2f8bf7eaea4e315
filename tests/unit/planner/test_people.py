import msgspec
import pytest
from boxes import FACTS
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.catalog.models import load_catalogue
from appliance.core.i18n import use_language
from appliance.core.plan import Wish
from appliance.core.reference import CatalogReference
from appliance.planner.memory import Setup
from appliance.planner.model import Model, of_catalogue
from appliance.planner.people import (
    MOST_IN_DETAIL,
    Station,
    _exact,
    _steady,
    carried,
    contents,
    context_of,
    experience,
    habits_of,
    largest,
)
from appliance.planner.rules import rules
from appliance.planner.speed import machine_of_layers
from appliance.planner.wording import pace

CATALOGUE = load_catalogue()


def model_of(family: str, quant: str) -> Model:
    model = of_catalogue(*CATALOGUE.variant(CatalogReference(family, quant)))
    assert model is not None
    return model


def station(slots: int = 4, replicas: int = 1, wish: Wish | None = None) -> Station:
    model = model_of("deepseek-r1-distill-qwen-14b", "q4_k_m")
    facts = FACTS["RTX 4090"]
    return Station(
        model=model,
        machine=machine_of_layers(model.architecture, 1, facts.arch, facts),
        setup=Setup(context=16384 * slots, slots=slots),
        replicas=replicas,
        habits=habits_of(wish or Wish()),
    )


@settings(max_examples=60, deadline=None)
@given(users=st.integers(1, 400), slots=st.integers(1, 12), replicas=st.integers(1, 4))
def test_everybody_thinks_works_or_waits(users: int, slots: int, replicas: int) -> None:
    """Little's law over the closed network: a wrong chain breaks it."""
    place = station(slots, replicas)
    means = _exact(place, users)
    thinking = means.rate * place.habits.think_s
    assert thinking + means.working + means.waiting == pytest.approx(users, rel=1e-6)
    assert 0 <= means.working <= place.places + 1e-9
    assert 0 <= means.queued <= 1


def test_one_person_alone_waits_for_nobody() -> None:
    place = station(slots=1)
    crowd = experience(place, 1)
    assert crowd.queued == 0
    assert crowd.first_word_s == pytest.approx(place.prompt_s + place.step_s(1), rel=0.05)
    assert crowd.tps == pytest.approx(1 / place.step_s(1), rel=0.05)


def test_more_people_wait_longer_and_read_slower() -> None:
    place = station(slots=6)
    crowds = [experience(place, users) for users in (1, 4, 16, 64, 256)]
    waits = [crowd.first_word_s for crowd in crowds]
    assert waits == sorted(waits)
    assert [c.tps for c in crowds] == sorted((c.tps for c in crowds), reverse=True)
    assert waits[-1] > 10 * waits[0]


def test_one_slot_answers_one_after_the_other() -> None:
    """Four people and one slot: about one question in three finds it taken."""
    crowd = experience(station(slots=1), 4)
    assert 0.15 < crowd.queued < 0.6
    assert experience(station(slots=4), 4).queued < 0.01


@pytest.mark.parametrize("slots", [8, 200])
def test_a_large_crowd_is_what_a_small_one_tends_to(slots: int) -> None:
    place = station(slots)
    exact, steady = _exact(place, MOST_IN_DETAIL), _steady(place, MOST_IN_DETAIL)
    assert steady.rate == pytest.approx(exact.rate, rel=0.05)
    assert steady.working == pytest.approx(exact.working, rel=0.1)
    assert steady.waiting == pytest.approx(exact.waiting, rel=0.05, abs=1)


def test_what_is_carried_keeps_what_was_promised() -> None:
    place, wish = station(slots=8), Wish(first_word_s=1.0)
    crowd = carried(wish, place)
    assert crowd is not None
    assert crowd.users > 8
    assert contents(wish, place, crowd)
    assert not contents(wish, place, experience(place, crowd.users + crowd.users // 20 + 1))


def test_nobody_is_carried_within_an_impossible_wait() -> None:
    assert carried(Wish(first_word_s=1e-6), station()) is None


def test_documents_take_longer_than_chats() -> None:
    chats = carried(Wish(), station(slots=8))
    wish = Wish(style="documents")
    documents = experience(station(slots=8, wish=wish), 8)
    assert chats is not None
    assert documents.first_word_s > 3 * experience(station(slots=8), 8).first_word_s


def test_a_wish_overrides_its_style() -> None:
    habits = habits_of(Wish(style="code", answer_tokens=50, think_time_s=0))
    assert habits.answer_tokens == 50
    assert habits.think_s == 0
    assert habits.prompt_tokens == rules().people.style["code"].prompt_tokens


def test_a_long_prompt_gets_a_longer_conversation() -> None:
    model = model_of("deepseek-r1-distill-qwen-14b", "q4_k_m")
    assert context_of(Wish(), model) == rules().people.context_reasoning
    assert context_of(Wish(prompt_tokens=60_000), model) > 60_000
    assert context_of(Wish(context=4096, prompt_tokens=60_000), model) == 4096


@given(st.integers(0, 30_000))
def test_the_largest_number_is_found_within_one_in_a_hundred(limit: int) -> None:
    found = largest(lambda n: n <= limit, 20_000)
    wanted = min(limit, 20_000)
    assert found <= wanted
    assert wanted - found <= max(1, wanted // 50) or wanted == 20_000


def test_chinese_is_counted_in_characters() -> None:
    try:
        use_language("en")
        assert pace(20.0) == "14 words/s"
        use_language("zh")
        assert "32" in pace(20.0)
    finally:
        use_language("en")


def test_a_station_is_a_value() -> None:
    place = station()
    assert msgspec.structs.replace(place, replicas=2).places == 2 * place.places
