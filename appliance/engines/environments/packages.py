"""Packages by the appliance's own pip: chosen, locked by their hashes, then installed by the lock.

pip reads the settings of this machine (mirrors, certificates, proxies), as it does for every other
package here. Wheels only: a source package would run code of its own.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import say
from appliance.core.progress import Cancel
from appliance.engines.environments.environment import Environment
from appliance.engines.environments.failures import failure
from appliance.engines.environments.places import LOCK
from appliance.engines.environments.within import python_of
from appliance.engines.work import run

MB = 1_000_000
TEMPORARY = "tmp"
OnStep = Callable[[int, int | None], None]
"""Told how many of how many; the second is `None` where nobody knows."""

_PLAIN = ("--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--progress-bar=raw")
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_CACHED = re.compile(r"\s*Using cached \S+\.whl \(([\d.]+) (kB|MB|GB)\)")
_UNITS = {"kB": 0.001, "MB": 1.0, "GB": 1000.0}
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


class Packages(msgspec.Struct, frozen=True):
    """Where the packages of an environment come from, and where pip may work.

    `wheels` is a directory that has all of them; without it indexes are asked, `index` instead of
    the one that this machine's pip is set up with.
    """

    kind: Environment
    place: Path
    work: Path
    log: Path
    wheels: Path | None
    index: str | None
    cancel: Cancel

    def lock(self, on_fetch: OnStep) -> str:
        """Requirements with their hashes: those that came with the wheels, else chosen now.

        An index that does not tell what packages need has to hand them out for that.
        Raises `Unreachable`, `UsageError` for wheels of something else, `ApplianceError`.
        """
        brought = self.wheels / LOCK if self.wheels else None
        if brought and brought.is_file():
            return _of_this(brought, self.kind)
        report = self.work / "report.json"
        words = ("--dry-run", "--ignore-installed", f"--report={report}", *self.kind.packages)
        self._pip(*words, on_line=_Telling(self.kind, on_fetch).line)
        return _locked(json.loads(report.read_text()))

    def install(self, lock: Path, on_fetch: OnStep, on_install: OnStep) -> None:
        """Install what is locked and nothing else. Raises as `lock` does, `DoesNotFit`, and
        `VerificationFailed` for a package with another hash.
        """
        count = packages_in(lock.read_text())
        telling = _Telling(self.kind, on_fetch, lambda: on_install(_installed(self.place), count))
        words = ("--no-deps", "--no-compile", "--require-hashes", f"--requirement={lock}")
        self._pip(*words, on_line=telling.line, on_poll=telling.poll)

    def _pip(
        self,
        *words: str,
        on_line: Callable[[str], None] = lambda line: None,
        on_poll: Callable[[], None] = lambda: None,
    ) -> None:
        target = ("--python", str(python_of(self.place)))
        argv = [sys.executable, "-m", "pip", *target, "install", *_PLAIN, *self._sources(), *words]
        said: list[str] = []

        def keep(line: str) -> None:
            said.append(line)
            on_line(line)

        if run(argv, self._environment(), self.log, keep, self.cancel, on_poll):
            raise failure(said, self.log, self.kind)

    def _sources(self) -> list[str]:
        if self.wheels:
            return ["--no-index", f"--find-links={self.wheels}"]
        if self.index:
            return [f"--index-url={self.index}"]
        return [f"--extra-index-url={self.kind.index}"] if self.kind.index else []

    def _environment(self) -> Mapping[str, str]:
        """Temporary files are on the disk that was checked, which the system's often is not."""
        temporary = self.work / TEMPORARY
        temporary.mkdir(exist_ok=True)
        return {**os.environ, "TMPDIR": str(temporary), "PIP_USER": "0", "PYTHONUNBUFFERED": "1"}


class _Telling:
    """What pip says, as progress: bytes that arrived, then packages that are in place."""

    def __init__(
        self,
        kind: Environment,
        on_fetch: OnStep,
        on_install: Callable[[], None] = lambda: None,
    ) -> None:
        self._total = kind.download_mib and round(kind.download_mib * 2**20 / MB)
        self._on_fetch = on_fetch
        self._on_install = on_install
        self._installing = False
        self._done = 0.0
        self._of_file = 0.0

    def line(self, line: str) -> None:
        """One line of pip."""
        if match := _PROGRESS.match(line):
            self._arrived(int(match[1]) / MB)
        elif match := _CACHED.match(line):
            self._done += float(match[1]) * _UNITS[match[2]]
        elif line.startswith("Installing collected packages"):
            self._installing = True

    def poll(self) -> None:
        """Some time passed."""
        if self._installing:
            self._on_install()

    def _arrived(self, of_file: float) -> None:
        if of_file < self._of_file:
            self._done += self._of_file
        self._of_file = of_file
        done = round(self._done + of_file)
        total = self._total if self._total and self._total >= done else None
        if done:
            self._on_fetch(done, total)


def packages_in(lock: str) -> int:
    """How many packages a lock names."""
    return len(_PINNED.findall(lock))


def _installed(place: Path) -> int:
    return len(list(place.glob("lib/python*/site-packages/*.dist-info")))


def _locked(report: Mapping[str, list[Mapping[str, Mapping[str, object]]]]) -> str:
    lines = sorted(map(_requirement, report["install"]), key=str.lower)
    return "\n".join(lines) + "\n"


def _requirement(entry: Mapping[str, Mapping[str, object]]) -> str:
    """A line of the lock, of one entry of pip's installation report."""
    name, version = entry["metadata"]["name"], entry["metadata"]["version"]
    archive = entry["download_info"].get("archive_info")
    hashes = archive.get("hashes") if isinstance(archive, dict) else None
    if not hashes or "sha256" not in hashes:
        raise ApplianceError(
            say("the index does not tell the hash of {package}", package=f"{name}=={version}"),
            hint=say("use an index that does, or --wheels DIR"),
            code="NO-HASH",
        )
    return f"{name}=={version} --hash=sha256:{hashes['sha256']}"


def _of_this(brought: Path, kind: Environment) -> str:
    lock = brought.read_text()
    named = {_plain(name): version for name, version in _PINNED.findall(lock)}
    wanted = (pin.partition("==") for pin in kind.packages)
    if all(named.get(_plain(name)) == version for name, _, version in wanted):
        return lock
    raise UsageError(
        say("{lock} is not of {pins}", lock=brought, pins=", ".join(kind.packages)),
        hint=say("bring the wheels of this version, or remove the file"),
        code="OTHER-LOCK",
    )


def _plain(name: str) -> str:
    """A project's name as indexes compare it, without extras."""
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()
