"""A directory that `models export` wrote: every file, every chunk and every hash is on record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import msgspec

from appliance.core.documents import from_json
from appliance.core.errors import VerificationFailed
from appliance.core.i18n import Text, say
from appliance.weights.chunks import load_chunks
from appliance.weights.faults import SourceFault
from appliance.weights.manifest import MANIFEST, Manifest
from appliance.weights.names import is_safe_name, is_sha256
from appliance.weights.sources.base import Listing, RemoteFile
from appliance.weights.sources.files import DiskSource, read_range, reading

_PART = re.compile(r"\.part-(\d{4})")


class ExportedSource(DiskSource):
    """One model on a disk; a file may lie there in parts, for file systems with small files."""

    @cached_property
    def manifest(self) -> Manifest:
        """What the directory says it holds. Raises `SourceFault` where that cannot be read."""
        try:
            return read_exported(self.path)
        except VerificationFailed as error:
            raise SourceFault(error, lasting=True) from error
        except OSError as error:
            raise SourceFault(_not_whole(self.path, str(error)), lasting=True) from error

    def listing(self) -> Listing:
        """The files with their hashes and the digests of their chunks."""
        return Listing(
            revision=self.manifest.revision,
            files=tuple(
                RemoteFile(
                    name=file.name,
                    bytes=file.bytes,
                    sha256=file.sha256,
                    chunks=load_chunks(chunks_beside(self.path, file.sha256)),
                )
                for file in self.manifest.files
            ),
        )

    @contextmanager
    def open(self, file: RemoteFile, start: int, end: int) -> Iterator[Iterator[bytes]]:
        """Bytes [start, end), over the borders of parts."""
        yield self._read(self.path / file.name, start, end)

    def _read(self, whole: Path, start: int, end: int) -> Iterator[bytes]:
        """The bytes that are there; those behind a part that is missing keep their place."""
        for first, part, size in _placed(whole):
            if first <= start < min(end, first + size):
                yield from read_range(part, start - first, min(size, end - first))
                start = min(end, first + size)


def is_export(path: Path) -> bool:
    """Whether a directory looks like an exported model."""
    return (path / MANIFEST).is_file()


def read_exported(path: Path) -> Manifest:
    """The manifest of an exported model. Raises `OSError`, `VerificationFailed`."""
    try:
        manifest = from_json((path / MANIFEST).read_bytes(), Manifest)
    except msgspec.MsgspecError as error:
        raise _not_whole(path, say("its manifest is damaged ({why})", why=error)) from error
    if not manifest.files or not all(is_safe_name(file.name) for file in manifest.files):
        raise _not_whole(path, say("its manifest names files outside the directory"))
    if bad := [file.name for file in manifest.files if not is_sha256(file.sha256)]:
        why = say("the SHA-256 of {name} is none", name=bad[0])
        raise _not_whole(path, say("its manifest is damaged ({why})", why=why))
    return manifest


def _not_whole(path: Path, why: Text | str) -> VerificationFailed:
    return VerificationFailed(
        say("{path} is not a whole export: {why}", path=path, why=why),
        hint=say("export it again, or use another copy"),
        code="BAD-EXPORT",
    )


def chunks_beside(directory: Path, sha256: str) -> Path:
    """Where an export keeps the digests of a file's chunks."""
    return directory / "chunks" / f"sha256-{sha256}"


def part_name(name: str, number: int) -> str:
    """The name of part `number` (from 1) of a file."""
    return f"{name}.part-{number:04}"


def _placed(whole: Path) -> list[tuple[int, Path, int]]:
    """The file or its parts, each with its first byte in the file and its size.

    All parts but the last are of one size. Raises `SourceFault` where nothing is, or is left.
    """
    with reading(whole):
        parts = {1: whole} if whole.exists() else parts_of(whole) or {1: whole}
        sizes = {number: (path, path.stat().st_size) for number, path in parts.items()}
    step = max(size for _, size in sizes.values())
    return [((number - 1) * step, path, size) for number, (path, size) in sorted(sizes.items())]


def parts_of(whole: Path) -> dict[int, Path]:
    """The parts of a file that lie where it would, by their number (from 1)."""
    if not whole.parent.is_dir():
        return {}
    return {
        int(match[1]): path
        for path in whole.parent.iterdir()
        if path.name.startswith(whole.name)
        and (match := _PART.fullmatch(path.name[len(whole.name) :]))
    }
