"""The real compiler on the real source: minutes. What it makes is kept in the user's cache."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import platformdirs
import pytest
from real_engine import RealEngine, free_port, request_for, self_test_model

from appliance.core.errors import ApplianceError
from appliance.engines.build import command_for
from appliance.engines.native.archive import digest_file
from appliance.engines.native.backends import backend
from appliance.engines.native.builds import key_of
from appliance.engines.native.making import archive_of, build
from appliance.engines.native.toolchain import find_toolchain

KEPT = platformdirs.user_cache_path("appliance-tests")


def bring(archive: Path, there: Path) -> None:
    there.parent.mkdir(parents=True, exist_ok=True)
    if archive.exists():
        shutil.copy(archive, there)
        shutil.copy(digest_file(archive), digest_file(there))


@pytest.mark.slow
def test_llamacpp_is_built_here_and_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path / "home"))
    archive = archive_of("cpu", key_of([]))
    kept, model = KEPT / archive.name, self_test_model()
    if model is None or not (kept.exists() or os.environ.get("APPLIANCE_TEST_BUILD")):
        pytest.skip("no build is kept here; APPLIANCE_TEST_BUILD=1 makes one in about ten minutes")
    bring(kept, archive)
    if not kept.exists():
        _need_a_compiler()
    made = build("cpu", model=model)
    bring(archive, kept)

    assert made.in_use
    request = request_for(model, free_port(), recipe="llama.cpp-native-cpu", kv_type="q8_0")
    engine = RealEngine(command_for(request), tmp_path / "log")
    try:
        engine.wait_until_well()
        answer = engine.chat("What is the capital city of France? Answer with one word.")
        assert "Paris" in answer["choices"][0]["message"]["content"]
        assert [slot["n_ctx"] for slot in engine.get("/slots").json()] == [1024, 1024]
    finally:
        engine.process.kill()
        engine.process.wait()


def _need_a_compiler() -> None:
    try:
        find_toolchain(backend("cpu"))
    except ApplianceError as error:
        pytest.skip(str(error))
