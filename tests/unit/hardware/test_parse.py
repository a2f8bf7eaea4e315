from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hardware.vendors.parse import (
    blocks,
    cells,
    celsius,
    csv_table,
    first_line,
    health,
    integer,
    json_after_noise,
    mib,
    number,
    pci_address,
    pci_from_bdfid,
    percent,
    table_groups,
    text_or_none,
    words_under,
)

UNREADABLE = [
    "N/A", "[N/A]", "NA", "-", "ERR!", "[Unknown Error]", "[GPU is lost]", "[Not Supported]",
    "N/A (Secondary die)", "", "   ", "Requested functionality has been deprecated", "unknown",
    "0xFFFFFFFF", "12 34", "1.2.3", "10:18", "three", None, True, float("nan"), float("inf"),
]  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE)
def test_unreadable_is_never_a_number(text: object) -> None:
    assert number(text) is None
    assert mib(text) is None
    assert celsius(text) is None
    assert percent(text) is None


@pytest.mark.parametrize("sentinel", [65535, "65535", 4294967295, "18446744073709551615"])
def test_sentinels_are_unknown(sentinel: object) -> None:
    assert number(sentinel) is None
    assert integer(sentinel) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0), ("0 %", 0.0), ("34.71", 34.71), ("72W", 72.0), ("700.00 W", 700.0),
        ("27C", 27.0), ("35 ℃", 35.0), ("41 °C", 41.0), ("-8 C", -8.0), (" 1980 MHz ", 1980.0),
        (0, 0.0), (3.5, 3.5), ("16x", 16.0),
    ],
)  # fmt: skip
def test_a_number_with_at_most_one_unit(text: object, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("81559 MiB", "MiB", 81559), ("81559MiB", "MiB", 81559), ("98304Mib", "MiB", 98304),
        ("32G", "MiB", 32768), ("79.91 GB", "MiB", 81828), ("17163091968", "B", 16368),
        ("528160456 kB", "MiB", 515782), ("65535 MiB", "MiB", 65535), ("0 MiB", "MiB", 0),
        ("12 W", "MiB", None), ("-1 MiB", "MiB", None), ("12 km", "MiB", None),
    ],
)  # fmt: skip
def test_memory(text: str, unit: str, value: int | None) -> None:
    assert mib(text, unit=unit) == value


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("00000000:C1:00.0", "0000:c1:00.0"), ("0000:C1:00", "0000:c1:00.0"),
        ("C1:00.0", "0000:c1:00.0"), ("00000001:C9:00.3", "0001:c9:00.3"),
        ("PCI:0000:5f:00", "0000:5f:00.0"), ("10000:01:00.0", "10000:01:00.0"),
        ("N/A", None), ("", None), ("c1:00.9", None), ("10:18:26", None), (None, None),
    ],
)  # fmt: skip
def test_pci_addresses(text: object, address: str | None) -> None:
    assert pci_address(text) == address


def test_bdfid() -> None:
    assert pci_from_bdfid(768) == "0000:03:00.0"
    assert pci_from_bdfid((1 << 32) | (0x9A << 8) | (2 << 3) | 1) == "0001:9a:02.1"


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("OK", "ok"), ("Good", "ok"), ("True", "ok"), ("Normal", "ok"), ("Available", "ok"),
        ("Warning", "warning"), ("Alarm", "critical"), ("Critical", "critical"),
        ("False", "critical"), ("Bad", "critical"), ("UNKNOWN", None), ("", None), ("0", None),
    ],
)  # fmt: skip
def test_health_words(word: str, meaning: str | None) -> None:
    assert health(word) == meaning


def test_words_for_nothing_are_no_text() -> None:
    assert [text_or_none(word) for word in ("N/A", "[Not Supported]", "-", " ", None)] == [None] * 5
    assert text_or_none(" NVIDIA L40S ") == "NVIDIA L40S"


def test_json_after_warnings() -> None:
    noisy = "[WARNING] user is not in group [render]\nERROR {x}\n" + '{"a": [1, 2]}\nbye'
    assert json_after_noise(noisy) == {"a": [1, 2]}
    assert json_after_noise('note\n[{"gpu": 0}, {"gpu": 1}]') == [{"gpu": 0}, {"gpu": 1}]
    assert json_after_noise("[1] [2] nothing") is None
    assert json_after_noise('{"a": NaN}') == {"a": None}
    assert json_after_noise("[" * 100_000) is None


def test_csv_drops_messages_and_rows_of_another_width() -> None:
    text = "Some warning without commas\na, b\n1, 2\n3\n4, 5, 6\n"
    assert csv_table(text) == [{"a": "1", "b": "2"}]


def test_drawn_tables_in_any_style() -> None:
    ascii_table = "+---+---+\n| 0 | x |\n| 1 | y |\n+===+===+\n| 2 | z |\n+---+---+\n"
    boxed = "┌───┬───┐\n│ 0 │ x │\n│ 1 │ y │\n╞═══╪═══╡\n│ 2 │ z │\n└───┴───┘\n"
    expected = [[["0", "x"], ["1", "y"]], [["2", "z"]]]
    assert table_groups(ascii_table) == expected
    assert table_groups(boxed) == expected
    assert cells("no bars here") is None


def test_columns_without_bars() -> None:
    assert words_under("GPU  POWER", "0    12") == {"GPU": "0", "POWER": "12"}
    assert words_under("GPU  POWER", "0    12 W") == {}


def test_blocks_follow_indentation() -> None:
    root = blocks(
        "GPU 0000:01:00.0\n    Temp\n        Current : 36 C\n    Fan    : N/A\nCount: 2\n"
    )
    card = root.all("GPU ")[0]
    assert card.key == "GPU 0000:01:00.0"
    assert card.get("temp", "current") == "36 C"
    assert card.first(["No"], ["Fan"]) == "N/A"
    assert root.get("Count") == "2"
    assert root.get("Count", "deeper") is None


def test_first_line() -> None:
    assert first_line("\n  \n one \ntwo") == "one"
    assert first_line("", "two") == "two"
    assert first_line("", "") is None


TEXT = st.text(alphabet=st.sampled_from(string.printable + "℃°│─┃━Ωβ漢"), max_size=300)


@given(TEXT)
def test_a_number_read_is_a_number_written(text: str) -> None:
    value = number(text)
    if value is not None:
        written = re.findall(r"[+-]?\d+(?:\.\d+)?", text)
        assert written
        assert value in {float(word) for word in written}


@given(TEXT)
def test_no_reader_of_shapes_ever_fails(text: str) -> None:
    json_after_noise(text)
    csv_table(text)
    table_groups(text)
    blocks(text)
    pci_address(text)
    health(text)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFF), st.integers(0, 0x1F), st.integers(0, 7))
def test_every_spelling_of_an_address_is_the_same(
    domain: int, bus: int, device: int, function: int
) -> None:
    expected = f"{domain:04x}:{bus:02x}:{device:02x}.{function}"
    for spelling in (expected, expected.upper(), f"{domain:08X}:{bus:02X}:{device:02X}.{function}"):
        assert pci_address(spelling) == expected
