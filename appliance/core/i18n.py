"""Texts for people, in English and Chinese.

English is the source language: the text in the code is the message id. A front end chooses the
language once with `use_language`; the node daemon chooses it per request. `Text` is a message that
is rendered later, in the language of whoever reads it: use it for whatever is stored or sent on.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gettext import NullTranslations

LANGUAGES = ("en", "zh")
_LOCALES = {"zh": "zh_CN"}
_LOCALE_DIR = Path(__file__).parent.parent / "locale"
_default = "en"
_language: ContextVar[str | None] = ContextVar("language", default=None)


def language_from_environment(environ: dict[str, str] | None = None) -> str:
    """`APPLIANCE_LANG`, then the locale variables in the order of POSIX; English otherwise."""
    environ = dict(os.environ) if environ is None else environ
    for name in ("APPLIANCE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environ.get(name, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def use_language(language: str) -> None:
    """Make `language` ("en" or "zh") the language of this context (thread, task, process)."""
    _language.set(language if language in LANGUAGES else "en")


def use_default_language(language: str) -> None:
    """Make `language` the language of every context, threads included, that chose none itself."""
    global _default
    _default = language if language in LANGUAGES else "en"


def current_language() -> str:
    """The language texts are rendered in now."""
    return _language.get() or _default


@cache
def _translations(language: str) -> NullTranslations:
    import gettext

    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation("appliance", _LOCALE_DIR, [_LOCALES[language]], fallback=True)


def translate(template: str) -> str:
    """`template` in the current language, placeholders untouched."""
    language = current_language()
    return (
        template if language == "en" or not template else _translations(language).gettext(template)
    )


_ = translate


class Text(msgspec.Struct, frozen=True):
    """A message with its values, rendered in the reader's language by `str()`; so are values that
    are messages themselves.
    """

    template: str
    values: dict[str, str | int | float | Text] = {}

    def __str__(self) -> str:
        text = translate(self.template)
        return text.format(**self.values) if self.values else text

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def say(template: str, **values: object) -> Text:
    """A `Text`: `say("no such model: {model}", model=name)`."""
    plain = {k: v if isinstance(v, (int, float, str, Text)) else str(v) for k, v in values.items()}
    return Text(template, plain)
