"""progress/1 and pull/1: fetching weights, while it runs and when it is done."""

from __future__ import annotations

from typing import Literal

from appliance.core.inventory import Document

PullPhase = Literal["resolve", "fetch", "verify", "place"]
Trust = Literal["pinned", "published", "first-use"]
"""Who vouches for a hash: our catalogue, the hub, or nobody yet (the first download)."""


class Progress(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.progress/1"):
    """Bytes `done` of `total` of `file`; `bps` is bytes per second.

    `waiting`: why nothing comes now, in words; it goes on by itself once that has passed.
    """

    phase: PullPhase
    file: str | None = None
    done: int | None = None
    total: int | None = None
    bps: float | None = None
    eta_s: float | None = None
    source: str | None = None
    waiting: str | None = None


class PulledFile(Document, frozen=True, kw_only=True):
    """A whole, verified file of the store."""

    path: str
    bytes: int
    sha256: str
    source: str
    trust: Trust = "published"


class Pull(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.pull/1"):
    """The end of a pull; `path` of each file is where an engine finds it."""

    model: str
    files: list[PulledFile]
    bytes_fetched: int
    bytes_reused: int
    seconds: float
