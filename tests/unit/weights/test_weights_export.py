"""Out to a disk and in again; files and caches of this server taken over without a copy."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import msgspec
import psutil
import pytest
from hub import LoopbackHub
from shelf import (
    CHUNK,
    IMPATIENT,
    MIB,
    NO_CATALOGUE,
    Shelf,
    old_chunk_record,
    small_gguf,
    some_bytes,
)

from appliance.catalog.models import load_catalogue
from appliance.core.errors import (
    ApplianceError,
    DoesNotFit,
    Unreachable,
    UsageError,
    VerificationFailed,
)
from appliance.core.pull import Pull
from appliance.core.reference import FileReference
from appliance.weights import export
from appliance.weights.adopt import can_adopt
from appliance.weights.chunks import ChunkDigests, save_chunks
from appliance.weights.export import export_model, import_requests
from appliance.weights.manifest import ManifestFile, StoredFile
from appliance.weights.pull import pull, request_for
from appliance.weights.sources.caches import read_sums
from appliance.weights.store import Store

DATA = some_bytes(3 * CHUNK + 77, seed=9)
NAME = "model.safetensors"
MODEL = "hf:deepseek-ai/tiny"


@pytest.fixture
def shelf(hub: LoopbackHub, tmp_path: Path) -> Shelf:
    shelf = Shelf(hub, tmp_path)
    shelf.add(NAME, DATA)
    shelf.add("config.json", b"{}")
    shelf.pull()
    return shelf


def bring_in(store: Store, *directories: Path) -> Pull:
    (request,) = import_requests(directories)
    return pull(request, store, options=IMPATIENT)


def test_a_driver_that_refuses_to_write_on_is_full(shelf: Shelf, tmp_path: Path) -> None:
    """As fusefat does (EPERM); a sealed memory file says the same."""
    sealed = os.memfd_create("full", os.MFD_ALLOW_SEALING)
    fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    out = Path(export_model(shelf.store, MODEL, tmp_path / "disk").directory)
    (out / NAME).unlink()
    (out / NAME).symlink_to(f"/proc/self/fd/{sealed}")
    try:
        with pytest.raises(DoesNotFit) as caught:
            export_model(shelf.store, MODEL, tmp_path / "disk")
    finally:
        os.close(sealed)
    assert caught.value.code == "DISK-FULL"


def test_what_a_disk_has_beside_its_exports_may_be_locked(shelf: Shelf, tmp_path: Path) -> None:
    """As `lost+found` is, for whoever brings an ext4 disk and is not root."""
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("needs root to own what root without rights may not see")
    disk = tmp_path / "disk"
    export_model(shelf.store, MODEL, disk)
    (disk / "lost+found").mkdir(mode=0o700)
    os.chown(disk / "lost+found", 1000, 1000)
    code = "import sys; from pathlib import Path; from appliance.weights.export import exports_in"
    argv = [sys.executable, "-c", f"{code}; print(*exports_in(Path(sys.argv[1])))", str(disk)]
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]

    done = subprocess.run([*powerless, *argv], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == disk


@pytest.mark.parametrize("part_bytes", [None, CHUNK, MIB + 1])
def test_what_goes_out_comes_in_again_elsewhere(
    shelf: Shelf, tmp_path: Path, part_bytes: int | None
) -> None:
    out = export_model(shelf.store, MODEL, tmp_path / "usb", part_bytes=part_bytes)
    sums = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=out.directory, capture_output=True, text=True
    )
    assert sums.returncode == 0, sums.stdout
    if part_bytes:
        assert max(path.stat().st_size for path in Path(out.directory).iterdir()) <= part_bytes

    other = Store(tmp_path / "other", floor_bytes=0)
    pulled = bring_in(other, tmp_path / "usb")

    assert pulled.model == MODEL
    stored = other.find(MODEL)
    assert stored is not None
    assert Path(stored.directory, NAME).read_bytes() == DATA
    assert stored.reference == MODEL
    other.verify(MODEL)


def assert_it_is_the_disk(error: ApplianceError) -> None:
    """Nobody is sent to look at the network."""
    assert "dmesg" in str(error.hint)
    assert "network" not in str(error.hint)


def test_a_missing_part_of_a_medium_is_named(shelf: Shelf, tmp_path: Path) -> None:
    out = export_model(shelf.store, MODEL, tmp_path / "usb")
    Path(out.directory, NAME).unlink()
    with pytest.raises(ApplianceError) as caught:
        bring_in(Store(tmp_path / "other", floor_bytes=0), tmp_path / "usb")
    assert NAME in str(caught.value)
    assert_it_is_the_disk(caught.value)


def test_a_damaged_medium_is_named_with_file_and_range(shelf: Shelf, tmp_path: Path) -> None:
    out = export_model(shelf.store, MODEL, tmp_path / "usb")
    with Path(out.directory, NAME).open("r+b") as stream:
        stream.seek(CHUNK + 3)
        stream.write(b"\0\0\0\0")

    other = Store(tmp_path / "other", floor_bytes=0)
    with pytest.raises(VerificationFailed) as caught:
        bring_in(other, tmp_path / "usb")

    assert NAME in str(caught.value)
    assert f"bytes {CHUNK}-{2 * CHUNK - 1}" in str(caught.value)
    assert_it_is_the_disk(caught.value)
    assert other.models() == []


def test_what_one_copy_lacks_comes_from_the_next(shelf: Shelf, tmp_path: Path) -> None:
    first = export_model(shelf.store, MODEL, tmp_path / "usb1")
    export_model(shelf.store, MODEL, tmp_path / "usb2", part_bytes=MIB)
    path = Path(first.directory, NAME)
    with path.open("r+b") as stream:
        stream.seek(5)
        stream.write(b"\0\0\0\0")
        stream.truncate(2 * CHUNK)

    other = Store(tmp_path / "other", floor_bytes=0)
    pulled = bring_in(other, tmp_path / "usb1", tmp_path / "usb2")

    assert Path(pulled.files[-1].path).read_bytes() == DATA


def test_a_disk_that_is_unplugged_is_named_and_the_next_copy_helps(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Path(export_model(shelf.store, MODEL, tmp_path / "usb1").directory, NAME)
    export_model(shelf.store, MODEL, tmp_path / "usb2")
    before = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path == gone:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN), str(path))
        return before(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    other = Store(tmp_path / "other", floor_bytes=0)

    with pytest.raises(Unreachable, match=re.escape(str(gone))) as caught:
        bring_in(other, tmp_path / "usb1")
    assert caught.value.code == "BAD-MEDIUM"
    pulled = bring_in(other, tmp_path / "usb1", tmp_path / "usb2")
    assert Path(pulled.files[-1].path).read_bytes() == DATA


def chunk_record(directory: str) -> Path:
    return Path(directory, "chunks", f"sha256-{hashlib.sha256(DATA).hexdigest()}")


def spoil(path: Path, at: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(b"\0\0\0\0")


def test_an_export_of_an_older_version_is_taken_by_its_whole_hash(
    shelf: Shelf, tmp_path: Path
) -> None:
    out = export_model(shelf.store, MODEL, tmp_path / "usb")
    chunk_record(out.directory).write_bytes(old_chunk_record(DATA))
    pulled = bring_in(Store(tmp_path / "one", floor_bytes=0), tmp_path / "usb")
    assert Path(pulled.files[-1].path).read_bytes() == DATA

    spoil(Path(out.directory, NAME), CHUNK + 3)
    with pytest.raises(VerificationFailed) as caught:
        bring_in(Store(tmp_path / "other", floor_bytes=0), tmp_path / "usb")
    assert caught.value.code == "HASH-MISMATCH"


def test_chunk_digests_of_another_file_are_not_used(shelf: Shelf, tmp_path: Path) -> None:
    out = export_model(shelf.store, MODEL, tmp_path / "usb")
    save_chunks(chunk_record(out.directory), ChunkDigests(5, (bytes(32),)))
    pulled = bring_in(Store(tmp_path / "other", floor_bytes=0), tmp_path / "usb")
    assert Path(pulled.files[-1].path).read_bytes() == DATA


def files_below(directory: str) -> set[str]:
    found = [path for path in Path(directory).rglob("*") if path.is_file()]
    return {path.relative_to(directory).as_posix() for path in found}


@pytest.mark.parametrize("again", [None, CHUNK, 2 * CHUNK])
@pytest.mark.parametrize("before", [None, CHUNK])
def test_an_export_over_an_older_one_leaves_nothing_of_it(
    shelf: Shelf, tmp_path: Path, before: int | None, again: int | None
) -> None:
    export_model(shelf.store, MODEL, tmp_path / "usb", part_bytes=before)
    new = some_bytes(4 * CHUNK + 5, seed=10)
    shelf.add(NAME, new)
    (shelf.hub.root / "deepseek-ai/tiny/config.json").rename(
        shelf.hub.root / "deepseek-ai/tiny/params.json"
    )
    shelf.pull()
    out = export_model(shelf.store, MODEL, tmp_path / "usb", part_bytes=again)

    listed = read_sums(Path(out.directory, "SHA256SUMS"))
    assert files_below(out.directory) == {*listed, "SHA256SUMS"}
    pulled = bring_in(Store(tmp_path / "other", floor_bytes=0), tmp_path / "usb")
    assert {Path(f.path).name: f.bytes for f in pulled.files} == {NAME: len(new), "params.json": 2}


def test_an_export_over_one_that_was_cut_off_is_whole(shelf: Shelf, tmp_path: Path) -> None:
    out = export_model(shelf.store, MODEL, tmp_path / "usb")
    for name in ("manifest.json", "SHA256SUMS"):
        Path(out.directory, name).unlink()
    Path(out.directory, NAME).write_bytes(DATA[:CHUNK])
    export_model(shelf.store, MODEL, tmp_path / "usb", part_bytes=CHUNK)
    pulled = bring_in(Store(tmp_path / "other", floor_bytes=0), tmp_path / "usb")
    assert Path(pulled.files[-1].path).read_bytes() == DATA


def test_what_an_older_export_takes_is_room_for_the_new_one(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_model(shelf.store, MODEL, tmp_path / "usb", part_bytes=CHUNK)
    monkeypatch.setattr(export, "free_bytes", lambda _: 1000)
    export_model(shelf.store, MODEL, tmp_path / "usb")
    with pytest.raises(DoesNotFit):
        export_model(shelf.store, MODEL, tmp_path / "another")


def test_a_disk_that_does_not_say_how_large_it_is_is_tried(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as FAT32 behind FUSE, which says 0 of 0."""
    unknown = SimpleNamespace(total=0, used=0, free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: unknown)
    out = export_model(shelf.store, MODEL, tmp_path / "usb")
    assert Path(out.directory, NAME).read_bytes() == DATA


