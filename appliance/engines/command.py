"""What exactly would run: the one thing recipes produce and supervisors start."""

from __future__ import annotations

from typing import Literal

from appliance.core.inventory import Document


class ContainerOptions(Document, frozen=True, kw_only=True):
    """How the container is let at cards and memory. The network is the host's, on loopback.

    `privileged` is the reason why the vendor cannot do without; `None` means it is not.
    `image_entrypoint`: the image's own entrypoint sets the scene and is given the command.
    """

    runtime: str | None = None
    ipc: str | None = None
    user: str | None = None
    shm_size: str | None = None
    group_add: list[str] = []
    cap_add: list[str] = []
    security_opt: list[str] = []
    ulimits: dict[str, str] = {}
    privileged: str | None = None
    image_entrypoint: bool = False


class EngineCommand(Document, frozen=True, kw_only=True):
    """A process (or container) that serves an OpenAI-compatible endpoint on loopback `port`.

    `env` is added to the environment of the supervisor. `files` are written before the start.
    `cpus` are the processors it is kept on, near its cards; empty means all.
    A container without an `image` takes one that the vendor hands out; `notes` say which.
    """

    engine: str
    kind: Literal["process", "container"] = "process"
    image: str | None = None
    argv: list[str]
    env: dict[str, str] = {}
    port: int
    devices: list[str] = []
    mounts: list[str] = []
    cpus: list[int] = []
    files: dict[str, str] = {}
    container: ContainerOptions = ContainerOptions()
    notes: list[str] = []
    readiness: str = "/health"
    metrics: str | None = "/metrics"
