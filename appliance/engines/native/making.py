"""Building llama.cpp for this server: checked first, verified before use, kept for a way back.

Nothing changes for what runs until the new build has answered a question; a build that fails leaves
the one before in use.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from appliance.core.documents import from_json, to_json
from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.paths import find_paths
from appliance.core.progress import Cancel
from appliance.engines.kept import (
    alone,
    emptied,
    forget_old,
    in_use,
    require_space,
    switch_to,
    whole_ones,
)
from appliance.engines.native import archive as archives
from appliance.engines.native.archive import ARCHIVE_CORRUPT
from appliance.engines.native.backends import Backend, backend, sources
from appliance.engines.native.builds import SERVER, Build, builds_root, key_of
from appliance.engines.native.compile import PROGRAMS, OnStep, compile_llama_cpp
from appliance.engines.native.source import source_archive, unpack, verify_archive
from appliance.engines.native.toolchain import find_toolchain
from appliance.engines.native.verify import BUILD_BROKEN, verify

BuildPhase = Literal["check", "source", "compile", "verify", "place"]
_DISK_MIB = 3072
_NOTE = "build.json"
log = logging.getLogger(__name__)


class BuildProgress(
    Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.build-progress/1"
):
    """Where a build is: `done` of `total` steps of this phase, seconds left where known."""

    phase: BuildPhase
    done: int | None = None
    total: int | None = None
    eta_s: float | None = None


OnBuild = Callable[[BuildProgress], None]


def build(
    name: str,
    *,
    model: Path,
    archs: Iterable[str] = (),
    source: Path | None = None,
    on_progress: OnBuild = lambda progress: None,
    cancel: Cancel | None = None,
) -> Build:
    """Build llama.cpp with the backend `name`, verify it by serving `model`, and switch to it.

    `archs` are the cards' architectures; `source` an archive brought along. What is built already
    is only verified and switched to, if it still serves: a driver may have changed since.
    Raises `UsageError`, `ApplianceError` (`TOOLCHAIN-MISSING`, `BUILD-FAILED`, `BUILD-BROKEN`,
    `BUILD-RUNNING`), `DoesNotFit`, `Unreachable`, `Interrupted`.
    """
    kind = backend(name)
    targets = kind.targets(archs)
    order = _Order(kind, key_of(targets), targets, source, on_progress, cancel or Cancel())
    root = builds_root(name)
    with alone(root, _running()):
        place = root / order.key
        candidate = _proven(order, root, model)
        on_progress(BuildProgress(phase="place"))
        if candidate != place:
            _place(candidate, place)
        switch_to(place)
        forget_old(root, _NOTE, order.key)
        _keep_archive(place, archive_of(name, order.key))
    return _read(place, in_use=True)


def take_over(
    name: str,
    archive: Path,
    *,
    model: Path,
    on_progress: OnBuild = lambda progress: None,
    cancel: Cancel | None = None,
) -> Build:
    """Use a build that another server made, once it has served `model` here.

    Raises `VerificationFailed` when the archive is not what its SHA-256 says, `UsageError` when it
    is of another backend, and `ApplianceError` (`BUILD-BROKEN`) when it does not serve here.
    """
    kind = backend(name)
    root = builds_root(name)
    with alone(root, _running()):
        on_progress(BuildProgress(phase="check"))
        work = emptied(root / ".work")
        with _log_alone_left(work):
            fresh = archives.unpack(archive, work)
            note = _described(fresh, archive)
            if note.backend != kind.id:
                raise _other_backend(archive, note.backend, kind.id)
            on_progress(BuildProgress(phase="verify"))
            verify(fresh, name, model, root / "verify.log", cancel or Cancel())
        on_progress(BuildProgress(phase="place"))
        place = root / note.key
        _place(fresh, place)
        switch_to(place)
        forget_old(root, _NOTE, note.key)
        _keep_archive(place, archive_of(name, note.key))
    return _read(place, in_use=True)


def _proven(order: _Order, root: Path, model: Path) -> Path:
    """A build that has served `model`: what is here, or else what is compiled anew."""
    for way in (_kept, _from_archive):
        try:
            if candidate := way(order, root):
                return _served(candidate, order, root, model)
        except ApplianceError as error:
            if error.code not in (BUILD_BROKEN, ARCHIVE_CORRUPT):
                raise
            log.warning("%s is built anew: %s", order.key, error)
    archive_of(order.backend.id, order.key).unlink(missing_ok=True)
    return _served(_from_source(order, root), order, root, model)


def _served(candidate: Path, order: _Order, root: Path, model: Path) -> Path:
    order.tell("verify")
    verify(candidate, order.backend.id, model, root / "verify.log", order.cancel)
    return candidate


def _kept(order: _Order, root: Path) -> Path | None:
    place = root / order.key
    return place if (place / SERVER).is_file() else None


def _described(fresh: Path, archive: Path) -> Build:
    """What the archive says of itself, if its key is a plain name of a directory."""
    try:
        note = from_json((fresh / _NOTE).read_bytes(), Build)
        if note.key == Path(note.key).name and note.key == fresh.name:
            return note
    except (OSError, msgspec.MsgspecError):
        pass
    raise UsageError(
        say("{archive} is no build of an engine", archive=archive),
        hint=say("`appliance engines build` leaves one beside its SHA-256"),
        code="BAD-BUILD",
    )


def _other_backend(archive: Path, is_of: str, wanted: str) -> UsageError:
    return UsageError(
        say("{archive} is of the backend {other}", archive=archive, other=is_of),
        hint=say("--backend {other}, or an archive of {wanted}", other=is_of, wanted=wanted),
        code="BAD-BUILD",
    )


class _Order(msgspec.Struct, frozen=True):
    """One build, on its way through."""

    backend: Backend
    key: str
    targets: list[str]
    source: Path | None
    on_progress: OnBuild
    cancel: Cancel

    def tell(self, phase: BuildPhase) -> None:
        """A new phase begins, unless somebody asked to stop."""
        self.cancel.check()
        self.on_progress(BuildProgress(phase=phase))


def builds(name: str) -> list[Build]:
    """The builds of a backend that are kept here, newest first."""
    root = builds_root(name)
    places = whole_ones(root, _NOTE)
    return [_read(place, in_use=place.name == in_use(root)) for place in places]


def archive_of(name: str, key: str) -> Path:
    """Where a build is kept as one file for other servers of the same kind."""
    return find_paths().cache / "engines" / f"llama.cpp-{name}-{key}.tar.gz"


def _from_archive(order: _Order, root: Path) -> Path | None:
    archive = archive_of(order.backend.id, order.key)
    return archives.unpack(archive, emptied(root / ".work")) if archive.exists() else None


def _from_source(order: _Order, root: Path) -> Path:
    started = time.monotonic()
    order.tell("check")
    toolchain = find_toolchain(order.backend)
    require_space(root, _DISK_MIB)
    order.tell("source")
    archive = _verified(order.source) or source_archive(find_paths().cache / "engines")
    work = emptied(root / ".work")
    with _log_alone_left(work):
        tree = unpack(archive, work / "source")
        order.tell("compile")
        programs = compile_llama_cpp(
            tree,
            work,
            order.backend,
            order.targets,
            toolchain,
            on_step=_told(order.on_progress),
            cancel=order.cancel,
        )
    fresh = work / order.key
    (fresh / "bin").mkdir(parents=True)
    for program in PROGRAMS:
        shutil.copy2(programs / program, fresh / "bin" / program)
    _describe(fresh, order, time.monotonic() - started)
    return fresh


@contextmanager
def _log_alone_left(work: Path) -> Iterator[None]:
    """Gigabytes of a compile that failed are of no use to anybody."""
    try:
        yield
    except BaseException:
        for path in work.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
        raise


def _verified(source: Path | None) -> Path | None:
    if source is not None:
        verify_archive(source)
    return source


def _told(on_progress: OnBuild) -> OnStep:
    started = time.monotonic()

    def on_step(done: int, total: int) -> None:
        spent = time.monotonic() - started
        eta = round(spent / done * (total - done), 1) if done else None
        on_progress(BuildProgress(phase="compile", done=done, total=total, eta_s=eta))

    return on_step


def _describe(fresh: Path, order: _Order, seconds: float) -> None:
    with (fresh / SERVER).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    note = Build(
        backend=order.backend.id,
        key=order.key,
        version=sources().version,
        targets=order.targets,
        sha256=digest,
        seconds=round(seconds, 1),
    )
    (fresh / _NOTE).write_text(to_json(note, indent=2) + "\n")


def _place(fresh: Path, place: Path) -> None:
    """What is there goes last, so that an engine which starts meanwhile finds one or the other."""
    work = fresh.parent
    if place.exists():
        place.replace(work / "before")
    fresh.replace(place)
    shutil.rmtree(work, ignore_errors=True)


def _keep_archive(place: Path, archive: Path) -> None:
    """For other servers; this one does without where there is no room for it."""
    if archive.exists():
        return
    try:
        archives.pack(place, archive)
    except OSError as error:
        log.warning("no archive of %s is kept: %s", place.name, error)


def _read(place: Path, *, in_use: bool) -> Build:
    note = from_json((place / _NOTE).read_bytes(), Build)
    return msgspec.structs.replace(note, in_use=in_use)


def _running() -> ApplianceError:
    return ApplianceError(
        say("llama.cpp is being built here already"), hint=say("wait for it"), code="BUILD-RUNNING"
    )
