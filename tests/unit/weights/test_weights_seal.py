"""Exports are signed, and whoever imports one is told by whom and what that is worth."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hub import LoopbackHub
from shelf import CHUNK, Shelf, some_bytes

from appliance.core.errors import VerificationFailed
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.core.pull import Progress
from appliance.core.signature import TrustedKey, key_text, site_key, trust, trusted_keys
from appliance.ops.store import pull_model
from appliance.tui.shelf import StoreShelf
from appliance.weights.export import export_model
from appliance.weights.seal import judge, read_seal

MODEL = "hf:deepseek-ai/tiny"
NAME = "model.safetensors"


def place(root: Path) -> Paths:
    """The directories of an appliance of its own."""
    names = ("config", "data", "state", "cache", "logs")
    return Paths(**{name: root / name for name in names})


@pytest.fixture
def there(tmp_path: Path) -> Paths:
    return place(tmp_path / "there")


@pytest.fixture
def here(tmp_path: Path) -> Paths:
    return place(tmp_path / "here")


@pytest.fixture
def export(hub: LoopbackHub, tmp_path: Path, there: Paths) -> Path:
    shelf = Shelf(hub, tmp_path)
    shelf.add(NAME, some_bytes(CHUNK + 5))
    shelf.pull()
    done = export_model(shelf.store, MODEL, tmp_path / "usb", key=site_key(there))
    assert done.key == key_text(site_key(there).public)
    return Path(done.directory)


def refused(export: Path, here: Paths, code: str, *, require: bool = False) -> str:
    with pytest.raises(VerificationFailed) as caught:
        judge(export, here, require=require)
    assert caught.value.code == code
    return f"{caught.value} {caught.value.hint}"


def test_everything_in_an_export_is_signed(export: Path) -> None:
    checked = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=export, capture_output=True, text=True
    )
    assert checked.returncode == 0
    listed = {line.partition(":")[0] for line in checked.stdout.splitlines()}
    files = {str(p.relative_to(export)) for p in export.rglob("*") if p.is_file()}
    assert files - listed == {"SHA256SUMS", "SIGNATURE"}


def test_the_signature_can_be_checked_without_this_program(export: Path, there: Paths) -> None:
    pem = there.config / "site-key.pem"
    public = export.parent / "public.pem"
    subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-out", public], check=True)
    argv = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin"]
    argv += ["-in", "SHA256SUMS", "-sigfile", "SIGNATURE"]
    done = subprocess.run(argv, cwd=export, capture_output=True, text=True)
    assert "Verified Successfully" in done.stdout, done.stderr


def test_an_unknown_site_is_taken_at_its_word_once_and_that_is_recorded(
    export: Path, here: Paths, there: Paths
) -> None:
    public = site_key(there).public
    first = judge(export, here, require=False)
    assert first.standing == "first-use"
    assert key_text(public) in str(first.text)
    (recorded,) = trusted_keys(here)
    assert recorded.public == public
    assert recorded.first_use is not None

    again = judge(export, here, require=True)
    assert again.standing == "known"
    assert recorded.first_use in str(again.text)


def test_a_site_an_operator_named_is_trusted(export: Path, here: Paths, there: Paths) -> None:
    trust(here, TrustedKey(site="annex", public=site_key(there).public))
    verdict = judge(export, here, require=True)
    assert verdict.standing == "trusted"
    assert "annex" in str(verdict.text)


def test_what_was_exported_here_is_our_own(export: Path, there: Paths) -> None:
    assert judge(export, there, require=True).standing == "trusted"
    assert trusted_keys(there) == []


def test_only_known_sites_where_a_signature_is_required(
    export: Path, here: Paths, there: Paths
) -> None:
    words = refused(export, here, "UNKNOWN-KEY", require=True)
    assert key_text(site_key(there).public) in words
    assert trusted_keys(here) == []


def test_a_known_site_with_another_key_is_refused(export: Path, here: Paths, there: Paths) -> None:
    trust(here, TrustedKey(site=site_key(there).site, public=bytes(32)))
    assert "trusted-keys" in refused(export, here, "KEY-CHANGED")


@pytest.mark.parametrize("name", ["manifest.json", "SITE-KEY", "SHA256SUMS", "SIGNATURE"])
def test_a_changed_file_is_not_what_was_signed(export: Path, here: Paths, name: str) -> None:
    raw = bytearray((export / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (export / name).write_bytes(raw)
    assert str(export) in refused(export, here, "BAD-SIGNATURE")
    assert trusted_keys(here) == []


def test_a_signature_of_somebody_else_does_not_fit(
    export: Path, here: Paths, tmp_path: Path
) -> None:
    sums = (export / "SHA256SUMS").read_bytes()
    (export / "SIGNATURE").write_bytes(site_key(place(tmp_path / "thief")).sign(sums))
    refused(export, here, "BAD-SIGNATURE")


@pytest.mark.parametrize("name", ["SITE-KEY", "SHA256SUMS", "SIGNATURE"])
def test_a_copy_without_its_signature_is_not_signed(export: Path, here: Paths, name: str) -> None:
    (export / name).unlink()
    assert read_seal(export) is None
    assert judge(export, here, require=False).standing == "unsigned"
    refused(export, here, "UNSIGNED", require=True)


def test_exporting_again_without_a_key_leaves_no_old_signature(
    export: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "store")
    shelf = Shelf(hub, tmp_path)
    shelf.pull()
    export_model(shelf.store, MODEL, tmp_path / "usb")
    assert read_seal(export) is None


def test_a_pull_of_an_export_looks_at_its_signature_too(export: Path, here: Paths) -> None:
    (export / "SIGNATURE").write_bytes(bytes(64))
    with pytest.raises(VerificationFailed) as caught:
        pull_model(f"file:{export}", here, lambda progress: None, Cancel())
    assert caught.value.code == "BAD-SIGNATURE"
    assert not here.models.exists()


def test_what_is_taken_from_a_disk_in_the_screens_is_signed_and_looked_at(
    export: Path, here: Paths, there: Paths, tmp_path: Path
) -> None:
    def quietly(progress: Progress) -> None:
        pass

    shelf = StoreShelf(here)
    assert "not seen before" in shelf.take(export, quietly, Cancel())
    shelf.export(MODEL, tmp_path / "out", quietly, Cancel())
    (again,) = (tmp_path / "out").iterdir()
    seal = read_seal(again)
    assert seal is not None
    assert seal.public == site_key(here).public
    (export / "SIGNATURE").write_bytes(bytes(64))
    with pytest.raises(VerificationFailed):
        shelf.take(export, quietly, Cancel())
