"""The installers, as far as they go without installing anything."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

INSTALLERS = Path(__file__).parents[3] / "installers"


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A clone with nothing but what the installers look at. The link that root gets goes again."""
    shutil.copytree(INSTALLERS, tmp_path / "clone" / "installers")
    (tmp_path / "clone" / "requirements").mkdir()
    (tmp_path / "clone" / "requirements" / "runtime.txt").write_text("click==8 --hash=sha256:0\n")
    (tmp_path / "clone" / "requirements" / "dev.txt").write_text("click==8 --hash=sha256:0\n")
    (tmp_path / "clone" / "pyproject.toml").write_text("[project]\n")
    yield tmp_path / "clone"
    place = Path("/usr/local/bin/appliance")
    if place.is_symlink() and place.readlink().is_relative_to(tmp_path):
        place.unlink()


@pytest.fixture
def environment(clone: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that makes environments, in that clone, for a user with a home there."""
    spec = importlib.util.spec_from_file_location(
        "environment", clone / "installers" / "environment.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("HOME", str(clone.parent / "home"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return module


def _quickstart(clone: Path, *arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(clone / "installers" / "quickstart.sh"), *arguments],
        env={"PATH": path, "HOME": str(clone.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def _stand_in(clone: Path) -> Path:
    """An environment that is already what the lock says; its program tells how it was called."""
    program = clone / ".venv" / "bin" / "appliance"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "appliance $* [$PIP_FIND_LINKS]"\n')
    program.chmod(0o755)
    return program


def test_the_main_job_gets_the_options_and_never_asks_without_a_terminal(
    clone: Path, environment: ModuleType
) -> None:
    _stand_in(clone)
    (clone / ".venv" / ".installed-runtime").write_text(environment._stamp("runtime"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = _quickstart(clone, "--model", "a model", "--users=3", path=path)
    assert result.stdout == "appliance up --yes --model a model --users=3 []\n"
    assert result.returncode == 0


def test_wheels_are_for_the_installation_and_for_what_the_program_fetches(
    clone: Path, environment: ModuleType
) -> None:
    _stand_in(clone)
    (clone / ".venv" / ".installed-runtime").write_text(environment._stamp("runtime"))
    wheels = clone.parent / "our wheels"
    wheels.mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = _quickstart(clone, "--wheels", str(wheels), "--yes", path=path)
    assert result.stdout == f"appliance up --yes [{wheels.as_uri()}]\n"


def test_without_a_python_that_is_new_enough_there_is_one_error_and_one_hint(clone: Path) -> None:
    bin_directory = clone.parent / "bin"
    bin_directory.mkdir()
    for tool in ("dirname", "basename", "sed"):
        (bin_directory / tool).symlink_to(shutil.which(tool) or tool)
    old = bin_directory / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    result = _quickstart(clone, "--yes", path=str(bin_directory))
    assert result.returncode == 1
    error, hint = result.stderr.splitlines()
    assert error.startswith("error: no Python 3.11")
    assert hint.startswith("hint: ")


def test_an_environment_is_stale_when_the_lock_the_project_or_its_place_changes(
    clone: Path, environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stand_in(clone)
    stamp = clone / ".venv" / ".installed-runtime"
    stamp.write_text(environment._stamp("runtime"))
    assert environment._is_done("runtime")
    (clone / "requirements" / "runtime.txt").write_text("click==9 --hash=sha256:0\n")
    assert not environment._is_done("runtime")
    stamp.write_text(environment._stamp("runtime"))
    (clone / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert not environment._is_done("runtime")
    stamp.write_text(environment._stamp("runtime"))
    monkeypatch.setattr(environment, "CLONE", shutil.copytree(clone, clone.parent / "moved"))
    assert not environment._is_done("runtime")


def test_the_program_is_linked_once_and_foreign_files_stay(
    environment: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Path.home() / ".local" / "bin" / "appliance"
    environment.link()
    environment.link()
    assert place.readlink() == environment.PROGRAM
    place.unlink()
    place.write_text("something else")
    environment.link()
    assert place.read_text() == "something else"
    assert "stays" in capsys.readouterr().err


def test_a_link_of_a_clone_that_is_gone_is_renewed(environment: ModuleType) -> None:
    place = Path.home() / ".local" / "bin" / "appliance"
    place.parent.mkdir(parents=True)
    place.symlink_to("/gone/.venv/bin/appliance")
    environment.link()
    assert place.readlink() == environment.PROGRAM


@pytest.mark.parametrize(
    ("output", "exit_code"),
    [
        ("OSError: [Errno 28] No space left on device", 6),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", 7),
        ("ERROR: Could not install packages: [Errno 13] Permission denied: '/x'", 5),
        ("WARNING: Retrying after connection broken by NewConnectionError", 3),
        ("ERROR: No matching distribution found for click==8", 3),
        ("error sending request for url; invalid peer certificate: UnknownIssuer", 3),
        ("a fault nobody has seen before", 1),
    ],
)
def test_an_installers_failure_becomes_one_error_with_its_exit_code(
    environment: ModuleType, output: str, exit_code: int
) -> None:
    assert not environment._run(["/bin/sh", "-c", f"echo {output!r}; exit 1"], {})
    failure = environment._failure()
    assert failure.exit_code == exit_code
    assert failure.what
    assert failure.hint


def test_uv_gets_the_index_that_pip_is_set_up_with(
    environment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = file:///a\nextra-index-url = file:///b\n    file:///c\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_CERT", "/site.pem")
    settings = environment._settings(None)
    assert settings["UV_DEFAULT_INDEX"] == "file:///a"
    assert "file:///b file:///c" in settings["UV_INDEX"]
    assert settings["SSL_CERT_FILE"] == "/site.pem"


def test_where_uv_failed_and_pip_is_missing_uvs_reason_is_told(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/false")
    monkeypatch.setattr(environment, "_with_uv", lambda *_: environment._run(["/bin/false"], {}))
    monkeypatch.setattr(environment, "_has", lambda _module: False)
    with pytest.raises(environment.Failure) as raised:
        environment.make("runtime", None)
    assert "install.log" in raised.value.hint


def test_only_the_last_command_of_the_log_is_judged(environment: ModuleType) -> None:
    environment._run(["/bin/sh", "-c", "echo No space left on device; exit 1"], {})
    environment._run(["/bin/sh", "-c", "echo something; exit 1"], {})
    assert environment._failure().exit_code == 1


def test_the_locks_name_no_index_and_pin_every_package() -> None:
    for name in ("runtime", "dev"):
        text = (INSTALLERS.parent / "requirements" / f"{name}.txt").read_text()
        assert "://" not in text
        packages = [line for line in text.splitlines() if line[:1].isalpha()]
        assert packages
        assert all("==" in line and line.endswith("\\") for line in packages)
        assert not [line for line in text.splitlines() if line.startswith("-")]


def test_the_locks_hold_what_the_project_asks_for() -> None:
    import tomllib

    project = tomllib.loads((INSTALLERS.parent / "pyproject.toml").read_text())["project"]
    runtime, dev = (
        (INSTALLERS.parent / "requirements" / f"{name}.txt").read_text().lower()
        for name in ("runtime", "dev")
    )
    for wanted in project["dependencies"]:
        assert f"\n{_pin(wanted)} " in f"\n{runtime}"
    for wanted in project["dependencies"] + project["optional-dependencies"]["dev"]:
        assert f"\n{_pin(wanted)} " in f"\n{dev}"
    assert "\nh2==" in runtime  # what the extra of httpx brings


def _pin(wanted: str) -> str:
    """Name and version, without marker and extras: a lock names what extras bring by itself."""
    return re.sub(r"\[.*?\]", "", wanted.partition(";")[0].strip())
