"""Make the virtual environment `.venv` of this clone from locked packages. Standard library only.

    python3 installers/environment.py runtime|dev [--wheels DIR] [--link]

`uv` does it where it is installed, `pip` otherwise, each with the index that this machine is set up
with. Running it again with nothing to do takes no time. A failure is one `error:` and one `hint:`.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
VENV = CLONE / ".venv"
PYTHON = VENV / "bin" / "python"
PROGRAM = VENV / "bin" / "appliance"
LOG = VENV / "install.log"
INCLUDED = {"dev": ("dev", "runtime"), "runtime": ("runtime",)}
"""The packages of `dev` include those of `runtime`."""


class Failure(Exception):
    """What went wrong and what to do; the exit codes are those of the program itself."""

    def __init__(self, exit_code: int, what: str, hint: str) -> None:
        super().__init__(what)
        self.exit_code = exit_code
        self.what = what
        self.hint = hint


LOCKED = ("--require-hashes", "--only-binary=:all:", "-r")
"""Exactly what is locked, and nothing that would have to be compiled."""

KNOWN_FAILURES = (
    # what the installer's output has, exit code, what, hint
    ("No space left", 6, "the disk is full", "free at least 1 GB and run it again"),
    (
        "MATCH THE HASHES",
        7,
        "a package is not the one that was locked",
        "the index or the wheels changed it: see {log}",
    ),
    ("Hash mismatch", 7, "a package is not the one that was locked", "see {log}"),
    ("Permission denied", 5, "not allowed to write in {clone}", "use a clone that belongs to you"),
    (
        "certificate",
        3,
        "this machine does not trust the certificate of the package index",
        "set PIP_CERT to the file of your site's certificate authority; see {log}",
    ),
    (
        "rror sending request",
        3,
        "the package index is out of reach",
        "check network and proxy, set PIP_INDEX_URL to a mirror, or use --wheels DIR; see {log}",
    ),
    (
        "onnection",
        3,
        "the package index is out of reach",
        "check network and proxy, set PIP_INDEX_URL to a mirror, or use --wheels DIR; see {log}",
    ),
    (
        "No matching distribution",
        3,
        "the package index does not have what is locked",
        "see {log}, and the index that pip is set up with: pip config list",
    ),
)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="environment.py", description=__doc__)
    parser.add_argument("profile", choices=sorted(INCLUDED))
    parser.add_argument("--wheels", type=Path, help="install from this directory, ask no index")
    parser.add_argument("--link", action="store_true", help="link the program into a bin directory")
    options = parser.parse_args(arguments)
    try:
        make(options.profile, options.wheels)
        if options.link:
            link()
    except Failure as failure:
        say(f"error: {failure.what}\nhint: {failure.hint}")
        return failure.exit_code
    except KeyboardInterrupt:
        say("error: interrupted\nhint: run it again, it goes on where it stopped")
        return 130
    return 0


def make(profile: str, wheels: Path | None) -> None:
    """Bring `.venv` to what the lock of `profile` says."""
    if _is_done(profile):
        return
    with _alone():
        if _is_done(profile):
            return
        lock = _lock(profile)
        count = sum(line[:1].isalpha() for line in lock.read_text().splitlines())
        say(f"==> Python {sys.version.split()[0]}: installing {count} locked packages into {VENV}")
        started = time.monotonic()
        _install(lock, _settings(wheels), wheels)
        for name in INCLUDED[profile]:
            _stamp_file(name).write_text(_stamp(name))
        say(f"==> installed in {time.monotonic() - started:.0f} s")


def _is_done(profile: str) -> bool:
    stamp = _stamp_file(profile)
    return PROGRAM.exists() and stamp.is_file() and stamp.read_text() == _stamp(profile)


def _lock(profile: str) -> Path:
    return CLONE / "requirements" / f"{profile}.txt"


def _stamp_file(profile: str) -> Path:
    return VENV / f".installed-{profile}"


def _stamp(profile: str) -> str:
    """Changes with whatever makes an installed environment stale."""
    content = _lock(profile).read_bytes() + (CLONE / "pyproject.toml").read_bytes()
    return f"{hashlib.sha256(content).hexdigest()} {CLONE}\n"


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One installation at a time in this clone."""
    try:
        VENV.mkdir(exist_ok=True)
        with (CLONE / "pyproject.toml").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except PermissionError as error:
        raise Failure(
            5, f"not allowed to write {error.filename}", "use a clone that belongs to you"
        ) from error


# --- the two installers ---------------------------------------------------------------------------


def _install(lock: Path, settings: dict[str, str], wheels: Path | None) -> None:
    uv = shutil.which("uv")
    if uv and _with_uv(uv, lock, settings):
        return
    pip = _pip(settings, wheels)
    if pip:
        _with_pip(pip, lock, settings)
    else:
        raise _failure() if uv else _no_installer()


def _with_uv(uv: str, lock: Path, settings: dict[str, str]) -> bool:
    """Whether uv could; where it could not, pip says why."""
    install = [uv, "pip", "install", "--python", str(PYTHON)]
    return (
        (
            _usable()
            or _run([uv, "venv", "--clear", "--python", sys.executable, str(VENV)], settings)
        )
        and _run([*install, *LOCKED, str(lock)], settings)
        and _run([*install, "--no-deps", "--no-build-isolation", "-e", str(CLONE)], settings)
    )


def _with_pip(pip: list[str], lock: Path, settings: dict[str, str]) -> None:
    options = ["--no-compile", "--disable-pip-version-check", "--no-input"]
    install = [*pip, "install", *options]
    if not _run([*install, *LOCKED, str(lock)], settings):
        raise _failure()
    own_pip = [str(PYTHON), "-m", "pip", "install", *options]
    if not _run([*own_pip, "--no-deps", "--no-build-isolation", "-e", str(CLONE)], settings):
        raise _failure()


