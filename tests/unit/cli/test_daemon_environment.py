"""Settings of the network that the daemon, which fetches, does not have."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.cli import daemon
from appliance.cli.daemon import note_unheard
from appliance.cli.options import Settings


@pytest.fixture
def client() -> Any:
    """A client of this very process: what it was started with, the operating system keeps."""
    return SimpleNamespace(status=lambda: SimpleNamespace(daemon=SimpleNamespace(pid=os.getpid())))


def test_a_token_that_the_daemon_lacks_is_named_and_not_shown(
    client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "new-secret")
    note_unheard(client, Settings())
    said = capsys.readouterr().err
    assert "HF_TOKEN" in said
    assert f"kill {os.getpid()}" in said
    assert "new-secret" not in said


def test_nothing_is_said_of_what_is_not_set_here(
    client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (*daemon._NETWORK, *(name.lower() for name in daemon._NETWORK)):
        monkeypatch.delenv(name, raising=False)
    note_unheard(client, Settings())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY", "SSL_CERT_DIR"])
def test_every_spelling_of_the_network_is_named(
    client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(name, "http://user:secret@proxy:3128")
    note_unheard(client, Settings())
    said = capsys.readouterr().err
    assert name.upper() in said
    assert "secret" not in said
