"""The command line: `appliance [OPTIONS] [COMMAND]`.

Commands are imported when they are called: `--help` and `--version` cost an interpreter and click.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from appliance.cli.board import open_board, screen_options
from appliance.cli.click_words import speak
from appliance.cli.diagnostics import exit_code_of
from appliance.cli.options import (
    Settings,
    global_options,
    settings_of,
    translate_help,
    write_example,
)
from appliance.core.config import configured_language
from appliance.core.i18n import language_from_environment, translate, use_default_language
from appliance.core.paths import find_paths

# name -> module:attribute, one line of help (a message id)
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("appliance.cli.up:up", "detect, plan, fetch, serve and prove: the main job"),
    "setup": ("appliance.cli.setup:setup", "set this server up, page by page or from a file"),
    "status": ("appliance.cli.service:status", "what runs, and how it is"),
    "down": ("appliance.cli.service:down", "stop a deployment, or everything"),
    "logs": ("appliance.cli.service:logs", "what an engine wrote"),
    "chat": ("appliance.cli.chat:chat", "talk to the model in this terminal"),
    "detect": ("appliance.cli.hardware:detect", "what is in this server"),
    "watch": ("appliance.cli.hardware:watch", "how the cards are doing, line by line"),
    "cards": ("appliance.cli.cards:cards", "take cards out of service, and let them back"),
    "capture": ("appliance.cli.hardware:capture", "record this server for replay elsewhere"),
    "plan": ("appliance.cli.plan:plan", "what could be served here, and what it takes"),
    "models": ("appliance.cli.models:models", "the catalogue and the store of weights"),
    "engines": ("appliance.cli.engines:engines", "what serves which card, and how exactly"),
    "tune": ("appliance.cli.tune:tune", "measure settings on this box, keep the best"),
    "keys": ("appliance.cli.keys:keys", "who may ask"),
    "config": ("appliance.cli.config:config", "settings, and where each comes from"),
    "demo": ("appliance.cli.demo:demo", "look around on servers that do not exist"),
    "daemon": ("appliance.cli.service:daemon", "the node daemon in the foreground"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help in the language of the reader."""
        translate_help(self)
        super().format_help(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The example that most people need."""
        write_example("appliance up --yes", formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section(translate("Commands")):
            formatter.write_dl([(name, translate(text)) for name, (_, text) in COMMANDS.items()])


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from appliance import __version__

    click.echo(f"appliance {__version__}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    params=[
        *global_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="print the version and end",
        ),
        click.Option(
            ["--replay"],
            type=click.Path(path_type=Path, exists=True, file_okay=False),
            help="without a command: show a capture on the board, not this server",
        ),
        *screen_options(),
    ],
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.pass_context
def cli(
    ctx: click.Context,
    /,
    replay: Path | None,
    theme: str | None,
    no_mouse: bool,
    **_options: Any,
) -> int:
    """A private DeepSeek service on the server you have.

    Without a command: the board, in a terminal that can show it; else what `status` prints.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    return open_board(settings_of(ctx), replay, theme=theme, mouse=not no_mouse)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code; every foreseeable fault is two lines on stderr."""
    use_default_language(_language())
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def _language() -> str:
    """`APPLIANCE_LANG`, else what config.toml says, else the locale's."""
    if os.environ.get("APPLIANCE_LANG"):
        return language_from_environment()
    return configured_language(find_paths()) or language_from_environment()


def run(arguments: list[str]) -> int:
    """The exit code of the command line `arguments`."""
    settings = Settings()
    speak()
    try:
        result = cli.main(arguments, prog_name="appliance", standalone_mode=False, obj=settings)
        return int(result or 0)
    except BaseException as error:
        return exit_code_of(error, settings)


if __name__ == "__main__":
    main()
