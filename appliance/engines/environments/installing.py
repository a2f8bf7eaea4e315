"""Installing an engine as Python packages: checked first, proven before use, kept for a way back.

Nothing changes for what runs until the new environment has been proven; one that fails, or whose
making is ended, is removed and leaves the one before in use. What a kill leaves behind has no note,
is never used, and goes when the next one is made.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from appliance.core.documents import to_json
from appliance.core.errors import ApplianceError, DoesNotFit, UsageError
from appliance.core.files import write_atomically
from appliance.core.i18n import say
from appliance.core.inventory import Card, Document
from appliance.core.progress import Cancel
from appliance.engines.environments.environment import Environment, too_old_driver
from appliance.engines.environments.failures import failure
from appliance.engines.environments.packages import OnStep, Packages, packages_in
from appliance.engines.environments.places import (
    LOCK,
    NOTE,
    Installed,
    key_of,
    read_note,
    root_of,
)
from appliance.engines.environments.proof import Proof
from appliance.engines.environments.python import Interpreter, find_python
from appliance.engines.environments.within import python_of
from appliance.engines.kept import (
    alone,
    emptied,
    forget_old,
    remove,
    require_space,
    switch_to,
)
from appliance.engines.native.toolchain import look_for
from appliance.engines.work import run

InstallPhase = Literal["check", "resolve", "fetch", "install", "prove", "place"]
_ASK_S = 60
_WORK = ".work"
_LOG = "install.log"


class InstallProgress(
    Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.install-progress/1"
):
    """Where it is: `done` of `total` megabytes (fetch) or packages (install), seconds left."""

    phase: InstallPhase
    done: int | None = None
    total: int | None = None
    eta_s: float | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to install, for which cards, from where; without `wheels` from package indexes."""

    kind: Environment
    cards: Sequence[Card] = ()
    wheels: Path | None = None
    index: str | None = None
    on_progress: Callable[[InstallProgress], None] = lambda progress: None
    cancel: Cancel = Cancel()

    def tell(self, phase: InstallPhase) -> None:
        """A new phase begins, unless somebody asked to stop."""
        self.cancel.check()
        self.on_progress(InstallProgress(phase=phase))


def install(order: Order) -> Installed:
    """Make the environment and switch to it; one that is here already is only switched to.

    Raises `UsageError`, `ApplianceError` (`NO-PYTHON`, `NEEDS-MISSING`, `DRIVER-OLD`,
    `INSTALL-RUNNING`, `ENVIRONMENT-BROKEN` and what pip fails with), `DoesNotFit`, `Unreachable`,
    `VerificationFailed`, `Interrupted`.
    """
    kind, root = order.kind, root_of(order.kind.id)
    with alone(root, _running(kind)):
        order.tell("check")
        python = find_python(kind)
        place = root / key_of(kind.version, python.version, kind.packages)
        note = read_note(place)
        if note is None or not _runs(place):
            _check(order, python, root)
            note = _make(order, python, place)
        order.tell("place")
        switch_to(place)
        forget_old(root, NOTE, place.name, _is_running_from)
    return msgspec.structs.replace(note, in_use=True)


def _check(order: Order, python: Interpreter, root: Path) -> None:
    """Everything that can be known before anything is fetched."""
    kind = order.kind
    if not kind.fits_machine:
        raise UsageError(
            say("{title} is not made for this processor", title=kind.title),
            hint=say("it is for {machines}", machines=", ".join(kind.machines)),
            code="OTHER-MACHINE",
        )
    _, missing = look_for(kind.needs, {"python": python.home})
    if missing:
        raise _missing(kind, missing)
    if (driver := too_old_driver(kind.driver, order.cards)) is not None:
        raise _old(kind, driver)
    if order.wheels and not any(order.wheels.glob("*.whl")):
        raise UsageError(
            say("no wheels in {directory}", directory=order.wheels),
            hint=say("name the directory that has them"),
            code="NO-WHEELS",
        )
    _remove_halves(root)
    require_space(root, kind.disk_mib + (0 if order.wheels else kind.download_mib or 0))


