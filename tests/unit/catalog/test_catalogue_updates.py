"""Updates of the catalogue: nothing unsigned, unknown, broken or older is ever used."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.catalog.models import installed_file, load_catalogue, release_file
from appliance.catalog.updates import MOST_BYTES, in_use, read_signed, sign
from appliance.cli import main
from appliance.core.errors import VerificationFailed
from appliance.core.paths import Paths, find_paths
from appliance.core.signature import SiteKey, TrustedKey, key_text, site_key, trust
from appliance.ops.catalogue import update_catalogue

NEWER = "2099-01-01"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path / "here"))
    return find_paths()


@pytest.fixture
def maker(tmp_path: Path) -> SiteKey:
    """The key of another site, where catalogues are made."""
    root = tmp_path / "maker"
    names = ("config", "data", "state", "cache", "logs")
    return site_key(Paths(**{name: root / name for name in names}))


def catalogue(date: str = NEWER) -> bytes:
    own = load_catalogue(release_file()).updated
    return (
        release_file()
        .read_bytes()
        .replace(f'updated = "{own}"'.encode(), f'updated = "{date}"'.encode())
    )


def signed(path: Path, maker: SiteKey, date: str = NEWER) -> str:
    path.write_bytes(sign(catalogue(date), maker))
    return str(path)


def run(*words: str) -> int:
    return main.run(["--lang", "en", *words])


def test_a_signed_update_is_used_and_said(
    tmp_path: Path, maker: SiteKey, capsys: pytest.CaptureFixture[str]
) -> None:
    file = signed(tmp_path / "new.toml", maker)
    assert run("models", "update", "--from", file, "--key", key_text(maker.public)) == 0
    assert f"{NEWER}, an update signed by {maker.site}" in capsys.readouterr().out
    assert load_catalogue().updated == NEWER
    assert run("models", "update", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["origin"] == "update"
    assert document["key"] == key_text(maker.public)


def test_a_known_site_needs_no_key(tmp_path: Path, maker: SiteKey, home: Paths) -> None:
    trust(home, TrustedKey(site=maker.site, public=maker.public))
    update_catalogue(signed(tmp_path / "new.toml", maker), home)
    assert load_catalogue().updated == NEWER


def test_a_stranger_is_refused(
    tmp_path: Path, maker: SiteKey, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("models", "update", "--from", signed(tmp_path / "new.toml", maker)) == 7
    assert key_text(maker.public) in capsys.readouterr().err
    assert not installed_file(home).exists()


@pytest.mark.parametrize("change", [b"capability = 9", b"# one more line\nid"])
def test_a_changed_file_is_refused(
    tmp_path: Path, maker: SiteKey, home: Paths, change: bytes
) -> None:
    path = tmp_path / "new.toml"
    signed(path, maker)
    path.write_bytes(path.read_bytes().replace(b"capability = 2", change, 1))
    with pytest.raises(VerificationFailed) as refused:
        update_catalogue(str(path), home, key_text(maker.public))
    assert refused.value.code == "BAD-SIGNATURE"
    assert in_use(home).origin == "release"


def test_without_a_signature_it_is_refused(tmp_path: Path, home: Paths) -> None:
    path = tmp_path / "plain.toml"
    path.write_bytes(catalogue())
    with pytest.raises(VerificationFailed) as refused:
        update_catalogue(str(path), home)
    assert refused.value.code == "NOT-SIGNED"


def test_an_older_one_is_refused(tmp_path: Path, maker: SiteKey) -> None:
    file = signed(tmp_path / "old.toml", maker, "2020-01-01")
    assert run("models", "update", "--from", file, "--key", key_text(maker.public)) == 2
    assert load_catalogue().updated > "2020-01-01"


def test_a_rollback_goes_back_one_step(tmp_path: Path, maker: SiteKey, home: Paths) -> None:
    before = load_catalogue().updated
    key = key_text(maker.public)
    update_catalogue(signed(tmp_path / "a.toml", maker, "2098-01-01"), home, key)
    update_catalogue(signed(tmp_path / "b.toml", maker, NEWER), home, key)
    assert in_use(home).previous == "2098-01-01"
    assert run("models", "update", "--rollback") == 0
    assert load_catalogue().updated == "2098-01-01"
    assert run("models", "update", "--rollback") == 2
    assert before < load_catalogue().updated


def test_a_rollback_of_the_first_update_is_the_release(
    tmp_path: Path, maker: SiteKey, home: Paths
) -> None:
    release = load_catalogue(release_file())
    update_catalogue(signed(tmp_path / "a.toml", maker), home, key_text(maker.public))
    assert run("models", "update", "--rollback") == 0
    assert load_catalogue().updated == release.updated
    assert in_use(home).origin == "release"


def test_a_damaged_update_is_passed_over(tmp_path: Path, maker: SiteKey, home: Paths) -> None:
    update_catalogue(signed(tmp_path / "a.toml", maker), home, key_text(maker.public))
    installed_file(home).write_bytes(b"version = ")
    assert load_catalogue().updated == load_catalogue(release_file()).updated
    assert in_use(home).origin == "release"


def test_content_that_is_no_catalogue_is_never_signed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.toml"
    path.write_text("version = 1\n")
    assert run("models", "update", "--sign", str(path)) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_signing_prints_the_key_that_checks_it(
    tmp_path: Path, home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(catalogue())
    assert run("models", "update", "--sign", str(path)) == 0
    assert key_text(site_key(home).public) in capsys.readouterr().out
    assert run("models", "update", "--sign", str(path)) == 0
    assert path.read_bytes().count(b"# signed ") == 1
    assert run("models", "update", "--from", str(path)) == 0


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    with path.open("wb") as stream:
        stream.truncate(MOST_BYTES * 1000)
    assert run("models", "update", "--from", str(path)) == 2


@pytest.mark.parametrize("key", ["short", "A" * 43, "/etc/hostname"])
def test_a_key_that_is_none_is_a_usage_error(tmp_path: Path, maker: SiteKey, key: str) -> None:
    file = signed(tmp_path / "new.toml", maker)
    assert run("models", "update", "--from", file, "--key", key) == 2


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_get_past_the_signature(raw: bytes) -> None:
    with pytest.raises(VerificationFailed):
        read_signed(raw)


@pytest.fixture
def server(tmp_path: Path, maker: SiteKey) -> Iterator[str]:
    content = Path(signed(tmp_path / "served.toml", maker)).read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/models.toml" else 404)
            self.end_headers()
            if self.path == "/models.toml":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    listener = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}"
    listener.shutdown()
    thread.join()
    listener.server_close()


def test_an_update_comes_over_the_net(server: str, maker: SiteKey) -> None:
    key = key_text(maker.public)
    assert run("models", "update", "--from", f"{server}/models.toml", "--key", key) == 0
    assert load_catalogue().updated == NEWER


def test_an_address_without_a_catalogue_is_out_of_reach(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("models", "update", "--from", f"{server}/other") == 3
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run("models", "update", "--from", f"http://127.0.0.1:{port}/models.toml") == 3
    assert "error:" in capsys.readouterr().err
