from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.config import config_file, load_config
from appliance.core.errors import UsageError
from appliance.core.paths import find_paths
from appliance.core.settings import _edited, set_setting

PATHS = find_paths
OURS = """# ours
[gateway]
port = 8480 # fixed

[ui] # people
# which one
language = "en"
"""


def keep(text: str) -> None:
    path = config_file(PATHS())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_setting_is_written_where_there_was_no_file() -> None:
    set_setting(PATHS(), "ui", "language", "zh")

    assert load_config(PATHS()).ui.language == "zh"


def test_comments_and_other_settings_stay_as_they_are() -> None:
    keep(OURS)

    set_setting(PATHS(), "ui", "language", "zh")

    assert config_file(PATHS()).read_text() == OURS.replace('"en"', '"zh"')


def test_a_section_without_the_setting_gets_it() -> None:
    keep("[ui]\n[hubs]\norder = []\n")

    set_setting(PATHS(), "ui", "language", "en")

    assert load_config(PATHS()).ui.language == "en"
    assert load_config(PATHS()).hubs.order == ()


@pytest.mark.parametrize("text", ['ui = { language = "en" }\n', "[ui\n", "[nonsense]\n"])
def test_a_file_that_cannot_be_edited_is_left_alone(text: str) -> None:
    keep(text)

    with pytest.raises(UsageError):
        set_setting(PATHS(), "ui", "language", "zh")

    assert config_file(PATHS()).read_text() == text


sections = st.sampled_from(["ui", "hubs", "gateway", "store"])
other_lines = st.lists(st.sampled_from(["", "# note", "free = 1", "[other]", "[x.y]", "[ui.z]"]))


@given(other_lines, sections)
def test_the_new_value_wins_and_nothing_else_changes(others: list[str], section: str) -> None:
    text = "\n".join(dict.fromkeys(others))
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return

    after = tomllib.loads(_edited(text, section, 'language = "zh"'))

    assert after[section]["language"] == "zh"
    del after[section]["language"]
    if section not in before and not after[section]:
        del after[section]
    assert after == before
