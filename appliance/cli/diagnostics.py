"""The one owner of stderr: errors as two lines, and the exit code that goes with each."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import click

from appliance.cli.options import Settings
from appliance.core.errors import ApplianceError
from appliance.core.exit_codes import ExitCode
from appliance.core.i18n import say
from appliance.core.paths import find_paths


def exit_code_of(error: BaseException, settings: Settings) -> int:
    """Tell the operator about `error` and return the exit code."""
    if isinstance(error, ApplianceError):
        tell(error.what, error.hint)
        return int(error.exit_code)
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(ExitCode.UNHEALTHY)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        tell(say("what is to be done? a command is missing"), _usage_hint(error))
        return int(ExitCode.USAGE)
    if isinstance(error, click.ClickException):
        tell(error.format_message(), _usage_hint(error))
        return int(ExitCode.USAGE)
    if isinstance(error, (KeyboardInterrupt, click.Abort, EOFError)):
        tell(say("interrupted"), say("the same command goes on where it stopped"))
        return int(ExitCode.INTERRUPTED)
    return _from_the_system(error, settings)


def _from_the_system(error: BaseException, settings: Settings) -> int:
    if isinstance(error, BrokenPipeError):
        # whoever read us has seen enough; Python would complain once more when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    from appliance.core.disk_faults import foreseen

    told = foreseen(error, Path(getattr(error, "filename", None) or find_paths().state))
    if told is not None:
        return exit_code_of(told, settings)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        tell(f"{where}{error.strerror or error}", say("`appliance status` shows what runs"))
        return int(ExitCode.UNHEALTHY)
    if settings.verbosity > 0:
        traceback.print_exception(error)
    tell(
        say("internal fault: {error}", error=repr(error)),
        say("run it again with -v for the details, and report it"),
    )
    return int(ExitCode.UNHEALTHY)


def _usage_hint(error: click.ClickException) -> object:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "appliance"
    return say("see `{command} --help`", command=command)


def tell(what: object, hint: object = "") -> None:
    """One line `error: …`, then one line `hint: …`, on stderr."""
    click.echo(f"error: {_one_line(what)}", err=True)
    if str(hint):
        click.echo(f"hint: {_one_line(hint)}", err=True)


def note(text: object, settings: Settings) -> None:
    """A remark for people, unless they asked for quiet."""
    if settings.verbosity >= 0:
        click.echo(f"note: {_one_line(text)}", err=True)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
