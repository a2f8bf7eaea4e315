"""Pulling from both hubs, a disk and several sources, when all is well."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest
from hub import LoopbackHub
from shelf import (
    CHUNK,
    IMPATIENT,
    MIB,
    NO_CATALOGUE,
    Shelf,
    content_requests,
    small_gguf,
    some_bytes,
)

from appliance.catalog.models import load_catalogue
from appliance.core.errors import (
    DoesNotFit,
    Interrupted,
    Unreachable,
    UsageError,
    VerificationFailed,
)
from appliance.core.progress import Cancel
from appliance.core.reference import parse_reference
from appliance.weights.faults import SourceFault
from appliance.weights.names import files_in
from appliance.weights.pull import FetchOptions, WantedFile, request_for
from appliance.weights.sources.base import Listing, RemoteFile
from appliance.weights.store import Store


@pytest.fixture
def shelf(hub: LoopbackHub, tmp_path: Path) -> Shelf:
    return Shelf(hub, tmp_path)


@pytest.mark.parametrize("reference", ["hf:deepseek-ai/tiny", "ms:deepseek-ai/tiny"])
def test_a_repository_arrives_whole_and_nothing_else_of_it(shelf: Shelf, reference: str) -> None:
    tensors = some_bytes(2 * CHUNK + 12345)
    shelf.add("model.safetensors", tensors)
    shelf.add("config.json", b'{"model_type": "qwen2"}')
    shelf.add("tokenizer.json", b"{}")
    shelf.add("pytorch_model.bin", some_bytes(1000))
    shelf.add("figures/benchmark.jpg", some_bytes(1000))

    pulled = shelf.pull(reference)

    assert pulled.model == reference
    names = sorted(Path(file.path).name for file in pulled.files)
    assert names == ["config.json", "model.safetensors", "tokenizer.json"]
    assert shelf.content(pulled, "model.safetensors") == tensors
    assert pulled.bytes_fetched == len(tensors) + 25
    assert pulled.bytes_reused == 0
    assert shelf.leftovers() == []
    for file in pulled.files:
        assert hashlib.sha256(Path(file.path).read_bytes()).hexdigest() == file.sha256


def test_a_second_pull_fetches_nothing(shelf: Shelf) -> None:
    shelf.add("model.safetensors", some_bytes(CHUNK + 1))
    shelf.pull()
    sent = shelf.hub.bytes_sent

    again = shelf.pull()

    assert shelf.hub.bytes_sent == sent
    assert (again.bytes_fetched, again.bytes_reused) == (0, CHUNK + 1)


def test_the_same_content_is_stored_once(shelf: Shelf) -> None:
    shelf.add("model.safetensors", some_bytes(CHUNK + 1))
    first = shelf.pull("hf:deepseek-ai/tiny")
    second = shelf.pull("ms:deepseek-ai/tiny")

    assert second.bytes_fetched == 0
    inodes = {Path(pulled.files[0].path).stat().st_ino for pulled in (first, second)}
    assert len(inodes) == 1


def test_all_parts_of_a_split_model_are_one_model(shelf: Shelf) -> None:
    for number in (1, 2, 3):
        name = f"Q4_K_M/tiny-Q4_K_M-0000{number}-of-00003.gguf"
        shelf.add(name, small_gguf() + bytes(number))
        shelf.add(name.replace("Q4_K_M", "Q8_0"), small_gguf() + bytes(10 * number))

    pulled = shelf.pull("hf:deepseek-ai/tiny:*Q4_K_M-00001-of-00003.gguf")

    assert len(pulled.files) == 3
    stored = shelf.store.find(pulled.model)
    assert stored is not None
    assert stored.entry.name == "tiny-Q4_K_M-00001-of-00003.gguf"
    assert {Path(f.path).parent for f in pulled.files} == {stored.entry.parent}


def test_without_a_glob_one_quantization_is_taken(shelf: Shelf) -> None:
    for quant in ("Q2_K", "Q4_K_M", "Q8_0", "F16"):
        shelf.add(f"tiny-{quant}.gguf", small_gguf())

    pulled = shelf.pull()

    assert [Path(file.path).name for file in pulled.files] == ["tiny-Q4_K_M.gguf"]


def test_the_hub_is_asked_for_a_commit_and_given_no_token_beyond_itself(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    shelf.hub.token = "hf_secret"
    shelf.hub.gated.add("deepseek-ai/tiny")
    shelf.add("model.safetensors", some_bytes(CHUNK))

    shelf.pull()

    resolved = [r for r in shelf.hub.requests if "/resolve/" in r.path]
    assert resolved
    assert all("/resolve/main/" not in request.path for request in resolved)
    assert all(r.headers.get("Authorization") == "Bearer hf_secret" for r in resolved)
    assert content_requests(shelf.hub)
    assert not [r for r in content_requests(shelf.hub) if "Authorization" in r.headers]


@pytest.mark.parametrize("upstream", [None, "http://127.0.0.1:9"])
def test_a_large_listing_is_read_page_by_page(shelf: Shelf, upstream: str | None) -> None:
    """A mirror may name the next page as the hub behind it does."""
    shelf.hub.hf_endpoint = upstream or shelf.hub.hf_endpoint
    shelf.hub.page_size = 7
    for number in range(30):
        shelf.add(f"notes/{number:03}.md", b"x")
    shelf.add("zz.safetensors", some_bytes(1000))

    pulled = shelf.pull()

    assert [Path(file.path).name for file in pulled.files] == ["zz.safetensors"]


def test_a_listing_cut_by_modelscope_is_walked_folder_by_folder(shelf: Shelf) -> None:
    for number in range(3001):
        shelf.add(f"a/{number % 3}/{number:04}.md", b"x")
    shelf.add("z.safetensors", some_bytes(1000))

    patient = FetchOptions(stall_s=30, probe_s=20)  # the hub hashes all of them first
    pulled = shelf.pull("ms:deepseek-ai/tiny", options=patient)

    assert [Path(file.path).name for file in pulled.files] == ["z.safetensors"]


def test_a_folder_too_large_to_list_is_said_to_be_cut(shelf: Shelf) -> None:
    for number in range(3001):
        shelf.add(f"{number:04}.md", b"x")
    shelf.add("z.safetensors", some_bytes(1000))

    patient = FetchOptions(stall_s=30, probe_s=20)  # the hub hashes all of them first
    with pytest.raises(Exception, match="cut short"):
        shelf.pull("ms:deepseek-ai/tiny", files=[WantedFile("z.safetensors")], options=patient)
    for reference in ("ms:deepseek-ai/tiny", "ms:deepseek-ai/tiny:z*"):
        with pytest.raises(Unreachable, match="cut short"):
            shelf.pull(reference, options=patient)


def test_of_a_cut_listing_only_what_is_whole_by_its_name_is_taken() -> None:
    def chosen(*names: str, glob: str | None = None) -> list[str]:
        files = tuple(RemoteFile(name=name) for name in names)
        listing = Listing(revision="", files=files, complete=False)
        return [file.name for file in files_in(listing, glob, "ms:a/b")]

    assert chosen("a-Q4_K_M.gguf", "b.txt") == ["a-Q4_K_M.gguf"]
    for names, glob in ((["a.safetensors", "config.json"], None), (["b.txt"], None), ([], "*.x")):
        with pytest.raises(SourceFault, match="cut short"):
            chosen(*names, glob=glob)


def test_a_file_without_a_published_hash_is_marked(shelf: Shelf) -> None:
    shelf.hub.faults.add("no-hash", where="api")
    shelf.add("model.safetensors", some_bytes(CHUNK))

    pulled = shelf.pull()

    assert pulled.files[0].trust == "first-use"
    stored = shelf.store.find(pulled.model)
    assert stored is not None
    assert stored.files[0].trust == "first-use"

    again = shelf.pull()
    assert again.files == pulled.files
    assert again.bytes_fetched == 0


def test_a_pinned_hash_wins_over_the_listing(shelf: Shelf) -> None:
    data = some_bytes(CHUNK)
    shelf.add("model.safetensors", data)
    pinned = WantedFile("model.safetensors", len(data), hashlib.sha256(data).hexdigest())
    assert shelf.pull(files=[pinned]).files[0].trust == "pinned"

    other = WantedFile("model.safetensors", len(data), "0" * 64)
    with pytest.raises(VerificationFailed) as caught:
        shelf.pull(files=[other])
    assert "0" * 64 in str(caught.value)
    assert hashlib.sha256(data).hexdigest() in str(caught.value)


def test_a_directory_of_this_server_is_a_source(shelf: Shelf, tmp_path: Path) -> None:
    model = tmp_path / "usb" / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_bytes(b"{}")
    (model / "model.safetensors").write_bytes(some_bytes(CHUNK + 3))

    pulled = shelf.pull(f"file:{model}")

    assert sorted(Path(f.path).name for f in pulled.files) == ["config.json", "model.safetensors"]
    assert shelf.content(pulled, "model.safetensors") == some_bytes(CHUNK + 3)
    assert {file.trust for file in pulled.files} == {"first-use"}


def test_a_file_that_is_not_there_is_a_usage_error(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.gguf"):
        shelf.pull(f"file:{tmp_path}/nowhere.gguf")


def test_pickle_files_are_refused(shelf: Shelf) -> None:
    shelf.add("pytorch_model.bin", some_bytes(1000))
    with pytest.raises(VerificationFailed, match="pickle"):
        shelf.pull("hf:deepseek-ai/tiny:*.bin")


def test_a_gguf_with_a_hostile_header_is_never_placed(shelf: Shelf) -> None:
    shelf.add("evil.gguf", b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 64)
    with pytest.raises(VerificationFailed):
        shelf.pull("hf:deepseek-ai/tiny:evil.gguf")
    assert shelf.store.models() == []
    assert shelf.leftovers() == []


def test_progress_counts_up_to_the_total_and_ends_in_place(shelf: Shelf) -> None:
    shelf.hub.bps = 6 * MIB
    shelf.add("model.safetensors", some_bytes(3 * CHUNK))

    shelf.pull()

    fetching = [p for p in shelf.shown if p.phase == "fetch"]
    done = [p.done or 0 for p in fetching]
    assert done == sorted(done)
    assert all(progress.total == 3 * CHUNK for progress in fetching)
    assert shelf.shown[-1].phase == "place"
    assert shelf.shown[-1].done == 3 * CHUNK
    assert any(progress.bps for progress in fetching)


def test_a_cancel_is_obeyed_at_once_and_the_next_pull_goes_on(shelf: Shelf) -> None:
    shelf.hub.bps = 24 * MIB
    data = some_bytes(8 * CHUNK)
    shelf.add("model.safetensors", data)
    cancel = Cancel()

    def soon() -> None:
        while shelf.hub.bytes_sent < 6 * CHUNK:
            time.sleep(0.01)
        cancel.set()

    thread = threading.Thread(target=soon)
    thread.start()
    with pytest.raises(Interrupted):
        shelf.pull(cancel=cancel)
    thread.join()
    assert shelf.store.models() == []
    shelf.hub.bps = None

    pulled = shelf.pull()

    assert shelf.content(pulled, "model.safetensors") == data
    assert pulled.bytes_reused >= CHUNK
    assert shelf.leftovers() == []


def test_two_pulls_at_once_fetch_once(shelf: Shelf) -> None:
    shelf.hub.bps = 20 * MIB
    shelf.add("model.safetensors", some_bytes(2 * CHUNK))
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(shelf.pull().bytes_fetched))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [0, 2 * CHUNK]
    assert shelf.leftovers() == []


def test_many_small_files_come_side_by_side(shelf: Shelf) -> None:
    shelf.add("model.safetensors", some_bytes(CHUNK + 5))
    for number in range(12):
        shelf.add(f"tokenizer_{number}.json", b'{"n": %d}' % number)
    pulled = shelf.pull()
    assert len(pulled.files) == 13
    assert shelf.content(pulled, "tokenizer_7.json") == b'{"n": 7}'
    assert [Path(file.path).name for file in pulled.files] == sorted(
        Path(file.path).name for file in pulled.files
    )


def test_the_speed_can_be_limited(shelf: Shelf) -> None:
    shelf.add("model.safetensors", some_bytes(2 * MIB))
    options = FetchOptions(limit="4M")
    began = time.monotonic()
    shelf.pull(options=options)
    assert time.monotonic() - began >= 0.4


def test_a_catalogue_id_becomes_its_sources_and_hashes() -> None:
    request = request_for(parse_reference("deepseek-r1-distill-qwen-7b:q4_k_m"), load_catalogue())
    assert request.model == "deepseek-r1-distill-qwen-7b:q4_k_m"
    assert request.sources
    assert all(file.sha256 for file in request.files)


def test_the_ids_of_references_are_stable() -> None:
    for text in ("hf:ORG/Name", "ms:org/name@v1:*.gguf", "index:a==1:a/b.gguf"):
        assert request_for(parse_reference(text), NO_CATALOGUE).model == text


def test_the_quota_and_the_floor_are_respected(hub: LoopbackHub, tmp_path: Path) -> None:
    shelf = Shelf(hub, tmp_path)
    shelf.store = Store(tmp_path / "store", floor_bytes=0, quota_bytes=MIB)
    shelf.add("model.safetensors", some_bytes(2 * MIB))

    with pytest.raises(DoesNotFit, match=r"needs 2\.1 MB") as caught:
        shelf.pull(options=IMPATIENT)
    assert "of the 1.0 MB that models may take 1.0 MB are left" in str(caught.value)
    assert "quota_gib" in str(caught.value.hint)
    assert content_requests(hub) == []
    assert shelf.leftovers() == []


def test_the_quantization_asked_for_comes_although_a_neighbour_was_asked_too(shelf: Shelf) -> None:
    for quant in ("Q4_K_M", "Q8_0"):
        shelf.add(f"m-{quant}.gguf", small_gguf())

    pulled = shelf.pull("peer:127.0.0.1:9/hf:deepseek-ai/tiny", "hf:deepseek-ai/tiny:*Q8_0.gguf")

    assert [Path(file.path).name for file in pulled.files] == ["m-Q8_0.gguf"]


def test_a_repository_may_have_a_manifest_of_its_own(shelf: Shelf) -> None:
    shelf.add("model.safetensors", some_bytes(1000))
    shelf.add("manifest.json", b"{}")

    pulled = shelf.pull()

    assert [Path(file.path).name for file in pulled.files] == ["model.safetensors"]
    shelf.store.verify(pulled.model)


def test_safetensors_without_a_part_that_their_index_names_are_never_placed(shelf: Shelf) -> None:
    shelf.add("a.safetensors", some_bytes(2 * CHUNK))
    index = b'{"weight_map": {"v": "a.safetensors", "w": "b.safetensors"}}'
    shelf.add("model.safetensors.index.json", index)

    with pytest.raises(VerificationFailed, match=r"names b\.safetensors, which is not there"):
        shelf.pull()

    assert shelf.store.models() == []
    assert content_requests(shelf.hub) == []
