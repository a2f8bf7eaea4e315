"""The store: what is in it, what goes, what stays."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hub import LoopbackHub
from shelf import CHUNK, MIB, Shelf, old_chunk_record, some_bytes

from appliance.core.errors import DoesNotFit, Interrupted, UsageError, VerificationFailed
from appliance.core.progress import Cancel
from appliance.core.pull import Progress
from appliance.weights.partial import JournalHeader, Partial
from appliance.weights.pull import WantedFile
from appliance.weights.store import Store

DATA = some_bytes(2 * CHUNK + 5)
NAME = "model.safetensors"
MODEL = "hf:deepseek-ai/tiny"


@pytest.fixture
def shelf(hub: LoopbackHub, tmp_path: Path) -> Shelf:
    shelf = Shelf(hub, tmp_path)
    shelf.add(NAME, DATA)
    shelf.pull()
    return shelf


def spoil(shelf: Shelf, at: int, data: bytes = b"\0\0\0\0") -> None:
    stored = shelf.store.find(MODEL)
    assert stored is not None
    path = Path(stored.directory, NAME)
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(data)


def test_models_are_listed_and_found(shelf: Shelf) -> None:
    assert [model.id for model in shelf.store.models()] == [MODEL]
    stored = shelf.store.find(MODEL)
    assert stored is not None
    assert stored.bytes == len(DATA)
    assert stored.entry == Path(stored.directory)
    assert shelf.store.find("hf:deepseek-ai/other") is None


def test_an_empty_store_has_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "nowhere")
    assert store.models() == []
    assert store.find(MODEL) is None
    assert store.used_bytes() == 0
    assert store.free_bytes() >= 0
    assert not (tmp_path / "nowhere").exists()


def test_the_store_can_be_moved(shelf: Shelf, tmp_path: Path) -> None:
    shelf.store.root.rename(tmp_path / "moved")
    stored = Store(tmp_path / "moved").find(MODEL)
    assert stored is not None
    assert Path(stored.files[0].path).read_bytes() == DATA


def test_blobs_cannot_be_written_by_accident(shelf: Shelf) -> None:
    stored = shelf.store.find(MODEL)
    assert stored is not None
    assert Path(stored.files[0].path).stat().st_mode & 0o222 == 0


def test_removing_a_model_frees_what_only_it_has(shelf: Shelf) -> None:
    shelf.pull("ms:deepseek-ai/tiny")
    assert shelf.store.remove(MODEL).bytes == 0
    assert shelf.store.remove("ms:deepseek-ai/tiny").bytes == len(DATA)
    assert shelf.store.models() == []
    left = [path.name for path in shelf.store.root.rglob("*") if path.is_file()]
    assert left == [".lock"]


def test_a_model_in_use_is_not_removed(shelf: Shelf) -> None:
    with pytest.raises(UsageError, match="being served"):
        shelf.store.remove(MODEL, in_use={MODEL})
    with pytest.raises(UsageError, match="no model"):
        shelf.store.remove("hf:deepseek-ai/other")
    assert shelf.store.find(MODEL) is not None


def test_a_manifest_that_is_spoiled_hides_the_model_and_a_pull_brings_it_back(shelf: Shelf) -> None:
    path = shelf.store.model_directory(MODEL) / "manifest.json"
    path.write_text(path.read_text()[:50])
    assert shelf.store.models() == []
    assert shelf.pull().bytes_fetched == 0
    assert [model.id for model in shelf.store.models()] == [MODEL]


def test_gc_removes_orphans_and_leaves_everything_else(shelf: Shelf) -> None:
    blobs = shelf.store.blobs()
    orphan = blobs / f"sha256-{'0' * 64}"
    orphan.write_bytes(b"x" * 1000)
    left = Partial.open(
        shelf.store.partial("left"), JournalHeader(size=1, name="a", model="b"), Cancel()
    )
    left.close()
    busy = Partial.open(
        shelf.store.partial("busy"), JournalHeader(size=1, name="a", model="b"), Cancel()
    )
    dead = shelf.store.workspace().with_name(f"{_dead_pid()}-0")
    dead.mkdir()

    assert shelf.store.gc().removed == [dead.name]
    freed = shelf.store.gc(stale_s=-1)

    assert sorted(freed.removed) == ["left.journal", "left.partial", orphan.name]
    assert busy.path.exists()
    busy.close()
    shelf.store.verify(MODEL)
    assert shelf.pull().bytes_fetched == 0


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_blob_a_pull_just_named_survives_the_removal_of_its_model(shelf: Shelf) -> None:
    stored = shelf.store.find(MODEL)
    assert stored is not None
    shelf.store.link("other:q4", NAME, stored.files[0].sha256)
    shelf.store.remove(MODEL)
    assert (shelf.store.incoming("other:q4") / NAME).read_bytes() == DATA
    assert shelf.store.has_blob(stored.files[0].sha256, len(DATA))


def test_verify_reads_everything_and_tells_how_far_it_is(shelf: Shelf) -> None:
    shown: list[Progress] = []
    done = shelf.store.verify(MODEL, on_progress=shown.append)
    assert (done.files, done.bytes, done.quick) == (1, len(DATA), False)
    assert shown[-1].phase == "verify"
    assert shown[-1].total == len(DATA)


def test_verify_names_the_range_of_one_bad_byte(shelf: Shelf) -> None:
    spoil(shelf, CHUNK + 5, b"\0")
    with pytest.raises(VerificationFailed) as caught:
        shelf.store.verify(MODEL)
    assert caught.value.code == "STORE-CORRUPT"
    assert f"{NAME}: bytes {CHUNK}-{2 * CHUNK - 1}" in str(caught.value)


def forget_chunks(shelf: Shelf) -> None:
    for path in (shelf.store.root / "chunks").iterdir():
        path.unlink()


def test_verify_without_chunk_digests_still_hashes_the_file(shelf: Shelf) -> None:
    forget_chunks(shelf)
    spoil(shelf, 300)
    with pytest.raises(VerificationFailed, match="SHA-256 is"):
        shelf.store.verify(MODEL)
    assert shelf.pull().bytes_fetched == len(DATA)
    shelf.store.verify(MODEL)


@pytest.mark.parametrize("is_old", [True, False])
def test_verify_puts_chunk_digests_on_record_where_there_are_none(
    shelf: Shelf, is_old: bool
) -> None:
    forget_chunks(shelf)
    stored = shelf.store.find(MODEL)
    assert stored is not None
    if is_old:
        record = shelf.store.root / "chunks" / f"sha256-{stored.files[0].sha256}"
        record.write_bytes(old_chunk_record(DATA))
    shelf.store.verify(MODEL)
    spoil(shelf, CHUNK + 5, b"\0")
    with pytest.raises(VerificationFailed, match=f"{NAME}: bytes {CHUNK}-{2 * CHUNK - 1}"):
        shelf.store.verify(MODEL)
    assert shelf.pull().bytes_fetched == CHUNK


def cut(path: Path) -> None:
    os.truncate(path, CHUNK + 100)


def lengthen(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"what another program wrote")


def change_a_byte(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(CHUNK + 5)
        stream.write(b"\0")


def exchange_for_a_changed_one(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    change_a_byte(copy)
    copy.replace(path)


@pytest.mark.parametrize(
    ("harm", "missing"),
    [
        (cut, len(DATA) - CHUNK),
        (lengthen, 0),
        (change_a_byte, CHUNK),
        (exchange_for_a_changed_one, CHUNK),
    ],
)
def test_of_a_stored_file_only_what_is_wrong_is_fetched_again(
    shelf: Shelf, harm: Callable[[Path], None], missing: int
) -> None:
    """Nobody asked for a `verify` before."""
    stored = shelf.store.find(MODEL)
    assert stored is not None
    blob = shelf.store.blob(stored.files[0].sha256)
    blob.chmod(0o644)
    harm(blob)

    pulled = shelf.pull()

    assert pulled.bytes_fetched == missing
    assert shelf.content(pulled, NAME) == DATA
    shelf.store.verify(MODEL)
    assert shelf.leftovers() == []


@pytest.mark.parametrize("harm", [change_a_byte, exchange_for_a_changed_one])
def test_a_pinned_model_that_was_changed_in_place_is_not_taken_for_whole(
    shelf: Shelf, harm: Callable[[Path], None]
) -> None:
    pinned = [WantedFile(NAME, len(DATA), hashlib.sha256(DATA).hexdigest())]
    pulled = shelf.pull(files=pinned)
    assert shelf.pull(files=pinned).bytes_fetched == 0
    blob = shelf.store.blob(pulled.files[0].sha256)
    blob.chmod(0o644)
    harm(blob)

    again = shelf.pull(files=pinned)

    assert again.bytes_fetched == CHUNK
    assert shelf.content(again, NAME) == DATA


@pytest.mark.parametrize("is_link", [True, False])
def test_a_name_that_leads_elsewhere_is_said_and_put_right_without_a_byte(
    shelf: Shelf, tmp_path: Path, is_link: bool
) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(some_bytes(len(DATA), seed=8))
    stored = shelf.store.find(MODEL)
    assert stored is not None
    name = Path(stored.files[0].path)
    name.unlink()
    name.symlink_to(other) if is_link else os.link(other, name)
    assert not shelf.store.is_whole(stored)
    with pytest.raises(VerificationFailed, match="another file was put in its place"):
        shelf.store.verify(MODEL, quick=True)

    pulled = shelf.pull()

    assert pulled.bytes_fetched == 0
    assert shelf.content(pulled, NAME) == DATA
    assert other.read_bytes() == some_bytes(len(DATA), seed=8)


def test_a_blob_that_became_a_link_is_replaced_and_not_followed(
    shelf: Shelf, tmp_path: Path
) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(DATA[:-1])
    stored = shelf.store.find(MODEL)
    assert stored is not None
    blob = shelf.store.blob(stored.files[0].sha256)
    blob.unlink()
    blob.symlink_to(other)

    assert shelf.content(shelf.pull(), NAME) == DATA

    assert not blob.is_symlink()
    assert other.read_bytes() == DATA[:-1]


def test_a_file_that_others_have_too_is_mended_in_a_copy(hub: LoopbackHub, tmp_path: Path) -> None:
    """It was taken over as a link; what its owner wrote into it since is not ours to undo."""
    shelf = Shelf(hub, tmp_path)
    own = tmp_path / "own" / NAME
    own.parent.mkdir()
    own.write_bytes(DATA)
    sums = f"{hashlib.sha256(DATA).hexdigest()}  {NAME}\n"
    (own.parent / "SHA256SUMS").write_text(sums)
    reference = f"file:{own.parent}"
    shelf.pull(reference)
    if own.stat().st_nlink == 1:
        pytest.skip("this file system clones")
    change_a_byte(own)
    owned = own.read_bytes()
    shelf.add(NAME, DATA)

    pulled = shelf.pull()

    assert pulled.bytes_fetched == CHUNK
    assert shelf.content(pulled, NAME) == DATA
    assert own.read_bytes() == owned


def test_quick_verify_hashes_a_file_that_was_written_where_there_are_no_chunk_digests(
    shelf: Shelf,
) -> None:
    forget_chunks(shelf)
    assert shelf.store.verify(MODEL, quick=True).bytes == 0
    spoil(shelf, 300)
    with pytest.raises(VerificationFailed, match="SHA-256 is"):
        shelf.store.verify(MODEL, quick=True)


@pytest.mark.parametrize("errno_", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_hard_links_gets_others(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errno_: int
) -> None:
    shelf = Shelf(hub, tmp_path)
    shelf.add(NAME, DATA)
    monkeypatch.setattr(os, "link", refuses(errno_))
    assert shelf.content(shelf.pull(), NAME) == DATA
    shelf.store.verify(MODEL)
    assert shelf.store.remove(MODEL).bytes == len(DATA)


def test_a_file_system_without_links_is_refused_before_the_first_byte(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(hub, tmp_path)
    shelf.add(NAME, DATA)
    monkeypatch.setattr(os, "link", refuses(errno.EPERM))
    monkeypatch.setattr(os, "symlink", refuses(errno.EPERM))
    with pytest.raises(UsageError, match="no links") as caught:
        shelf.pull()
    assert caught.value.code == "NO-LINKS"
    assert hub.bytes_sent == 0


def test_a_file_system_without_modes_will_do(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(hub, tmp_path)
    shelf.add(NAME, DATA)
    monkeypatch.setattr(os, "fchmod", refuses(errno.EPERM))
    monkeypatch.setattr(os, "chmod", refuses(errno.EPERM))
    assert shelf.content(shelf.pull(), NAME) == DATA


def refuses(number: int) -> Callable[..., NoReturn]:
    """What a file system that knows no such thing says."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return refuse


