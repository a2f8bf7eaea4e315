"""The options every command takes, before or after its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import click

from appliance.core.errors import NeedsRights
from appliance.core.i18n import LANGUAGES, say, translate, use_default_language


class Settings:
    """What the global options said."""

    def __init__(self) -> None:
        self.color: bool | None = None
        self.readonly = False
        self.slow = False
        self.verbosity = 0


def settings_of(ctx: click.Context) -> Settings:
    """The settings of this run."""
    found = ctx.find_object(Settings)
    return found if found is not None else Settings()


def _choose_language(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value:
        use_default_language(value)


def _no_color(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        settings_of(ctx).color = False
        ctx.find_root().color = False
        ctx.color = False


def _set_flag(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        if value:
            setattr(settings_of(ctx), name, True)

    return callback


def _louder(step: int) -> Callable[[click.Context, click.Parameter, int], None]:
    def callback(ctx: click.Context, _param: click.Parameter, value: int) -> None:
        settings_of(ctx).verbosity += step * value

    return callback


def global_options() -> list[click.Parameter]:
    """Fresh option objects, for one command."""
    return [
        click.Option(
            ["--lang"],
            type=click.Choice(LANGUAGES),
            is_eager=True,
            expose_value=False,
            callback=_choose_language,
            help="language of texts",
        ),
        click.Option(
            ["--no-color"],
            is_flag=True,
            expose_value=False,
            callback=_no_color,
            help="no colours (as NO_COLOR)",
        ),
        click.Option(
            ["--readonly"],
            is_flag=True,
            expose_value=False,
            callback=_set_flag("readonly"),
            help="look, change nothing",
        ),
        click.Option(
            ["--slow"],
            is_flag=True,
            expose_value=False,
            callback=_set_flag("slow"),
            help="for a slow line: fewer refreshes",
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_louder(1),
            help="tell more on stderr",
        ),
        click.Option(
            ["-q", "--quiet"],
            count=True,
            expose_value=False,
            callback=_louder(-1),
            help="tell only what was asked for",
        ),
    ]


class _Translated(click.Command):
    """Help in the language of the reader; the message ids are the docstrings and `help=` texts."""

    def __init__(
        self, name: str | None, *, example: str = "", changes: bool = False, **kwargs: Any
    ) -> None:
        params = [*(kwargs.pop("params", None) or []), *global_options()]
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(name, params=params, **kwargs)
        self._example = example
        self._changes = changes

    def invoke(self, ctx: click.Context) -> Any:
        """Run it, unless it would change something that --readonly keeps as it is."""
        if self._changes and settings_of(ctx).readonly:
            raise NeedsRights(
                say("--readonly: `{command}` would change something", command=ctx.command_path),
                hint=say("leave --readonly out"),
                code="READONLY",
            )
        return super().invoke(ctx)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Translate, then write as click does."""
        translate_help(self)
        super().format_help(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The example, as it is typed."""
        write_example(self._example, formatter)

    def get_short_help_str(self, limit: int = 60) -> str:
        """The first sentence, for the list of a group."""
        translate_help(self)
        return super().get_short_help_str(limit)


class Command(_Translated):
    """A command with the global options and an example in its help.

    `changes` marks one that --readonly refuses.
    """


class Group(_Translated, click.Group):
    """A group of `Command`s."""

    command_class = Command


def write_example(example: str, formatter: click.HelpFormatter) -> None:
    """The last line of a help text: never wrapped, so that it can be copied."""
    if example:
        formatter.write(f"\n{translate('Example')}: {example}\n")


def translate_help(command: click.Command) -> None:
    """Put the texts of a command and its options into the current language."""
    if command.help:
        command.help = translate(inspect.cleandoc(command.help))
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = translate(parameter.help)
