from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tarfile
import threading
import time
from pathlib import Path

import msgspec
import pytest
from fake_toolchain import FakeToolchain, source_archive
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.errors import ApplianceError, Interrupted, UsageError, VerificationFailed
from appliance.core.progress import Cancel
from appliance.engines.build import command_for
from appliance.engines.native import archive, backends, source
from appliance.engines.native.backends import backend
from appliance.engines.native.builds import builds_root, current_build, is_built
from appliance.engines.native.compile import cause_of, step_of
from appliance.engines.native.making import BuildProgress, archive_of, build, builds, take_over
from appliance.engines.native.toolchain import find_toolchain, newest_number
from appliance.engines.request import EngineRequest


class Site:
    """A server with a (fake) compiler and an empty home."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = directory / "home"
        self.tools = FakeToolchain(directory / "tools")
        self.model = directory / "model.gguf"
        self.archive, digest = source_archive(directory / "source.tar.gz")
        monkeypatch.setenv("APPLIANCE_HOME", str(self.home))
        monkeypatch.setenv("PATH", f"{self.tools.bin}:/usr/bin:/bin")
        pinned = msgspec.structs.replace(backends.sources(), sha256=digest)
        monkeypatch.setattr(source, "sources", lambda: pinned)
        self.progress: list[BuildProgress] = []


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def make(site: Site, *, cancel: Cancel | None = None) -> str:
    """Build for the processor; the key of what was built."""
    made = build(
        "cpu",
        model=site.model,
        source=site.archive,
        on_progress=site.progress.append,
        cancel=cancel,
    )
    return made.key


def test_a_build_is_verified_and_then_in_use(site: Site) -> None:
    key = make(site)

    assert is_built("cpu")
    assert current_build("cpu").resolve().name == key
    assert [one.in_use for one in builds("cpu")] == [True]
    request = EngineRequest(
        recipe="llama.cpp-native-cpu", model_path="m.gguf", alias="a", port=1, context=1
    )
    assert command_for(request).argv[0] == str(current_build("cpu") / "bin/llama-server")


def test_progress_tells_phases_steps_and_the_time_left(site: Site) -> None:
    make(site)

    phases = list(dict.fromkeys(step.phase for step in site.progress))
    compiling = [step for step in site.progress if step.total]
    assert phases == ["check", "source", "compile", "verify", "place"]
    assert compiling[-1].done == compiling[-1].total == 3
    assert all(step.eta_s is not None for step in compiling)


def test_building_fetches_nothing_on_its_own(site: Site) -> None:
    make(site)

    assert "-DLLAMA_USE_PREBUILT_UI=OFF" in site.tools.calls()[0]


def test_what_is_built_is_not_built_again(site: Site) -> None:
    make(site)
    calls = len(site.tools.calls())
    make(site)

    assert len(site.tools.calls()) == calls


def test_another_server_of_the_kind_needs_no_compiler(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = archive_of("cpu", make(site))
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path / "other"))
    there = archive_of("cpu", builds_key(made))
    there.parent.mkdir(parents=True)
    shutil.copy(made, there)
    shutil.copy(archive.digest_file(made), archive.digest_file(there))
    monkeypatch.setenv("PATH", "/nowhere")
    make(site)

    assert is_built("cpu")


def test_an_archive_is_taken_over_from_another_server(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make(site)
    made = archive_of("cpu", key)
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PATH", "/nowhere")

    taken = take_over("cpu", made, model=site.model)

    assert (taken.key, taken.in_use) == (key, True)
    assert archive_of("cpu", key).exists()
    assert current_build("cpu").resolve().name == key
    with pytest.raises(UsageError, match="is of the backend cpu"):
        take_over("vulkan", made, model=site.model)
    archive.digest_file(made).unlink()
    with pytest.raises(VerificationFailed, match="has no SHA-256 beside it"):
        take_over("cpu", made, model=site.model)


def test_what_is_no_build_is_not_taken_over(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "notes"
    other.mkdir()
    (other / "build.json").write_text("{}")
    no_build = archive.pack(other, tmp_path / "notes.tar.gz")
    no_tar = tmp_path / "text.tar.gz"
    no_tar.write_text("no archive")
    digest = hashlib.sha256(no_tar.read_bytes()).hexdigest()
    archive.digest_file(no_tar).write_text(f"{digest}  text.tar.gz")

    with pytest.raises(UsageError, match="is no build"):
        take_over("cpu", no_build, model=site.model)
    with pytest.raises(VerificationFailed):
        take_over("cpu", no_tar, model=site.model)


def test_a_build_that_does_not_serve_here_is_not_taken_over(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = archive_of("cpu", make(site))
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # as on a server whose libraries are others

    with pytest.raises(ApplianceError) as caught:
        take_over("cpu", made, model=site.model)

    assert caught.value.code == "BUILD-BROKEN"
    assert not is_built("cpu")
    assert not any(path.is_dir() for path in (builds_root("cpu") / ".work").iterdir())


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (
            "-- found\nCMake Error in ggml/CMakeLists.txt:\n  no GPU was detected.\n\n\nmore",
            "no GPU was detected. more",
        ),
        ("[1/2] x.cu\nFAILED: x.o\nx.cu:7: error: y", "FAILED: x.o"),
        ("x.cu:7: error: y\nninja: stopped", "x.cu:7: error: y"),
        ("quiet", "quiet"),
        ("", ""),
    ],
)
def test_why_it_did_not_compile(log: str, why: str) -> None:
    assert cause_of(log.splitlines()) == why


def test_a_part_of_the_kit_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = FakeToolchain(tmp_path / "tools")
    tools.write("nvcc", "#!/bin/sh\necho release 12.8\n")
    monkeypatch.setenv("PATH", f"{tools.bin}:/usr/bin:/bin")
    only_here = msgspec.structs.replace(
        backend("cuda").needs[1], files=["{nvcc}/targets/*/include/cublas_v2.h"]
    )
    cuda = msgspec.structs.replace(backend("cuda"), needs=[backend("cuda").needs[0], only_here])

    with pytest.raises(ApplianceError, match="missing: cuBLAS") as caught:
        find_toolchain(cuda)
    assert "libcublas-dev" in str(caught.value.hint)

    header = tools.bin.parent / "targets" / "x86_64-linux" / "include" / "cublas_v2.h"
    header.parent.mkdir(parents=True)
    header.touch()
    assert "nvcc" in find_toolchain(cuda).programs


def builds_key(made: Path) -> str:
    return made.name.removeprefix("llama.cpp-cpu-").removesuffix(".tar.gz")


def test_a_damaged_archive_is_not_used(site: Site, tmp_path: Path) -> None:
    made = archive_of("cpu", make(site))
    with made.open("r+b") as file:
        file.seek(100)
        file.write(b"damage")

    with pytest.raises(VerificationFailed):
        archive.unpack(made, tmp_path / "out")


@pytest.mark.parametrize("fault", ["compile", "serve"])
def test_a_failed_build_leaves_the_one_before_in_use(site: Site, fault: str) -> None:
    before = make(site)
    if fault == "compile":
        (site.tools.bin / "broken").touch()
    else:
        site.tools.write("llama-server.py", "#!/bin/sh\necho error: no kernel image >&2\nexit 1\n")
    with pytest.raises(ApplianceError) as caught:
        build("vulkan", model=site.model, source=site.archive)
    assert caught.value.code == "TOOLCHAIN-MISSING"

    site.tools.write("glslc", "#!/bin/sh\n")
    (site.tools.bin.parent / "include" / "vulkan").mkdir(parents=True)
    (site.tools.bin.parent / "include" / "vulkan" / "vulkan.h").touch()
    with pytest.raises(ApplianceError) as caught:
        build("vulkan", model=site.model, source=site.archive)
    words = {"compile": "no such thing as a GPU", "serve": "no kernel image"}
    codes = {"compile": "BUILD-FAILED", "serve": "BUILD-BROKEN"}
    assert caught.value.code == codes[fault]
    assert words[fault] in str(caught.value)
    assert not is_built("vulkan")
    assert current_build("cpu").resolve().name == before


def test_the_build_log_is_kept_for_a_person(site: Site) -> None:
    (site.tools.bin / "broken").touch()
    with pytest.raises(ApplianceError) as caught:
        make(site)

    log = Path(str(caught.value.hint).removeprefix("the whole log is "))
    assert "error: no such thing as a GPU" in log.read_text()


def test_a_cancelled_build_leaves_no_compiler_running(site: Site) -> None:
    slow = site.tools.bin / "slow"
    slow.touch()
    cancel, raised = Cancel(), []

    def run() -> None:
        try:
            make(site, cancel=cancel)
        except Interrupted as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 20
    while not slow.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    cancel.set()
    thread.join(20)

    assert raised
    assert not is_built("cpu")
    with pytest.raises(ProcessLookupError):
        os.kill(int(slow.read_text()), 0)


def test_two_builds_at_once_are_one_too_many(site: Site) -> None:
    slow = site.tools.bin / "slow"
    slow.touch()
    cancel = Cancel()
    codes: list[str] = []

    def run() -> None:
        try:
            make(site, cancel=cancel)
        except ApplianceError as error:
            codes.append(error.code)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 20
    while not slow.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with pytest.raises(ApplianceError) as caught:
        make(site)
    cancel.set()
    thread.join(20)

    assert caught.value.code == "BUILD-RUNNING"
    assert codes == ["INTERRUPTED"]


def test_a_source_that_is_another_is_refused(site: Site) -> None:
    site.archive.write_bytes(b"something else")

    with pytest.raises(VerificationFailed) as caught:
        make(site)
    assert caught.value.code == "SOURCE-CORRUPT"


def test_all_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ApplianceError) as caught:
        find_toolchain(backend("vulkan"))
    assert all(name in str(caught.value) for name in ("cmake", "g++", "ninja", "glslc"))
    assert "apt install cmake" in str(caught.value.hint)


def test_a_program_that_is_too_old_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = FakeToolchain(tmp_path, cmake_version="3.9.6")
    monkeypatch.setenv("PATH", str(old.bin))

    with pytest.raises(ApplianceError, match=r"cmake 3\.14 \(here is 3\.9\.6\)"):
        find_toolchain(backend("cpu"))


def test_the_compilers_own_home_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = FakeToolchain(tmp_path)
    tools.write("hipconfig", "#!/bin/sh\n")
    (tmp_path / "include" / "hipblas").mkdir(parents=True)
    (tmp_path / "include" / "hipblas" / "hipblas.h").touch()
    monkeypatch.setenv("PATH", f"{tools.bin}:/bin")
    hip = backend("hip")

    environment = find_toolchain(hip).environment(hip)
    assert environment["HIPCXX"] == f"{tools.bin.parent}/llvm/bin/clang++"
    assert environment["PATH"].split(":")[0] == str(tools.bin)


def test_cards_become_targets() -> None:
    assert backend("cuda").targets(["sm_90", "sm_80", "sm_90"]) == ["80", "90"]
    assert backend("musa").targets(["mp_31", ""]) == ["31"]
    assert backend("hip").targets(["gfx942"]) == ["gfx942"]
    assert backend("cpu").targets(["anything"]) == []


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(UsageError, match="opengl"):
        backend("opengl")


def test_every_native_recipe_has_its_backend() -> None:
    from appliance.engines.recipes import load_recipes

    wanted = {recipe.build for recipe in load_recipes() if recipe.start == "build"}
    assert wanted == {one.id for one in backends.sources().backends}


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("[3/40] Building CXX object a.o", (3, 40)),
        ("[ 8%] Building CXX object a.o", (8, 100)),
        ("[100%] Built target llama-server", (100, 100)),
        ("-- Configuring done", None),
        ("warning: [3/40]", None),
    ],
)
def test_steps_are_read(line: str, step: tuple[int, int] | None) -> None:
    assert step_of(line) == step


@given(st.text(max_size=100))
def test_what_a_program_says_of_its_version_may_be_anything(text: str) -> None:
    step_of(text)
    version = newest_number(text)
    assert version is None or version in text


def test_versions_as_programs_tell_them() -> None:
    assert newest_number("cmake version 3.25.1\n\nCMake suite") == "3.25.1"
    assert newest_number("Cuda compilation tools, release 12.4, V12.4.131") == "12.4"
    assert newest_number("none") is None


def test_a_build_that_serves_no_more_is_built_anew(site: Site) -> None:
    """Its driver or its libraries have changed since; its archive is no better."""
    key = make(site)
    server = current_build("cpu") / "bin" / "llama-server"
    server.write_text("#!/bin/sh\necho error: driver too new >&2\nexit 1\n")
    archive_of("cpu", key).unlink()
    archive.pack(current_build("cpu").resolve(), archive_of("cpu", key))

    assert make(site) == key

    assert "HTTPServer" in (current_build("cpu") / "bin" / "llama-server").read_text()
    with tarfile.open(archive_of("cpu", key)) as packed:
        inside = packed.extractfile(f"{key}/bin/llama-server")
        assert inside
        assert b"HTTPServer" in inside.read()


def test_a_build_for_another_processor_is_said_to_be_one(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made" / "other-machine"
    shutil.copytree(current_of(site), made)
    (made / "build.json").write_text(
        (made / "build.json").read_text().replace(current_of(site).name, made.name)
    )
    foreign = {
        "no such machine": b"\x7fELF\x02\x01\x01" + bytes(200),
        "a newer one": b"#!/bin/sh\nkill -ILL $$\n",
    }
    for number, program in enumerate(foreign.values()):
        (made / "bin" / "llama-server").write_bytes(program)
        packed = archive.pack(made, tmp_path / f"{number}.tar.gz")

        with pytest.raises(ApplianceError, match="another kind of processor") as caught:
            take_over("cpu", packed, model=site.model)

        assert caught.value.code == "BUILD-BROKEN"
    assert current_build("cpu").resolve() == current_of(site)


def current_of(site: Site) -> Path:
    if not is_built("cpu"):
        make(site)
    return current_build("cpu").resolve()


def test_no_room_for_its_archive_costs_no_build(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(build: Path, archive: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive, "pack", full)

    key = make(site)

    assert current_build("cpu").resolve().name == key
    assert not archive_of("cpu", key).exists()


def test_a_compile_that_fails_leaves_its_log_and_no_gigabytes(site: Site) -> None:
    (site.tools.bin / "broken").touch()
    with pytest.raises(ApplianceError) as caught:
        make(site)

    log = Path(str(caught.value.hint).removeprefix("the whole log is "))
    assert [path.name for path in log.parent.iterdir()] == ["build.log"]