def test_quick_verify_sees_size_and_absence(shelf: Shelf) -> None:
    shelf.store.verify(MODEL, quick=True)
    stored = shelf.store.find(MODEL)
    assert stored is not None
    path = Path(stored.files[0].path)
    path.chmod(0o644)
    os.truncate(path, 100)
    with pytest.raises(VerificationFailed, match="has 100 bytes"):
        shelf.store.verify(MODEL, quick=True)
    path.unlink()
    with pytest.raises(VerificationFailed, match="not there"):
        shelf.store.verify(MODEL, quick=True)
    assert shelf.content(shelf.pull(), NAME) == DATA
    shelf.store.verify(MODEL)


def test_quick_verify_reads_samples_of_a_large_file(shelf: Shelf) -> None:
    shelf.add("big.safetensors", some_bytes(40 * CHUNK, seed=4), repo="deepseek-ai/big")
    shelf.pull("hf:deepseek-ai/big")
    assert shelf.store.verify("hf:deepseek-ai/big", quick=True).bytes <= 18 * CHUNK


def test_quick_verify_reads_all_of_a_file_that_was_written_meanwhile(shelf: Shelf) -> None:
    """One bad chunk of forty, of which a sample would miss most."""
    shelf.add("big.safetensors", some_bytes(40 * CHUNK, seed=4), repo="deepseek-ai/big")
    path = Path(shelf.pull("hf:deepseek-ai/big").files[0].path)
    before = path.stat()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert shelf.store.verify("hf:deepseek-ai/big", quick=True).bytes == 40 * CHUNK
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(17 * CHUNK)
        stream.write(bytes(9))
    with pytest.raises(VerificationFailed, match=f"bytes {17 * CHUNK}-{18 * CHUNK - 1}"):
        shelf.store.verify("hf:deepseek-ai/big", quick=True)


