from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tui_fakes import card, reading, wave

from appliance.core.history import SPANS, STEPS, History, HistoryPoint, Range, Span
from appliance.core.inventory import Host, Inventory
from appliance.core.sample import Sample
from appliance.tui.drawing import Line, line_cells
from appliance.tui.scene import Scene
from appliance.tui.snapshot import Snapshot
from appliance.tui.views import graphs

NOW = 1_750_000_007


def history(span: Span, points: list[HistoryPoint | None], until: int = NOW) -> History:
    moment = datetime.fromtimestamp(until, UTC).isoformat()
    return History(
        card="GPU-0000", span=span, step_s=STEPS[span].step_s, until=moment, points=points
    )


def numbered(span: Span, at: int) -> tuple[History, int]:
    """A history whose values are the numbers of its steps, and the newest of them."""
    steps = STEPS[span]
    last = at // steps.step_s
    points: list[HistoryPoint | None] = [
        HistoryPoint(util_pct=Range(min=n, mean=n, max=n))
        for n in range(last - steps.count + 1, last + 1)
    ]
    return history(span, points, (last + 1) * steps.step_s), last


@given(span=st.sampled_from(SPANS), at=st.integers(10**9, 2 * 10**9), width=st.integers(1, 400))
def test_a_graph_shows_the_whole_span_whatever_its_width(span: Span, at: int, width: int) -> None:
    found, last = numbered(span, at)
    drawn = graphs.columns(found, "util_pct", width)
    known = [value for value in drawn if value is not None]

    assert len(drawn) == width
    assert known == sorted(known)
    assert len(known) == width
    each = STEPS[span].count / width
    assert abs(known[-1] - last) <= max(1, each)
    assert abs(known[0] - (last - STEPS[span].count + 1)) <= max(1, 2 * each)


@pytest.mark.parametrize("width", [7, 38, 57, 140])
def test_what_is_drawn_moves_on_and_keeps_its_shape(width: int) -> None:
    before = graphs.columns(numbered("1m", NOW)[0], "util_pct", width)
    after = graphs.columns(numbered("1m", NOW + 1)[0], "util_pct", width)
    moved = -(-width // 60)
    inner = set(before[2:-2])

    assert len(inner & set(after)) >= len(inner) - moved - 2


def test_gaps_stay_gaps() -> None:
    points = [None if 20 <= n < 40 else HistoryPoint(**wave(n)) for n in range(60)]
    drawn = graphs.columns(history("1m", points), "util_pct", 60)

    assert [value is None for value in drawn] == [20 <= n < 40 for n in range(60)]


def scene(span: Span, width: int = 80, **values: float) -> Scene:
    known = Inventory(host=Host(), cards=[card(0)])
    sample = Sample(time=datetime.now(UTC).isoformat(), cards=[reading(0, **values)])
    points: list[HistoryPoint | None] = [HistoryPoint(**wave(n)) for n in range(STEPS[span].count)]
    snapshot = Snapshot(inventory=known, sample=sample, history=history(span, points))
    return Scene(snapshot=snapshot, span=span, width=width)


def text(lines: list[Line]) -> str:
    return "\n".join("".join(span.text for span in line) for line in lines)


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("width", [70, 80, 121, 300])
def test_four_graphs_fill_their_room(span: Span, width: int) -> None:
    seen = scene(span, width)
    lines = graphs.of_card(seen, seen.snapshot.cards()[0], 20)

    assert len(lines) == 20
    assert {line_cells(line) for line in lines} == {width}
    for name in ("in use", "memory", "temperature", "power", str(graphs.PERIODS[span])):
        assert name in text(lines)


def test_what_is_above_the_limit_of_a_card_stands_out() -> None:
    seen = scene("1m", temp_warn_c=60.0, temp_critical_c=80.0)
    heat = graphs.of_card(seen, seen.snapshot.cards()[0], 21)[11:]
    hot = [[span.text for span in line if span.style == "meter_high"] for line in heat]

    assert [bool("".join(texts).strip()) for texts in hot] == [True] * 3 + [False] * 7
    assert any(span.style == "graph" and span.text.strip() for span in heat[2])


def test_another_cards_history_is_not_drawn() -> None:
    seen = scene("1h")

    assert graphs.known(seen, "GPU-0000")
    assert not graphs.known(seen, "GPU-0001")
    assert not graphs.known(Scene(snapshot=seen.snapshot, span="1d"), "GPU-0000")


@pytest.mark.parametrize("width", [70, 80, 120])
def test_the_period_over_all_cards_is_whole_at_every_width(width: int) -> None:
    seen = scene("30d", width, memory_used_mib=39000.0)
    both = Inventory(host=Host(), cards=[card(0), card(1)])
    points: list[HistoryPoint | None] = [HistoryPoint(**wave(n)) for n in range(30)]
    told = msgspec.structs.replace(history("30d", points), card="all")
    snapshot = replace(seen.snapshot, inventory=both, history=told)
    heading = text(graphs.of_all(replace(seen, snapshot=snapshot), 6)[:1])

    assert heading.count(str(graphs.PERIODS["30d"])) == 2
    assert ("all cards" in heading) == (width > 80)
