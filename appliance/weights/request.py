"""What is to be fetched: a model of the store, its sources, and its files as far as known."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import msgspec

from appliance.catalog.models import Catalogue, Variant, load_catalogue
from appliance.core.disk_faults import disk_errors
from appliance.core.errors import UsageError, VerificationFailed
from appliance.core.i18n import say
from appliance.core.pull import Trust
from appliance.core.reference import (
    CatalogReference,
    FileReference,
    HubReference,
    IndexReference,
    PeerReference,
    Reference,
    parse_reference,
)
from appliance.weights.manifest import Manifest, ManifestFile
from appliance.weights.sources.exported import is_export, read_exported

Place = HubReference | IndexReference | FileReference | PeerReference
"""What names a place to fetch from."""


class WantedFile(msgspec.Struct, frozen=True):
    """A file by name; size and SHA-256 where they are known, and who vouches for that."""

    name: str
    bytes: int | None = None
    sha256: str | None = None
    trust: Trust = "pinned"


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`sources` hold the same content, best first. Without `files` the sources are asked."""

    model: str
    reference: str
    sources: list[Place]
    files: list[WantedFile] = []


def glob_of(place: Reference) -> str | None:
    """Which files of a listing are meant; `None`: those that an engine needs.

    What another appliance lists for a model is just that model.
    """
    match place:
        case HubReference():
            return place.glob
        case PeerReference():
            return "*"
        case _:
            return None


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
            path = Path(reference.path).expanduser().absolute()
            return _known_file(path, catalogue) or request_from_disk(path)
        case PeerReference():
            return _from_peer(reference, catalogue)
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


def _from_peer(reference: PeerReference, catalogue: Catalogue) -> PullRequest:
    """The same model as from anywhere else, where its id says what it is."""
    sources: list[Place] = [reference]
    try:
        named = parse_reference(reference.model)
        if not isinstance(named, FileReference | PeerReference):
            return msgspec.structs.replace(request_for(named, catalogue), sources=sources)
    except UsageError:
        pass
    return PullRequest(model=str(reference), reference=str(reference), sources=sources)


def _known_file(path: Path, catalogue: Catalogue) -> PullRequest | None:
    """The catalogue's own model, where the file on the disk has its name and size."""
    if not path.is_file():
        return None
    for family in catalogue.families:
        for variant in family.variants:
            if _is_variant(path, variant):
                return PullRequest(
                    model=variant.id,
                    reference=variant.id,
                    sources=[FileReference(str(path))],
                    files=[WantedFile(f.name, f.bytes, f.sha256) for f in variant.files],
                )
    return None


def _is_variant(path: Path, variant: Variant) -> bool:
    if variant.files:
        names = {file.name: file.bytes for file in variant.files}
        return list(names) == [path.name] and names[path.name] in (None, path.stat().st_size)
    globs = [source.rpartition(":")[2] for source in variant.sources if source.count(":") > 1]
    return any(PurePosixPath(glob).name == path.name for glob in globs)


def request_from_disk(path: Path) -> PullRequest:
    """A file or directory of this server; an exported model keeps the id that it had.

    Raises `VerificationFailed` for an export whose manifest is damaged, or passes other files off
    as a model of the catalogue.
    """
    source = FileReference(str(path))
    if is_export(path):
        with disk_errors(path):
            manifest = read_exported(path)
        return PullRequest(
            model=manifest.id,
            reference=manifest.reference,
            sources=[source],
            files=_vouched(manifest, path),
        )
    return PullRequest(model=str(source), reference=str(source), sources=[source])


def _vouched(manifest: Manifest, path: Path) -> list[WantedFile]:
    """The files of an export, held against what the catalogue pins of that model."""
    pins = _pins(manifest.id)
    found = {file.name: file.sha256 for file in manifest.files}
    for name, expected in pins.items():
        if found.get(name) != expected:
            raise VerificationFailed(
                say(
                    "{path} passes for {model}, but its {name} is not the one of the catalogue: "
                    "expected SHA-256 {expected}, found {found}",
                    path=path,
                    model=manifest.id,
                    name=name,
                    expected=expected,
                    found=found.get(name, "-"),
                ),
                hint=say("copy it again from where it came, or pull it from a hub"),
                code="NOT-AS-PINNED",
            )
    return [
        WantedFile(file.name, file.bytes, file.sha256, _trust(file, file.name in pins))
        for file in manifest.files
    ]


def _pins(model_id: str) -> dict[str, str]:
    """SHA-256 by name of the files that the catalogue pins for a model."""
    try:
        reference = parse_reference(model_id)
        if not isinstance(reference, CatalogReference):
            return {}
        _, variant = load_catalogue().variant(reference)
    except UsageError:
        return {}
    return {file.name: file.sha256 for file in variant.files if file.sha256}


def _trust(file: ManifestFile, pinned: bool) -> Trust:
    """`pinned` is said of what this catalogue pins, and not because a disk says so."""
    return "pinned" if pinned else "first-use" if file.trust == "first-use" else "published"