def test_verify_can_be_cancelled(shelf: Shelf) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Interrupted):
        shelf.store.verify(MODEL, cancel=cancel)
    assert shelf.pull().bytes_fetched == 0


def test_verify_of_what_is_not_stored(shelf: Shelf) -> None:
    with pytest.raises(UsageError):
        shelf.store.verify("hf:deepseek-ai/other")


def test_the_floor_is_not_counted_as_free(tmp_path: Path) -> None:
    free = Store(tmp_path, floor_bytes=0).free_bytes()
    assert free - MIB * 2 < Store(tmp_path, floor_bytes=MIB).free_bytes() < free
    with pytest.raises(DoesNotFit):
        Store(tmp_path, floor_bytes=1 << 60).require_space(1)


def test_a_newer_revision_replaces_the_files_of_the_older(shelf: Shelf) -> None:
    newer = some_bytes(CHUNK, seed=99)
    (shelf.hub.root / "deepseek-ai/tiny" / NAME).unlink()
    shelf.add("renamed.safetensors", newer)
    pulled = shelf.pull()
    assert [Path(file.path).name for file in pulled.files] == ["renamed.safetensors"]
    names = {path.name for path in shelf.store.model_directory(MODEL).iterdir()}
    assert names == {"renamed.safetensors", "manifest.json"}
    shelf.store.gc(stale_s=-1)
    assert shelf.store.used_bytes() < CHUNK + MIB


def test_a_stored_model_is_enough_when_no_hub_answers(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    assert shelf.pull().bytes_fetched == 0
    assert time.monotonic() - began < 5
