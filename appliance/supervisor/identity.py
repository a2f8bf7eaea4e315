"""How a running engine is known again, and how it tells whose it is."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal

import msgspec

from appliance.core.inventory import Document

MARK = "APPLIANCE_REPLICA"
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
Keeping = Literal["process", "unit", "container"]


class Identity(Document, frozen=True, kw_only=True):
    """A running engine, unmistakably: `started` is the kernel's start time within one boot.

    `kept_as` says who else keeps it: nobody (`process`), systemd (`unit`) or a container engine
    (`container`); `name` is what they call it, `where` the socket of the container engine.
    """

    pid: int
    started: str
    port: int
    kept_as: Keeping = "process"
    name: str | None = None
    where: str | None = None


class Mark(msgspec.Struct, frozen=True):
    """Whose an engine is: of which appliance (its state directory), and for which replica."""

    state: Path
    replica: str

    @property
    def text(self) -> str:
        """The mark as it stands in an environment or on a label."""
        return f"{self.state.resolve()}:{self.replica}"

    @property
    def env(self) -> dict[str, str]:
        """The variable that tells a process of this appliance's from all others."""
        return {MARK: self.text}

    @property
    def name(self) -> str:
        """What a unit or a container of it is called: the same name, never two at a time."""
        safe = _UNSAFE.sub("-", self.replica)
        return f"appliance-{_short_hash(self.text)}-{safe}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class Seen(Document, frozen=True, kw_only=True):
    """What a running engine was started with, by the kernel or by its keeper.

    `env` is empty where it is not ours to read.
    """

    argv: list[str]
    env: dict[str, str] = {}
    image: str | None = None
    devices: list[str] = []
    mounts: list[str] = []


class Marked(msgspec.Struct, frozen=True):
    """An engine that bears a mark of ours, whoever started it."""

    replica: str
    identity: Identity
