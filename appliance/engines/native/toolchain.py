"""Whether this server can compile, found out before anything is fetched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.i18n import Text, say
from appliance.engines.native.backends import Backend, Need, sources

_VERSION = re.compile(r"\b(\d+\.\d+(?:\.\d+)*)\b")


class Toolchain(msgspec.Struct, frozen=True):
    """Where each program was found, by its name."""

    programs: dict[str, Path]

    def environment(self, backend: Backend) -> dict[str, str]:
        """What the compiler needs in its environment: PATH, and the backend's own."""
        homes = {name: str(path.parent.parent) for name, path in self.programs.items()}
        directories = {str(path.parent): None for path in self.programs.values()}
        path = os.pathsep.join([*directories, os.environ.get("PATH", os.defpath)])
        return {"PATH": path} | {
            name: template.format(**homes) for name, template in backend.env.items()
        }

    @property
    def generator(self) -> str:
        """CMake's name for what runs the compiler."""
        return "Ninja" if any("ninja" in name for name in self.programs) else "Unix Makefiles"


def find_toolchain(backend: Backend) -> Toolchain:
    """Find everything a build needs. Raises `ApplianceError` (`TOOLCHAIN-MISSING`) naming all that
    is missing or too old, with the commands that install it.
    """
    found, missing = look_for([*sources().tools, *backend.needs])
    if missing:
        raise _missing(missing)
    return Toolchain(found)


def look_for(
    needs: Iterable[Need], homes: Mapping[str, str] = MappingProxyType({})
) -> tuple[dict[str, Path], list[tuple[str, str]]]:
    """The programs that are there by their names; and what is missing, with how to install it.

    `homes` are further names that patterns of files may have.
    """
    found: dict[str, Path] = {}
    missing: list[tuple[str, str]] = []
    for need in needs:
        path = _find(need) if need.programs else _find_file(need, found, homes)
        if path is None:
            missing.append((need.name or need.programs[0], need.install))
        elif too_old := _too_old(path, need.minimum):
            missing.append((too_old, need.install))
        elif need.programs:
            found[path.name] = path
    return found, missing


def _find(need: Need) -> Path | None:
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), *need.paths])
    for program in need.programs:
        if found := shutil.which(program, path=places):
            return Path(found)
    return None


def _find_file(need: Need, found: Mapping[str, Path], homes: Mapping[str, str]) -> Path | None:
    """Without the program that it belongs to, a file is not looked for: one fault is enough."""
    of_programs = {name: str(path.resolve().parent.parent) for name, path in found.items()}
    try:
        patterns = [pattern.format(**of_programs, **homes) for pattern in need.files]
    except KeyError:
        return Path(need.files[0])
    matches = (path for pattern in patterns for path in Path("/").glob(pattern.lstrip("/")))
    return next(matches, None)


def _too_old(program: Path, minimum: str | None) -> str | None:
    """What to say of a program below `minimum`; `None` when it will do or does not tell."""
    if minimum is None:
        return None
    try:
        asked = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = newest_number(asked.stdout)
    if version is None or _numbers(version) >= _numbers(minimum):
        return None
    return f"{program.name} {minimum} (here is {version})"


def newest_number(text: str) -> str | None:
    """The version in what a program prints for `--version`: the last number with a dot."""
    found = _VERSION.findall(text)
    return max(found, key=_numbers) if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _missing(missing: Iterable[tuple[str, str]]) -> ApplianceError:
    names, hints = zip(*missing, strict=True)
    hint: Text = say("install: {commands}", commands="; ".join(hints))
    return ApplianceError(
        say("this server cannot compile llama.cpp yet, missing: {names}", names=", ".join(names)),
        hint=hint,
        code="TOOLCHAIN-MISSING",
    )
