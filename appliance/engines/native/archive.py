"""A build as one file that other servers of the same kind can use."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

from appliance.core.errors import VerificationFailed
from appliance.core.i18n import say

ARCHIVE_CORRUPT = "ARCHIVE-CORRUPT"


def pack(build: Path, archive: Path) -> Path:
    """Write `build` as `archive` with its SHA-256 beside it (`NAME.sha256`, as sha256sum does)."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    temporary = archive.with_name(f".{archive.name}.new")
    try:
        with tarfile.open(temporary, "w:gz", compresslevel=6) as tar:
            tar.add(build, arcname=build.name)
        digest_file(archive).write_text(f"{_digest(temporary)}  {archive.name}\n")
        temporary.replace(archive)
    finally:
        temporary.unlink(missing_ok=True)
    return archive


def unpack(archive: Path, directory: Path) -> Path:
    """Unpack an archive under `directory` and return the build.

    Raises `VerificationFailed` when the file is not what its SHA-256 says, or has none.
    """
    if _told(archive) != _digest(archive):
        raise VerificationFailed(
            say("{archive} is not what its SHA-256 says", archive=archive),
            hint=say("copy it again"),
            code=ARCHIVE_CORRUPT,
        )
    try:
        with tarfile.open(archive) as tar:
            extract(tar, directory)
            return directory / tar.getnames()[0]
    except (tarfile.TarError, IndexError, EOFError) as error:
        raise VerificationFailed(
            say("{archive} cannot be unpacked: {error}", archive=archive, error=error),
            hint=say("copy it again"),
            code=ARCHIVE_CORRUPT,
        ) from error


def _told(archive: Path) -> str:
    beside = digest_file(archive)
    try:
        return beside.read_text().split()[0]
    except (OSError, IndexError):
        raise VerificationFailed(
            say("{archive} has no SHA-256 beside it", archive=archive),
            hint=say("copy {beside}, too", beside=beside.name),
            code=ARCHIVE_CORRUPT,
        ) from None


def extract(tar: tarfile.TarFile, directory: Path) -> None:
    """Unpack an archive whose hash was checked; where Python can (3.11.4), nothing leaves
    `directory`.
    """
    tar.extraction_filter = getattr(tarfile, "data_filter", None)
    tar.extractall(directory)  # noqa: S202 - verified before


def digest_file(archive: Path) -> Path:
    """Where the SHA-256 of an archive is written."""
    return archive.with_name(f"{archive.name}.sha256")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
