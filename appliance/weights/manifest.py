"""What lies beside the files of a model in the store, and how it is read back."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from appliance.core.documents import from_json
from appliance.core.inventory import Document
from appliance.core.pull import Trust
from appliance.weights.names import entry_name, is_safe_name

logger = logging.getLogger(__name__)
MANIFEST = "manifest.json"


class ManifestFile(Document, frozen=True, kw_only=True):
    """A file of a model. `source` sent it; `trust` says who vouches for its hash.

    `mtime_ns`: when it was last written, where this store knows.
    """

    name: str
    bytes: int
    sha256: str
    source: str
    trust: Trust
    mtime_ns: int | None = None


class Manifest(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.model/1"):
    """What lies beside the files of a model."""

    id: str
    reference: str
    revision: str = ""
    added: str
    files: list[ManifestFile]


class StoredFile(Document, frozen=True, kw_only=True):
    """A whole, verified file; `path` is absolute."""

    name: str
    path: str
    bytes: int
    sha256: str
    source: str
    trust: Trust
    mtime_ns: int | None = None


class StoredModel(Document, frozen=True, kw_only=True):
    """A model of the store."""

    id: str
    reference: str
    revision: str
    added: str
    directory: str
    files: list[StoredFile]

    @property
    def entry(self) -> Path:
        """What an engine is given: the GGUF or its first part, else the directory."""
        name = entry_name([file.name for file in self.files])
        return Path(self.directory, name) if name else Path(self.directory)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)


def read_manifest(path: Path) -> StoredModel | None:
    """The model whose manifest this is; `None` when there is none that can be trusted."""
    try:
        manifest = from_json(path.read_bytes(), Manifest)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return None
    if not all(is_safe_name(file.name) for file in manifest.files):
        logger.warning("%s names files outside its directory", path)
        return None
    return stored_model(manifest, path.parent)


def stored_model(manifest: Manifest, directory: Path) -> StoredModel:
    """The model of a manifest that lies in `directory`."""
    directory = directory.absolute()
    return StoredModel(
        id=manifest.id,
        reference=manifest.reference,
        revision=manifest.revision,
        added=manifest.added,
        directory=str(directory),
        files=[
            StoredFile(
                name=file.name,
                path=str(directory / file.name),
                bytes=file.bytes,
                sha256=file.sha256,
                source=file.source,
                trust=file.trust,
                mtime_ns=file.mtime_ns,
            )
            for file in manifest.files
        ],
    )
