"""Tables, numbers and wrapped lines, in cells of a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli.output import cell, clipped, mib, number, pad, print_table, width, wrapped
from appliance.cli.progress import ProgressLine, percent, progress_text
from appliance.core.pull import Progress

WORDS = st.text("abcdefgh 中文字，。", max_size=200)


@given(WORDS, st.integers(20, 120))
def test_wrapping_keeps_the_text_and_the_width(text: str, columns: int) -> None:
    lines = wrapped(text, "  - ", columns)

    assert lines[0].startswith("  -")
    joined = "".join("".join(lines).split())
    assert joined == "-" + "".join(text.split())
    longest = max((width(word) for word in text.split()), default=0)
    assert all(width(line) <= max(columns, longest + 6) for line in lines)


def test_wide_letters_take_two_cells(capsys: pytest.CaptureFixture[str]) -> None:
    assert width("卡a") == 3
    assert width(pad("卡", 6)) == 6
    print_table(("卡", "X"), [("a", 1), (None, 2.5)])
    assert capsys.readouterr().out == "卡  X\na   1\n-   2.5\n"


def test_an_empty_table_without_a_head_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(None, [])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0"), (0.033, "0.03"), (7.66, "7.7"), (12.0, "12"), (339.8, "340")],
)
def test_numbers_have_the_digits_people_read(value: float | None, text: str) -> None:
    assert number(value) == text
    assert cell(value) == text


def test_sizes_have_their_unit() -> None:
    assert (mib(None), mib(512), mib(2048)) == ("-", "512 MiB", "2.0 GiB")


def test_progress_says_how_far_how_fast_and_how_long() -> None:
    half = Progress(
        phase="fetch", file="a/b.gguf", done=5_000_000, total=10_000_000, bps=1e6, eta_s=65.4
    )

    assert percent(half) == 50.0
    assert progress_text(half) == "fetch  50 %  5.0/10.0 MB  1.0 MB/s  1:05 left  b.gguf"
    assert progress_text(Progress(phase="resolve")) == "resolve"
    away = Progress(phase="fetch", done=1, total=2, bps=5.0, waiting="nobody there")
    assert progress_text(away).endswith("waiting: nobody there")
    assert clipped("nobody 在那里", 12) == "nobody 在那…"
    assert clipped("nobody 在那里", 13) == "nobody 在那里"
    assert percent(Progress(phase="fetch", done=1, total=0)) is None


def test_progress_is_told_now_and_then_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ProgressLine() as line:
        for done in range(1001):
            line.show(Progress(phase="fetch", file="f", done=done, total=1000))
    assert 10 <= len(capsys.readouterr().err.splitlines()) <= 21

    with ProgressLine(quiet=True) as line:
        line.show(Progress(phase="fetch"))
    assert capsys.readouterr().err == ""