def _make(order: Order, python: Interpreter, place: Path) -> Installed:
    started = time.monotonic()
    work = emptied(place.parent / _WORK)
    with _removed_if_it_fails(place, work):
        _venv(order, python, place, work / _LOG)
        packages = Packages(
            order.kind, place, work, work / _LOG, order.wheels, order.index, order.cancel
        )
        order.tell("resolve")
        lock = place / LOCK
        lock.write_text(packages.lock(_told(order, "fetch")))
        order.tell("fetch")
        packages.install(lock, _told(order, "fetch"), _told(order, "install"))
        order.tell("prove")
        card = next(iter(order.cards), None)
        served = Proof(order.kind, place, work, card, order.cancel).prove()
        note = _described(order.kind, python, place, served, time.monotonic() - started)
        write_atomically(place / NOTE, f"{to_json(note, indent=2)}\n".encode())
    shutil.rmtree(work, ignore_errors=True)
    return note


@contextmanager
def _removed_if_it_fails(place: Path, work: Path) -> Iterator[None]:
    """Only the logs stay, for a person to read."""
    remove(place, NOTE)
    try:
        yield
    except BaseException as error:
        remove(place, NOTE)
        for left in work.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise DoesNotFit(
                say("the disk is full"),
                hint=say("free space, then run the same command again"),
                code="DISK-FULL",
            ) from error
        raise


def _remove_halves(root: Path) -> None:
    """What was ended halfway gives its room back."""
    for place in root.iterdir():
        if place.is_dir() and not place.is_symlink() and read_note(place) is None:
            shutil.rmtree(place, ignore_errors=True)


def _venv(order: Order, python: Interpreter, place: Path, log: Path) -> None:
    """Without pip: ours installs into it."""
    argv = [str(python.path), "-m", "venv", "--without-pip", str(place)]
    said: list[str] = []
    if run(argv, os.environ, log, said.append, order.cancel):
        raise failure(said, log, order.kind)


def _told(order: Order, phase: InstallPhase) -> OnStep:
    started = time.monotonic()

    def on_step(done: int, total: int | None) -> None:
        spent = time.monotonic() - started
        eta = round(spent / done * (total - done), 1) if done and total else None
        order.on_progress(InstallProgress(phase=phase, done=done, total=total, eta_s=eta))

    return on_step


def _described(
    kind: Environment, python: Interpreter, place: Path, served: bool, seconds: float
) -> Installed:
    return Installed(
        environment=kind.id,
        key=place.name,
        version=kind.version,
        python=python.version,
        packages=packages_in((place / LOCK).read_text()),
        bytes=_size_of(place),
        seconds=round(seconds, 1),
        served=served,
    )


def _size_of(place: Path) -> int:
    return sum(
        (Path(folder) / name).lstat().st_size
        for folder, _, names in os.walk(place)
        for name in names
    )


def _runs(place: Path) -> bool:
    """Whether its Python is there still: the server's may have been replaced."""
    try:
        argv = [str(python_of(place)), "-c", ""]
        asked = subprocess.run(argv, capture_output=True, timeout=_ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _is_running_from(place: Path) -> bool:
    """Whether a process was started from it: it still reads modules from there."""
    import psutil

    inside = f"{place}{os.sep}"
    return any(
        any(inside in word for word in process.info["cmdline"] or ())
        for process in psutil.process_iter(["cmdline"])
    )


def _running(kind: Environment) -> ApplianceError:
    return ApplianceError(
        say("{title} is being installed here already", title=kind.title),
        hint=say("wait for it"),
        code="INSTALL-RUNNING",
    )


def _missing(kind: Environment, missing: Sequence[tuple[str, str]]) -> ApplianceError:
    names, hints = zip(*missing, strict=True)
    return ApplianceError(
        say("{title} needs on this server: {names}", title=kind.title, names=", ".join(names)),
        hint=say("install: {commands}", commands="; ".join(hints)),
        code="NEEDS-MISSING",
    )


def _old(kind: Environment, driver: str) -> ApplianceError:
    return ApplianceError(
        say("{title} needs the driver {needed} or newer; here is {driver}",
            title=kind.title, needed=kind.driver, driver=driver),
        hint=say("update the driver to ≥ {needed}", needed=kind.driver),
        code="DRIVER-OLD",
    )  # fmt: skip
