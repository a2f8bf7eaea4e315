"""A Python of this server that an environment can be made with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.engines.environments.environment import Environment

_ASK_S = 30
_ASKED = "import sys, venv; print('%d.%d' % sys.version_info[:2], sys.base_prefix)"


class Interpreter(msgspec.Struct, frozen=True):
    """A Python with its module `venv`: its version such as "3.12", and where it is installed."""

    path: Path
    version: str
    home: str


def find_python(kind: Environment) -> Interpreter:
    """Our own Python where it will do, else the first of those that the environment runs on.

    Raises `ApplianceError` (`NO-PYTHON`) where there is none.
    """
    for candidate in (sys.executable, *(shutil.which(f"python{v}") for v in kind.python)):
        found = _interpreter(candidate) if candidate else None
        if found and found.version in kind.python:
            return found
    versions = ", ".join(kind.python)
    raise ApplianceError(
        say("{title} runs on Python {versions}; none is here", title=kind.title, versions=versions),
        hint=say(
            "install it with its module venv: {package}", package=f"python{kind.python[0]}-venv"
        ),
        code="NO-PYTHON",
    )


def _interpreter(program: str) -> Interpreter | None:
    try:
        asked = subprocess.run(
            [program, "-c", _ASKED], capture_output=True, text=True, timeout=_ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version, _, home = asked.stdout.strip().partition(" ")
    return Interpreter(Path(program), version, home) if asked.returncode == 0 and home else None
