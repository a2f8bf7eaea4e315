"""Copies of a model on disks that somebody brought."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import msgspec

from appliance.catalog.models import Catalogue
from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.plan import Choice
from appliance.core.reference import FileReference, HubReference, parse_reference
from appliance.weights.pull import PullRequest, WantedFile, request_for
from appliance.weights.request import request_from_disk
from appliance.weights.sources.exported import is_export

_BROUGHT = ("/media/", "/mnt/", "/run/media/")
_DEEPEST = 3
_MOST_ENTRIES = 5000


def brought_disks(inventory: Inventory) -> list[Path]:
    """Where disks that people bring are mounted."""
    mounts = [disk.mount for disk in inventory.host.disks]
    return [Path(mount) for mount in mounts if f"{mount}/".startswith(_BROUGHT)]


def from_disk(request: PullRequest, path: Path) -> PullRequest:
    """`request` from the copy at `path`, a file or a directory. Raises `UsageError`: none there."""
    found = find_copy(request, path)
    if found is None:
        raise UsageError(
            say("there is no copy of {model} at {path}", model=request.model, path=path),
            hint=say("is the disk mounted? name the file, or the directory that holds it"),
            code="NO-SUCH-FILE",
        )
    return found


def choice_at(source: str, choices: Sequence[Choice], catalogue: Catalogue) -> Choice | None:
    """The first choice that a disk (`file:PATH`) holds a copy of."""
    kind, _, place = source.partition(":")
    if kind != "file":
        return None
    for choice in choices:
        request = request_for(parse_reference(choice.variant), catalogue)
        if find_copy(request, Path(place)):
            return choice
    return None


def find_copy(request: PullRequest, path: Path) -> PullRequest | None:
    """The model at `path`: exported there, or under the names that its publishers gave it."""
    for directory, files in _directories(path):
        if directory.is_dir() and is_export(directory):
            exported = _exported(directory)
            if exported and exported.model == request.model:
                return exported
        if found := _named(request, files):
            return _taken_from(request, directory, found)
    return None


def _exported(directory: Path) -> PullRequest | None:
    try:
        return request_from_disk(directory)
    except ApplianceError:
        return None


def _directories(path: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Directories from `path` down with their files; a file stands for itself alone."""
    if path.is_file():
        yield path, [path]
        return
    seen = 0
    for root, directories, names in os.walk(path):
        here = Path(root)
        if len(here.relative_to(path).parts) >= _DEEPEST:
            directories.clear()
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        yield here, [here / name for name in sorted(names)]
        seen += len(names) + len(directories)
        if seen > _MOST_ENTRIES:
            return


def _named(request: PullRequest, files: Sequence[Path]) -> list[Path]:
    """The files of the model among `files`, or nothing."""
    by_name = {file.name: file for file in files}
    if request.files:
        found = [by_name.get(PurePosixPath(wanted.name).name) for wanted in request.files]
        whole = all(
            file and wanted.bytes in (None, file.stat().st_size)
            for file, wanted in zip(found, request.files, strict=True)
        )
        return [file for file in found if file] if whole else []
    globs = {
        PurePosixPath(source.glob).name.lower()
        for source in request.sources
        if isinstance(source, HubReference) and source.glob
    }
    return [f for f in files if any(fnmatchcase(f.name.lower(), glob) for glob in globs)]


def _taken_from(request: PullRequest, place: Path, files: Sequence[Path]) -> PullRequest:
    source = FileReference(str(files[0] if len(files) == 1 else place))
    wanted = request.files or [WantedFile(file.name) for file in files]
    return msgspec.structs.replace(request, sources=[source], files=list(wanted))
