"""Where environments are kept, and which one is in use.

`<data>/engines/environments/<id>/<key>/` is one environment, `current` beside it a link to the one
in use. `key` names its packages and the Python it is made with, so that an old one stays for a way
back. It is installed where it will run: an environment cannot be moved.
"""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import msgspec

from appliance.core.documents import from_json
from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.paths import find_paths
from appliance.engines.kept import CURRENT, in_use, whole_ones

BIN = "bin"
NOTE = "environment.json"
LOCK = "lock.txt"


class Installed(
    Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.environment/1"
):
    """What one environment is. `packages` counts what is in it, `bytes` is what it takes.

    `served` says whether it answered a question when it was installed; what did not was imported
    and is proven when it serves its first model.
    """

    environment: str
    key: str
    version: str
    python: str
    packages: int
    bytes: int
    seconds: float
    served: bool
    in_use: bool = False


def root_of(name: str) -> Path:
    """The directory of all environments with this id."""
    return find_paths().data / "engines" / "environments" / name


def key_of(version: str, python: str, packages: list[str]) -> str:
    """Another key where packages, Python or machine are others."""
    pins = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:8]
    return f"{version}-py{python}-{platform.machine()}-{pins}"


def lock_of(name: str, key: str) -> Path:
    """The packages of an environment with their hashes, for other servers to install the same."""
    return root_of(name) / key / LOCK


def is_installed(name: str) -> bool:
    """Whether an environment with this id is in use here."""
    return (root_of(name) / CURRENT / NOTE).is_file()


def current_environment(name: str) -> Path:
    """The one in use. Raises `ApplianceError` (`ENGINE-NOT-INSTALLED`) when there is none."""
    key = in_use(root_of(name))
    if key is None or not is_installed(name):
        raise ApplianceError(
            say("the engine {environment} is not installed here yet", environment=name),
            hint=say("appliance engines install {environment}", environment=name),
            code="ENGINE-NOT-INSTALLED",
        )
    return root_of(name) / key


def installed(name: str) -> list[Installed]:
    """The environments with this id that are kept here, newest first."""
    root = root_of(name)
    notes = [read_note(place) for place in whole_ones(root, NOTE)]
    current = in_use(root)
    return [msgspec.structs.replace(note, in_use=note.key == current) for note in notes if note]


def read_note(place: Path) -> Installed | None:
    """What is noted of the environment at `place`; `None` where it is not whole."""
    try:
        return from_json((place / NOTE).read_bytes(), Installed)
    except (OSError, msgspec.MsgspecError):
        return None
