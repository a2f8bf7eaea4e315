"""What would change if a running engine were started anew."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Protocol

from appliance.engines.command import EngineCommand


class Started(Protocol):
    """What an engine was started with, as far as it can be seen."""

    @property
    def argv(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def env(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def image(self) -> str | None: ...  # noqa: D102
    @property
    def devices(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def mounts(self) -> Sequence[str]: ...  # noqa: D102


def difference(runs: Started, would: EngineCommand) -> list[str]:
    """Lines that begin with `- ` (runs with) or `+ ` (would run with); none when nothing changes.

    Of the environment, only what the recipe sets counts: the rest comes from the server, and so
    does most of PATH.
    """
    before = list(
        _lines(_from_program(runs.argv, would.argv[0]), runs, runs.env or would.env, would)
    )
    after = list(_lines(would.argv, would, would.env, would))
    changes = difflib.ndiff(before, after, linejunk=None, charjunk=None)
    return [line for line in changes if line[:2] in ("- ", "+ ")]


def port_in(argv: Sequence[str]) -> int | None:
    """The value of `--port` in a command line."""
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        value = following if word == "--port" else word.removeprefix("--port=")
        if word.startswith("--port") and value.isdigit():
            return int(value)
    return None


def _lines(
    argv: Sequence[str], started: Started, env: Mapping[str, str], would: EngineCommand
) -> Iterator[str]:
    if would.kind == "container":
        yield f"image {started.image}"
        yield from (f"device {device}" for device in sorted(started.devices))
        yield from (f"mount {mount}" for mount in sorted(started.mounts))
    names = sorted(would.env.keys() & env.keys() - {"PATH"})
    yield from (f"env {name}={env[name]}" for name in names)
    yield from _options(argv)


def _options(argv: Sequence[str]) -> Iterator[str]:
    """One option with its values on each line."""
    line: list[str] = []
    for word in argv:
        if word.startswith("-") and line:
            yield " ".join(line)
            line = []
        line.append(word)
    yield " ".join(line)


def _from_program(argv: Sequence[str], program: str) -> Sequence[str]:
    """Without the interpreter that the kernel put before a script, and with its short name."""
    name = PurePath(program).name
    for number, word in enumerate(argv):
        if PurePath(word).name == name:
            return [program, *argv[number + 1 :]]
    return argv
