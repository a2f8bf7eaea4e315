"""The options of a setup, once: pages, flags, answer file and schema are made from this table."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from appliance.core.i18n import Text, say
from appliance.ops.setup.answers import Answers, given, toml_line

PAGES = ("language", "found", "people", "choice", "source", "access", "summary", "work")
"""The pages of the wizard in their order; `work` is what comes after Apply."""


@dataclass(frozen=True)
class Option:
    """`name` is the key of the answer file; `page` asks for it; `presets` are usual answers."""

    name: str
    page: str
    title: Text
    help: Text
    allowed: Text
    example: str | int | bool
    presets: tuple[Any, ...] = ()
    usual: Any = None
    """What is taken without an answer, where that is known beforehand."""

    @property
    def flag(self) -> str:
        """What the command line calls it."""
        return "--lang" if self.name == "language" else "--" + self.name.replace("_", "-")


OPTIONS: tuple[Option, ...] = (
    Option(
        "language",
        "language",
        say("Language"),
        say("the language of all texts from now on"),
        say("en or zh"),
        "zh",
        ("en", "zh"),
    ),
    Option(
        "users",
        "people",
        say("People at once"),
        say("people who chat at the same time"),
        say("a whole number from 1 to 10000"),
        12,
        (1, 2, 4, 8, 12, 20, 40, 60, 100, 200, 500),
        4,
    ),
    Option(
        "style",
        "people",
        say("What they do"),
        say("what people do with it: short questions, long documents, or program code"),
        say("chat, documents or code"),
        "documents",
        ("chat", "documents", "code"),
    ),
    Option(
        "context",
        "people",
        say("Length of a talk"),
        say("tokens of one conversation, its documents and answers included"),
        say("a whole number from 256 to 1048576"),
        16384,
        (None, 4096, 8192, 16384, 32768, 65536, 131072),
    ),
    Option(
        "model",
        "choice",
        say("Model"),
        say("what to serve"),
        say(
            "quality, balanced, fastest, a catalogue id, hf:ORG/NAME, ms:ORG/NAME, or "
            "file:/path/to/model.gguf"
        ),
        "balanced",
    ),
    Option(
        "source",
        "source",
        say("Weights from"),
        say("where the weights come from"),
        say("hubs, hf, ms, ms,hf, file:/path, or peer:HOST"),
        "file:/media/usb",
        ("hubs",),
    ),
    Option(
        "key_name",
        "access",
        say("First key"),
        say("the name of the first key, by which you know it later"),
        say("up to 64 characters, none of them a blank at an end"),
        "ward-3",
        ("first",),
        "first",
    ),
    Option(
        "adapt",
        "people",
        say("If it falls short"),
        say("serve something smaller where the memory does not do"),
        say("true or false"),
        True,
        (False, True),
    ),
    Option(
        "allow_cpu",
        "access",
        say("Processor"),
        say("serve from the processor although there are cards that no engine can use"),
        say("true or false"),
        True,
        (False, True),
    ),
)
BY_NAME = {option.name: option for option in OPTIONS}


def options_of(page: str) -> list[Option]:
    """What a page asks for."""
    return [option for option in OPTIONS if option.page == page]


def flags(answers: Answers, page: str | None = None) -> list[str]:
    """The flags that give these answers (of one page) to `appliance setup`."""
    words = []
    for name, value in given(answers).items():
        option = BY_NAME[name]
        if page in (None, option.page):
            words += [option.flag] if value is True else [option.flag, shlex.quote(str(value))]
    return words


def lines(answers: Answers, page: str | None = None) -> list[str]:
    """The lines of answers.toml that give these answers (of one page)."""
    return [
        toml_line(name, value)
        for name, value in given(answers).items()
        if page in (None, BY_NAME[name].page)
    ]
