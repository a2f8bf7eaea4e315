"""Fixtures of every test. This directory is on the import path: `from hub import LoopbackHub`."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from appliance_box import ANSWER, THOUGHT, Appliance
from hub import LoopbackHub
from tiny_models import build_parrot
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from appliance.core import i18n

_OF_THE_RUNNER = ("HF_", "MODELSCOPE_", "CI", "NO_COLOR")


def pytest_configure() -> None:
    """Ctrl-C means here what it means in a terminal, also where the tests run in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Apart(LoadFileScheduling):  # type: ignore[misc]
    """With several workers a file stays with one of them, and all that start gateways stay
    together: each takes the first free port and expects to find it free again.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "gateways" if file.startswith(("tests/e2e/", "tests/unit/node/")) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Apart:
    return Apart(config, log)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own: never the one of whoever runs the tests."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("APPLIANCE_HOME", str(home))
    for name in ("APPLIANCE_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    return home


@pytest.fixture(autouse=True)
def english() -> None:
    """Whatever language an earlier test left behind."""
    i18n._language.set(None)
    i18n.use_default_language("en")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Captures and measured truth beside the repository, where they are."""
    directory = Path(__file__).parents[2] / "shared"
    if not directory.is_dir():
        pytest.skip("no ../shared here")
    return directory


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A hub over `tmp_path/hub`, and the environment that leads both protocols to it."""
    root = tmp_path / "hub"
    root.mkdir(exist_ok=True)
    with LoopbackHub(root) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.hf_endpoint)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", running.ms_endpoint)
        for name in ("HF_TOKEN", "MODELSCOPE_API_TOKEN", "HTTP_PROXY", "http_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield running


@pytest.fixture
def appliance() -> Iterator[Appliance]:
    """An appliance whose home has a path short enough for sockets, and no hub to ask."""
    home = Path(tempfile.mkdtemp(prefix="appliance-"))
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(_OF_THE_RUNNER)},
        "APPLIANCE_HOME": str(home),
        "APPLIANCE_LANG": "en",
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "MODELSCOPE_ENDPOINT": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    box = Appliance(home, environment)
    yield box
    box.end()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file that always says the same, after a thought."""
    path = tmp_path_factory.mktemp("models") / "parrot.gguf"
    return build_parrot("qwen2", path, f"{THOUGHT}</think>{ANSWER}")
