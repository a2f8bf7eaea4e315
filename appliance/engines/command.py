"""What exactly would run: the one thing recipes produce and supervisors start."""

from __future__ import annotations

from typing import Literal

from appliance.core.inventory import Document


class EngineCommand(Document, frozen=True, kw_only=True):
    """A process (or container) that serves an OpenAI-compatible endpoint on loopback `port`.

    `env` is added to the environment of the supervisor. `files` are written before the start.
    """

    engine: str
    kind: Literal["process", "container"] = "process"
    image: str | None = None
    argv: list[str]
    env: dict[str, str] = {}
    port: int
    devices: list[str] = []
    mounts: list[str] = []
    files: dict[str, str] = {}
    readiness: str = "/health"
    metrics: str | None = "/metrics"
