"""What is to be fetched: a model of the store, its sources, and its files as far as known."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import msgspec

from appliance.catalog.models import Catalogue
from appliance.core.reference import (
    CatalogReference,
    FileReference,
    HubReference,
    IndexReference,
    Reference,
    parse_reference,
)


class WantedFile(msgspec.Struct, frozen=True):
    """A file by name; size and SHA-256 where our catalogue pins them."""

    name: str
    bytes: int | None = None
    sha256: str | None = None


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`sources` hold the same content, best first. Without `files` the sources are asked."""

    model: str
    reference: str
    sources: list[HubReference | IndexReference | FileReference]
    files: list[WantedFile] = []


def request_for(reference: Reference, catalogue: Catalogue) -> PullRequest:
    """The request behind a reference. Raises `UsageError` for what the catalogue does not know."""
    match reference:
        case CatalogReference():
            return _from_catalogue(reference, catalogue)
        case IndexReference():
            files = [WantedFile(PurePosixPath(reference.path).name)]
            return PullRequest(
                model=str(reference), reference=str(reference), sources=[reference], files=files
            )
        case FileReference():
            whole = FileReference(str(Path(reference.path).expanduser().absolute()))
            return PullRequest(model=str(whole), reference=str(whole), sources=[whole])
        case HubReference():
            return PullRequest(model=str(reference), reference=str(reference), sources=[reference])


def _from_catalogue(reference: CatalogReference, catalogue: Catalogue) -> PullRequest:
    _, variant = catalogue.variant(reference)
    sources = [parse_reference(text) for text in variant.sources]
    return PullRequest(
        model=variant.id,
        reference=variant.id,
        sources=[source for source in sources if not isinstance(source, CatalogReference)],
        files=[WantedFile(file.name, file.bytes, file.sha256) for file in variant.files],
    )
