"""Where builds are kept, and which one is in use.

`<data>/engines/llama.cpp/<backend>/<key>/` is one build, `current` beside it a link to the one in
use. `key` names source version, machine and targets, so that an old build stays for a way back.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.paths import find_paths
from appliance.engines.kept import CURRENT
from appliance.engines.native.backends import sources

SERVER = Path("bin", "llama-server")


class Build(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.build/1"):
    """What one build is; `sha256` is of its server program."""

    backend: str
    key: str
    version: str
    targets: list[str]
    sha256: str
    seconds: float
    in_use: bool = False


def builds_root(backend: str) -> Path:
    """The directory of a backend's builds."""
    return find_paths().data / "engines" / "llama.cpp" / backend


def key_of(targets: Sequence[str]) -> str:
    """Servers with the same key can use the same build: it is made for their very processor."""
    kind = "-".join([sources().version, platform.machine(), _processor(), *targets])
    return kind.replace("/", "_")


def is_built(backend: str) -> bool:
    """Whether an engine with this backend is in use here."""
    return (builds_root(backend) / CURRENT / SERVER).is_file()


def current_build(backend: str) -> Path:
    """The build in use. Raises `ApplianceError` (`ENGINE-NOT-BUILT`) when there is none."""
    if not is_built(backend):
        raise ApplianceError(
            say("llama.cpp with the backend {backend} is not built here yet", backend=backend),
            hint=say("appliance engines build llama.cpp --backend {backend}", backend=backend),
            code="ENGINE-NOT-BUILT",
        )
    return builds_root(backend) / CURRENT


def _processor() -> str:
    """A short name for what this processor can do (its feature flags)."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "any"
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(" ".join(sorted(flags.split())).encode()).hexdigest()[:8]
