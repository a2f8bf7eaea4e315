"""Fixtures of every test. This directory is on the import path: `from hub import LoopbackHub`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import LoopbackHub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A hub over `tmp_path/hub`, and the environment that leads both protocols to it."""
    root = tmp_path / "hub"
    root.mkdir()
    with LoopbackHub(root) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.hf_endpoint)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", running.ms_endpoint)
        for name in ("HF_TOKEN", "MODELSCOPE_API_TOKEN", "HTTP_PROXY", "http_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield running
