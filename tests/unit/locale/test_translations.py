"""Every text has a Chinese translation that says the same with the same values."""

from __future__ import annotations

import gettext
import importlib.util
from contextvars import copy_context
from pathlib import Path
from string import Formatter
from types import ModuleType

import pytest

from appliance.core.errors import UsageError
from appliance.core.i18n import say, use_language
from appliance.core.reference import parse_reference

SCRIPT = Path(__file__).parents[3] / ".ci" / "translations.py"


@pytest.fixture(scope="module")
def translations() -> ModuleType:
    spec = importlib.util.spec_from_file_location("translations", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _pairs(translations: ModuleType) -> dict[str, str]:
    return {message.id: message.string for message in translations.catalogue() if message.id}


def _placeholders(text: str) -> list[tuple[str, str, str]]:
    parts = Formatter().parse(text)
    return sorted(
        (name, spec or "", conversion or "") for _, name, spec, conversion in parts if name
    )


def test_the_catalogue_has_exactly_the_texts_of_the_code(translations: ModuleType) -> None:
    assert sorted(translations.texts() ^ _pairs(translations).keys()) == []


def test_no_text_is_left_untranslated(translations: ModuleType) -> None:
    assert translations.missing() == []
    assert not [message.id for message in translations.catalogue() if message.id and message.fuzzy]


def test_translations_have_the_placeholders_of_their_texts(translations: ModuleType) -> None:
    def filled(text: str) -> bool:
        try:
            return bool(_placeholders(text))
        except ValueError:  # a literal brace: never formatted
            return False

    pairs = {text: chinese for text, chinese in _pairs(translations).items() if filled(text)}
    assert len(pairs) > 100
    assert {
        text: chinese
        for text, chinese in pairs.items()
        if _placeholders(text) != _placeholders(chinese)
    } == {}


def test_the_compiled_catalogue_is_what_the_written_one_says(translations: ModuleType) -> None:
    with translations.MO.open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    pairs = _pairs(translations)
    assert {text: compiled.gettext(text) for text in pairs} == pairs


def _in_chinese(text: object) -> str:
    use_language("zh")
    return str(text)


def test_a_text_is_rendered_in_the_language_of_its_reader() -> None:
    text = say("port {port} is taken by another program", port=8000)
    with pytest.raises(UsageError) as caught:
        parse_reference("::")
    assert copy_context().run(_in_chinese, text) == "端口 8000 已被其他程序占用"
    assert copy_context().run(_in_chinese, caught.value).startswith("不是模型引用")
    assert str(text) == "port 8000 is taken by another program"
