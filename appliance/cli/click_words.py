"""Click's own words ("Usage:", "No such option …") in the language of the reader.

Click asks gettext at the moment it speaks, but gettext knows one language a process, from the
environment; here `--lang` decides. So click's modules are given our `translate` in its place.
"""

from __future__ import annotations

import click
import click.core
import click.decorators
import click.exceptions
import click.formatting
import click.parser
import click.termui
import click.types

from appliance.core.i18n import say, translate

_MODULES = (
    click.core, click.decorators, click.exceptions, click.formatting, click.parser, click.termui,
    click.types,
)  # fmt: skip

WORDS = (
    say("Usage:"),
    say("Options"),
    say("Positional arguments"),
    say("Commands"),
    say("Show this message and exit."),
    say("default: {default}"),
    say("Do you want to continue?"),
    say("Error: {message}"),
    say("Error: invalid input"),
    say("Missing command."),
    say("Missing argument"),
    say("Missing option"),
    say("Invalid value: {message}"),
    say("Invalid value for {param_hint}: {message}"),
    say("No such option {name!r}."),
    say("No such command {name!r}."),
    say("Did you mean {possibility}?"),
    say("(Did you mean one of: {possibilities}?)"),
    say("Option {name!r} does not take a value."),
    say("Option {name!r} requires an argument."),
    say("Got unexpected extra argument ({args})"),
    say("Got unexpected extra arguments ({args})"),
    say("{value} is not in the range {range}."),
    say("{value!r} is not a valid {number_type}."),
    say("{value!r} is not {choice}."),
    say("{value!r} is not one of {choices}."),
    say("file"),
    say("directory"),
    say("path"),
    say("{name} {filename!r} does not exist."),
    say("{name} {filename!r} is a file."),
    say("{name} {filename!r} is a directory."),
    say("{name} {filename!r} is not readable."),
)
"""What people of this program come to read; the rest stays English."""


def speak() -> None:
    """From now on click speaks the current language."""
    for module in _MODULES:
        for name, spoken in (("_", translate), ("ngettext", _counted)):
            if hasattr(module, name):
                setattr(module, name, spoken)


def _counted(one: str, many: str, count: int) -> str:
    return translate(one if count == 1 else many)