def _pip(settings: dict[str, str], wheels: Path | None) -> list[str]:
    """A pip that installs into `.venv`, which is made where it is not there; empty without one."""
    own = [str(PYTHON), "-m", "pip"]
    if _usable() and _succeeds([*own, "--version"]):
        return own
    if _has("ensurepip") and _run([sys.executable, "-m", "venv", "--clear", str(VENV)], settings):
        return own
    if _has("virtualenv") and _run(
        [sys.executable, "-m", "virtualenv", "--clear", str(VENV)], settings
    ):
        return own
    foreign = _foreign_pip(wheels)
    bare = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)]
    if foreign and _run(bare, settings):
        return [sys.executable, *foreign, "--python", str(PYTHON)]
    return []


def _no_installer() -> Failure:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Failure(
        1,
        f"this Python {version} cannot make a virtual environment (no ensurepip, pip or uv)",
        f"{how_to_install(f'python{version}-venv')}, then run it again",
    )


def _foreign_pip(wheels: Path | None) -> list[str]:
    for wheel in sorted(wheels.glob("pip-*.whl")) if wheels else []:
        return [str(wheel / "pip")]
    return ["-m", "pip"] if _has("pip") else []


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _usable() -> bool:
    return PYTHON.exists() and _succeeds([str(PYTHON), "-c", ""])


def how_to_install(package: str) -> str:
    """The command that installs a package of this distribution."""
    for tool in ("apt-get", "dnf", "yum", "zypper", "brew"):
        if shutil.which(tool):
            return f"run `{tool} install {package}`"
    return f"install {package}"


# --- where packages come from ---------------------------------------------------------------------


def _settings(wheels: Path | None) -> dict[str, str]:
    """What is added to the environment of pip and uv."""
    retries = os.environ.get("PIP_RETRIES", "2")
    common = {"PIP_USER": "0", "PIP_RETRIES": retries, "UV_PYTHON_DOWNLOADS": "never"}
    if wheels is None:
        return {**common, **_index_for_uv()}
    if not any(wheels.glob("*.whl")):
        raise Failure(2, f"no wheels in {wheels}", "name the directory that has them")
    directory = wheels.resolve()
    from_wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": directory.as_uri()}
    return {
        **common,
        **from_wheels,
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(directory),
    }


UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
"""What uv calls the settings of pip."""


def _index_for_uv() -> dict[str, str]:
    """The index of pip's settings, which uv does not read; locked hashes make any index as good."""
    if any(os.environ.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX")):
        return {}
    found = {UV_NAMES[name]: value for name, value in _pip_settings().items() if name in UV_NAMES}
    if "UV_FIND_LINKS" in found:
        found["UV_FIND_LINKS"] = found["UV_FIND_LINKS"].replace(" ", ",")
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **found}


def _pip_settings() -> dict[str, str]:
    """What `pip config list` says, the environment last, or the environment alone without pip."""
    lines: list[str] = []
    if _has("pip"):
        asked = [sys.executable, "-m", "pip", "config", "list"]
        listed = subprocess.run(asked, capture_output=True, text=True, check=False)
        lines = [line for line in listed.stdout.splitlines() if line.startswith("global.")]
    pairs = (line.removeprefix("global.").partition("=") for line in lines)
    settings = {name: " ".join(ast.literal_eval(value).split()) for name, _, value in pairs}
    from_environment = {name: f"PIP_{name.upper().replace('-', '_')}" for name in UV_NAMES}
    return settings | {
        name: os.environ[variable]
        for name, variable in from_environment.items()
        if os.environ.get(variable)
    }


# --- running them ---------------------------------------------------------------------------------


def _run(command: list[str], settings: dict[str, str]) -> bool:
    """Run with the output in the log, and its last line on a terminal."""
    progress = sys.stderr.isatty()
    LOG.parent.mkdir(exist_ok=True)
    lines = []
    with subprocess.Popen(
        command,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if progress:
                width = shutil.get_terminal_size().columns - 4
                sys.stderr.write(f"\r\033[K    {line.strip()[:width]}")
    if progress:
        sys.stderr.write("\r\033[K")
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a") as log:
        log.write(f"$ {' '.join(command)}\n{''.join(lines)}")
    return process.returncode == 0


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _failure() -> Failure:
    text = LOG.read_text(errors="replace").rpartition("$ ")[2]
    names = {"log": LOG, "clone": CLONE}
    for sign, exit_code, what, hint in KNOWN_FAILURES:
        if sign in text:
            return Failure(exit_code, what.format(**names), hint.format(**names))
    return Failure(1, "packages could not be installed", f"see {LOG}")


# --- the program's place --------------------------------------------------------------------------


def link() -> None:
    """Link the program into the system's or the user's `bin`; what others put there stays."""
    directory = Path("/usr/local/bin") if os.geteuid() == 0 else Path.home() / ".local" / "bin"
    place = directory / "appliance"
    if place.is_symlink() and place.readlink() == PROGRAM:
        return
    if place.exists() or (place.is_symlink() and not _was_ours(place)):
        say(f"note: {place} is something else and stays; the program is {PROGRAM}")
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(PROGRAM)
    except OSError as error:
        say(f"note: no link in {directory} ({error.strerror}); the program is {PROGRAM}")
        return
    if str(directory) not in os.environ.get("PATH", "").split(os.pathsep):
        say(f"note: {directory} is not on PATH; the program is {PROGRAM}")


def _was_ours(place: Path) -> bool:
    """A link that a clone left which is gone since."""
    return place.readlink().parts[-3:] == PROGRAM.parts[-3:]


def say(text: str) -> None:
    """Tell the operator; stdout is left to the program."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