def test_an_export_that_is_refused_leaves_no_directory(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "usb").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=9, used=9, free=0))
    with pytest.raises(DoesNotFit):
        export_model(shelf.store, MODEL, tmp_path / "usb" / "of" / "ours")
    assert list((tmp_path / "usb").iterdir()) == []


def test_a_disk_that_holds_no_large_file_gets_parts(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as FAT32 behind a network, which says so only when it is full to its limit."""
    monkeypatch.setattr(export, "FAT32_PART_BYTES", CHUNK)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * CHUNK, limits[1]))
    try:
        out = export_model(shelf.store, MODEL, tmp_path / "usb")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not Path(out.directory, NAME).exists()
    pulled = bring_in(Store(tmp_path / "other", floor_bytes=0), tmp_path / "usb")
    assert Path(pulled.files[-1].path).read_bytes() == DATA


@pytest.mark.parametrize(
    ("alias", "name"), [(str.swapcase, "Config.json"), ("{}.".format, "config.v1./a.json")]
)
def test_names_that_a_disk_would_mix_up_are_refused_before_the_first_byte(
    shelf: Shelf, tmp_path: Path, alias: Callable[[str], str], name: str
) -> None:
    stored = shelf.store.find(MODEL)
    assert stored is not None
    config = next(file for file in stored.files if file.name == "config.json")
    files = [manifest_file(file) for file in stored.files]
    shelf.store.publish(
        MODEL, MODEL, "", [*files, msgspec.structs.replace(manifest_file(config), name=name)]
    )
    directory = tmp_path / "usb" / Path(stored.directory).name
    directory.mkdir(parents=True)
    directory.with_name(alias(directory.name)).symlink_to(directory)  # one for two names, as there

    with pytest.raises(UsageError, match=re.escape(name)) as caught:
        export_model(shelf.store, MODEL, tmp_path / "usb")
    assert caught.value.code == "BAD-NAME"
    assert files_below(str(directory)) == set()
    export_model(shelf.store, MODEL, tmp_path / "elsewhere")


def manifest_file(file: StoredFile) -> ManifestFile:
    return ManifestFile(
        name=file.name, bytes=file.bytes, sha256=file.sha256, source="test", trust="published"
    )


def test_two_half_copies_in_parts_make_a_whole(shelf: Shelf, tmp_path: Path) -> None:
    first = export_model(shelf.store, MODEL, tmp_path / "usb1", part_bytes=CHUNK)
    second = export_model(shelf.store, MODEL, tmp_path / "usb2", part_bytes=CHUNK)
    with Path(first.directory, f"{NAME}.part-0002").open("r+b") as cut:
        cut.truncate(1000)
    Path(first.directory, f"{NAME}.part-0003").unlink()
    Path(second.directory, f"{NAME}.part-0001").unlink()
    shutil.rmtree(Path(second.directory, "chunks"))

    pulled = bring_in(Store(tmp_path / "one", floor_bytes=0), tmp_path / "usb1", tmp_path / "usb2")
    assert Path(pulled.files[-1].path).read_bytes() == DATA

    other = Store(tmp_path / "other", floor_bytes=0)
    with pytest.raises(ApplianceError):
        bring_in(other, tmp_path / "usb1")
    pulled = bring_in(other, tmp_path / "usb2")
    assert pulled.bytes_reused >= CHUNK
    assert Path(pulled.files[-1].path).read_bytes() == DATA


def test_a_half_copied_medium_is_gone_on_with_from_another(shelf: Shelf, tmp_path: Path) -> None:
    first = export_model(shelf.store, MODEL, tmp_path / "usb1")
    export_model(shelf.store, MODEL, tmp_path / "usb2")
    Path(first.directory, NAME).write_bytes(DATA[: 2 * CHUNK + 5])
    other = Store(tmp_path / "other", floor_bytes=0)
    with pytest.raises(ApplianceError) as caught:
        bring_in(other, tmp_path / "usb1")
    assert caught.value.code == "BAD-MEDIUM"
    assert first.directory in str(caught.value)
    assert_it_is_the_disk(caught.value)

    pulled = bring_in(other, tmp_path / "usb2")

    assert pulled.bytes_reused >= 2 * CHUNK
    assert Path(pulled.files[-1].path).read_bytes() == DATA


def test_a_damaged_manifest_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    out = export_model(shelf.store, MODEL, tmp_path / "usb")
    manifest = Path(out.directory, "manifest.json")
    manifest.write_text(manifest.read_text().replace('"config.json"', '"../config.json"'))
    with pytest.raises(VerificationFailed, match="outside") as caught:
        import_requests([tmp_path / "usb"])
    assert out.directory in str(caught.value)
    assert caught.value.hint


def test_a_hash_in_a_manifest_that_is_none_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    out = export_model(shelf.store, MODEL, tmp_path / "usb")
    manifest = Path(out.directory, "manifest.json")
    manifest.write_text(re.sub(r'"[0-9a-f]{64}"', '"../../x"', manifest.read_text()))
    with pytest.raises(VerificationFailed, match=r"SHA-256 of config\.json"):
        import_requests([tmp_path / "usb"])


def test_other_files_do_not_pass_for_a_model_of_the_catalogue(shelf: Shelf, tmp_path: Path) -> None:
    out = export_model(shelf.store, MODEL, tmp_path / "usb")
    manifest = Path(out.directory, "manifest.json")
    pinned = "deepseek-r1-distill-qwen-7b:q4_k_m"
    manifest.write_text(manifest.read_text().replace(f'"{MODEL}"', f'"{pinned}"'))
    with pytest.raises(VerificationFailed, match=f"passes for {pinned}") as caught:
        import_requests([tmp_path / "usb"])
    assert caught.value.code == "NOT-AS-PINNED"


def test_who_vouches_for_a_file_is_still_known_after_a_journey(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.hub.faults.add("no-hash", where="api", path="config.json")
    shelf.add("config.json", b"{ }")
    shelf.pull()
    export_model(shelf.store, MODEL, tmp_path / "usb")
    pulled = bring_in(Store(tmp_path / "other", floor_bytes=0), tmp_path / "usb")
    trust = {Path(file.path).name: file.trust for file in pulled.files}
    assert trust == {"config.json": "first-use", NAME: "published"}


def test_a_device_stands_for_where_its_disk_is_mounted(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = SimpleNamespace(device=os.devnull, mountpoint=str(tmp_path / "usb"), fstype="ext4")
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [mounted])
    export = export_model(shelf.store, MODEL, Path(os.devnull))
    assert Path(export.directory).parent == tmp_path / "usb"


@pytest.mark.parametrize("mountpoint", [None, "/"])
def test_a_device_without_a_disk_of_its_own_is_not_written_to(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, mountpoint: str | None
) -> None:
    system = SimpleNamespace(device=os.devnull, mountpoint=mountpoint, fstype="ext4")
    there = [system] if mountpoint else []
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: there)
    with pytest.raises(UsageError, match=os.devnull) as caught:
        export_model(shelf.store, MODEL, Path(os.devnull))
    assert caught.value.code == "NOT-MOUNTED"


def test_a_directory_without_an_export(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no exported model"):
        import_requests([tmp_path])


def test_a_damaged_store_is_not_exported(shelf: Shelf, tmp_path: Path) -> None:
    stored = shelf.store.find(MODEL)
    assert stored is not None
    path = Path(stored.directory, NAME)
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.write(b"\0\0\0\0")
    with pytest.raises(VerificationFailed, match="damaged"):
        export_model(shelf.store, MODEL, tmp_path / "usb")
    assert not list((tmp_path / "usb").rglob("manifest.json"))


def test_a_file_of_this_server_is_adopted_without_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(small_gguf() + some_bytes(CHUNK))
    store = Store(tmp_path / "store", floor_bytes=0, quota_bytes=MIB)

    pulled = pull(request_for(FileReference(str(path)), NO_CATALOGUE), store)

    placed = Path(pulled.files[0].path)
    assert placed.read_bytes() == path.read_bytes()
    assert placed.stat().st_ino == path.stat().st_ino or placed.stat().st_nlink == 2
    assert path.stat().st_mode & 0o200
    linked = placed.stat().st_ino == path.stat().st_ino
    freed = store.remove(pulled.model)
    assert freed.bytes == (0 if linked else path.stat().st_size)
    assert list(store.blobs().iterdir()) == []
    assert path.exists()


def test_many_files_are_tried_for_adoption_at_once(tmp_path: Path) -> None:
    source = tmp_path / "part.gguf"
    source.write_bytes(small_gguf())
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: can_adopt(source, blobs), range(400)))
    assert len(set(answers)) == 1
    assert list(blobs.iterdir()) == []


def test_an_empty_file_is_no_model_of_the_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "empty.gguf"
    path.touch()
    request = request_for(FileReference(str(path)), load_catalogue())
    assert request.model == f"file:{path}"


def test_a_part_stands_for_its_whole_set_on_disk_too(tmp_path: Path) -> None:
    for number in (1, 2):
        path = tmp_path / f"big-0000{number}-of-00002.gguf"
        path.write_bytes(small_gguf() + bytes(number))
    store = Store(tmp_path / "store", floor_bytes=0)
    first = FileReference(str(tmp_path / "big-00001-of-00002.gguf"))
    assert len(pull(request_for(first, NO_CATALOGUE), store).files) == 2

    (tmp_path / "big-00002-of-00002.gguf").unlink()
    with pytest.raises(VerificationFailed, match="part 2 of 2"):
        pull(request_for(first, NO_CATALOGUE), Store(tmp_path / "store2", floor_bytes=0))


def test_the_hugging_face_cache_is_a_source_with_hashes(tmp_path: Path) -> None:
    cache = tmp_path / "models--deepseek-ai--tiny"
    blobs, snapshot = cache / "blobs", cache / "snapshots" / ("a" * 40)
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("a" * 40)
    sha256 = hashlib.sha256(DATA).hexdigest()
    (blobs / sha256).write_bytes(DATA)
    (blobs / ("b" * 40)).write_bytes(b"{}")
    (snapshot / NAME).symlink_to(f"../../blobs/{sha256}")
    (snapshot / "config.json").symlink_to(f"../../blobs/{'b' * 40}")
    store = Store(tmp_path / "store", floor_bytes=0)
    request = request_for(FileReference(str(cache)), NO_CATALOGUE)

    pulled = pull(request, store)
    assert {Path(f.path).name: f.trust for f in pulled.files} == {
        NAME: "published",
        "config.json": "first-use",
    }

    shutil.rmtree(store.root)
    (blobs / sha256).write_bytes(DATA[:-1] + b"\0")
    with pytest.raises(VerificationFailed, match=sha256):
        pull(request, store)
    assert store.models() == []


def test_an_ollama_model_is_a_source_with_its_hash(tmp_path: Path) -> None:
    gguf = small_gguf() + some_bytes(1000)
    sha256 = hashlib.sha256(gguf).hexdigest()
    tag = tmp_path / "models/manifests/registry.ollama.ai/library/deepseek-r1/7b"
    tag.parent.mkdir(parents=True)
    layers = [{"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{sha256}"}]
    tag.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    (tmp_path / "models/blobs").mkdir()
    (tmp_path / f"models/blobs/sha256-{sha256}").write_bytes(gguf)

    store = Store(tmp_path / "store", floor_bytes=0)
    pulled = pull(request_for(FileReference(str(tag)), NO_CATALOGUE), store)

    assert Path(pulled.files[0].path).name == "deepseek-r1-7b.gguf"
    assert Path(pulled.files[0].path).read_bytes() == gguf
    assert pulled.files[0].trust == "published"


def test_sums_beside_plain_files_are_held_against_them(tmp_path: Path) -> None:
    place = tmp_path / "usb"
    place.mkdir()
    (place / NAME).write_bytes(DATA)
    (place / "SHA256SUMS").write_text(f"{'0' * 64} *./{NAME}\n# signed by nobody\n")
    request = request_for(FileReference(str(place)), NO_CATALOGUE)
    with pytest.raises(VerificationFailed, match="0" * 64):
        pull(request, Store(tmp_path / "store", floor_bytes=0))


def test_a_known_file_on_a_disk_becomes_the_catalogues_model(tmp_path: Path) -> None:
    _, variant = load_catalogue().self_test
    path = tmp_path / variant.files[0].name
    with path.open("wb") as stream:
        stream.truncate(variant.files[0].bytes or 0)
    request = request_for(FileReference(str(path)), load_catalogue())
    assert request.model == variant.id
    assert request.files[0].sha256 == variant.files[0].sha256

    with pytest.raises(VerificationFailed, match=variant.files[0].sha256):
        pull(request, Store(tmp_path / "store", floor_bytes=0))
