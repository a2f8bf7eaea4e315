from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.tui.drawing import (
    Line,
    Span,
    cells,
    clean,
    clip,
    ends,
    fit,
    fit_line,
    line_cells,
    meter,
    section,
    stacked,
    wrap,
)
from appliance.tui.glyphs import ASCII, UNICODE, Glyphs
from appliance.tui.table import GAP, Column, Rows, arrange, header, row, whole
from appliance.tui.widgets import changes

CHARACTERS = st.characters(codec="utf-8", exclude_categories=("C", "M", "Z")).filter(cells)
TEXTS = st.text(CHARACTERS | st.sampled_from(" 中文（，"))
WIDTHS = st.integers(2, 300)
LINES = st.lists(st.builds(Span, TEXTS, st.sampled_from(["", "ok"])), max_size=6).map(tuple)


@given(TEXTS, WIDTHS, st.sampled_from(["left", "right"]))
def test_a_fitted_text_takes_exactly_its_cells(text: str, width: int, align: str) -> None:
    assert cells(fit(text, width, align)) == width  # type: ignore[arg-type]


@given(TEXTS, WIDTHS)
def test_a_clipped_text_is_whole_or_says_that_it_is_cut(text: str, width: int) -> None:
    clipped = clip(text, width)

    assert cells(clipped) <= width
    assert clipped == text or clipped.endswith("~")


@given(LINES, WIDTHS)
def test_a_fitted_line_takes_exactly_its_cells(line: tuple[Span, ...], width: int) -> None:
    assert line_cells(fit_line(line, width)) == width


@given(TEXTS, WIDTHS)
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    lines = wrap(text, width)

    assert all(cells(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_wrapping_keeps_words_whole_and_breaks_between_chinese_characters() -> None:
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("服务器正在运行", 6) == ["服务器", "正在运", "行"]
    assert wrap("服务器，正在", 6) == ["服务", "器，正", "在"]


def test_a_word_is_not_broken_for_the_mark_behind_it() -> None:
    assert wrap("makes more of them.", 18) == ["makes more of", "them."]
    assert wrap("took 163.15 ms", 8) == ["took", "163.15", "ms"]
    assert wrap("(is not known)", 13) == ["(is not", "known)"]


@given(st.text())
def test_cleaned_text_cannot_move_the_cursor(text: str) -> None:
    assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 for c in clean(text))


@pytest.mark.parametrize(
    ("dirty", "plain"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("a\rb", "ab"),
        ("a\tb", "a    b"),
        ("\u202eevil", "evil"),
    ],
)
def test_escape_sequences_disappear_whole(dirty: str, plain: str) -> None:
    assert clean(dirty) == plain


@given(st.none() | st.floats(-10, 200), WIDTHS, st.sampled_from([ASCII, UNICODE]))
def test_a_meter_is_as_wide_as_its_room(value: float | None, width: int, glyphs: Glyphs) -> None:
    assert line_cells(meter(value, width, glyphs, "ok")) == width


def test_a_meter_is_full_at_a_hundred_empty_at_nought_and_absent_when_unknown() -> None:
    def drawn(value: float | None) -> str:
        return "".join(span.text for span in meter(value, 10, ASCII, ""))

    assert drawn(100) == "##########"
    assert drawn(0) == "----------"
    assert drawn(None) == " " * 10


@given(st.lists(st.none() | st.floats(0, 100), min_size=1, max_size=50), st.integers(1, 12))
def test_a_graph_has_one_column_a_value(values: list[float | None], height: int) -> None:
    rows = stacked(values, height, UNICODE)

    assert len(rows) == height
    assert {len(text) for text in rows} == {len(values)}
    for at, value in enumerate(values):
        column = "".join(text[at] for text in rows)
        assert (column.strip() == "") == (value is None)


def test_a_graph_grows_from_below() -> None:
    assert stacked([0, 50, 100], 2, ASCII) == ["  |", ".||"]


@given(TEXTS, WIDTHS)
def test_ends_keep_the_right_one_whole(text: str, width: int) -> None:
    right = (Span("R!"),)

    line = ends((Span(text),), right, width)

    assert line[-1] == right[0]
    assert line_cells(line) == width


def test_a_section_reaches_both_ends() -> None:
    assert line_cells(section("CARDS", 80, ASCII)) == 80
    assert line_cells(section("加速卡", 80, ASCII, "还有 3 张")) == 80


COLUMNS = (
    Column("a", "first", 5, 20, snug=True),
    Column("b", "b", 4, 30, rank=2),
    Column("c", "数量", 4, 8, rank=1, align="right"),
    Column("d", "d", 6, 6),
)


@given(TEXTS, st.integers(24, 300))
def test_all_lines_of_a_table_are_equally_wide(text: str, width: int) -> None:
    values = {key: (Span(text),) for key in "abcd"}

    lines = whole(COLUMNS, [values, {}], width)

    assert len({line_cells(line) for line in lines}) == 1
    assert line_cells(lines[0]) <= width


def test_the_least_important_column_goes_first() -> None:
    assert list(arrange(COLUMNS, 80)) == ["a", "b", "c", "d"]
    assert list(arrange(COLUMNS, 22)) == ["a", "c", "d"]
    assert list(arrange(COLUMNS, 14)) == ["a", "d"]


def test_elastic_columns_share_what_is_left() -> None:
    widths = arrange(COLUMNS, 5 + 30 + 8 + 6 + 3 * GAP, [{"a": (Span("x"),)}])

    assert widths == {"a": 5, "b": 30, "c": 8, "d": 6}


def test_numbers_stand_at_the_right() -> None:
    widths = {"c": 6}

    assert row(COLUMNS, widths, {"c": (Span("12"),)})[0].text == "    12"
    assert header(COLUMNS, widths)[0].text == "  数量"


@given(LINES, LINES)
def test_repainting_the_changes_makes_the_old_line_the_new_one(
    old: tuple[Span, ...], new: tuple[Span, ...]
) -> None:
    def painted(line: tuple[Span, ...]) -> list[tuple[str, str]]:
        marks: list[tuple[str, str]] = []
        for span in line:
            for character in span.text:
                marks += [(character, span.style)] + [("", span.style)] * (cells(character) - 1)
        return marks

    cells_now = painted(old)
    wanted = painted(new)
    cells_now += [("", "")] * (len(wanted) - len(cells_now))
    for first, count in changes(old, new):
        cells_now[first : first + count] = wanted[first : first + count]

    assert cells_now[: len(wanted)] == wanted


def test_a_changed_digit_costs_one_cell() -> None:
    assert list(changes((Span("load  41%"),), (Span("load  42%"),))) == [(7, 1)]


def test_rows_are_made_when_they_are_looked_at_and_once() -> None:
    made: list[int] = []

    def make(at: int) -> Line:
        made.append(at)
        return (Span(str(at)),)

    rows = Rows((Span("head"),), 100, make)
    assert len(rows) == 101
    assert (rows[0], rows[7], rows[7]) == ((Span("head"),), (Span("6"),), (Span("6"),))
    assert rows[99:] == [(Span("98"),), (Span("99"),)]
    assert made == [6, 98, 99]
    with pytest.raises(IndexError):
        rows[101]
