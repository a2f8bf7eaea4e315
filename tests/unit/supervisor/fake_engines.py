"""Starting fake engines, and waiting for what they do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from appliance.core.loopback import free_port
from appliance.supervisor.identity import Identity, Mark
from appliance.supervisor.process import start, stop

FAKE = Path(__file__).with_name("fake_engine.py")


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """As much of an engine's command as `start` needs."""

    argv: list[str]
    env: Mapping[str, str] = {}
    files: Mapping[str, str] = {}
    port: int = 0
    cpus: Sequence[int] = ()


def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


class Fakes:
    """Fake engines that log to `log` and leave a note in `note`; all end with the block."""

    def __init__(self, directory: Path) -> None:
        self.note = directory / "note"
        self.log = directory / "log"
        self._started: list[Identity] = []

    def __enter__(self) -> Fakes:
        return self

    def __exit__(self, *_: object) -> None:
        for identity in self._started:
            stop(identity, grace_s=0.0)

    def start(self, mode: str, *, log: Path | None = None, mark: Mark | None = None) -> Identity:
        port = free_port()
        argv = [sys.executable, str(FAKE), mode, f"--port={port}", f"--note={self.note}"]
        identity = start(Command(argv=argv, port=port), log or self.log, mark)
        self._started.append(identity)
        return identity

    def serving(self, mode: str) -> Identity:
        """Start, and wait until it listens."""
        identity = self.start(mode)
        until(lambda: self.log.exists() and "serving" in self.log.read_text())
        return identity
