"""Where builds are kept, and which one is in use.

`<data>/engines/llama.cpp/<backend>/<key>/` is one build, `current` beside it a link to the one in
use. `key` names source version and target, so that an old build stays for a way back.
"""

from __future__ import annotations

import os
from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.paths import find_paths

_CURRENT = "current"


def builds_root(backend: str) -> Path:
    """The directory of a backend's builds."""
    return find_paths().data / "engines" / "llama.cpp" / backend


def is_built(backend: str) -> bool:
    """Whether an engine with this backend is in use here."""
    return (builds_root(backend) / _CURRENT / "bin" / "llama-server").is_file()


def current_build(backend: str) -> Path:
    """The build in use. Raises `ApplianceError` (`ENGINE-NOT-BUILT`) when there is none."""
    if not is_built(backend):
        raise ApplianceError(
            say("llama.cpp with the backend {backend} is not built here yet", backend=backend),
            hint=say("appliance engines build llama.cpp --backend {backend}", backend=backend),
            code="ENGINE-NOT-BUILT",
        )
    return builds_root(backend) / _CURRENT


def switch_to(build: Path) -> None:
    """Make `build` the one in use, in one step; what runs keeps the files it has open."""
    link = build.parent / _CURRENT
    fresh = build.parent / f".{_CURRENT}.{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(build.name)
    fresh.replace(link)
