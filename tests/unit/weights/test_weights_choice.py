"""Several sources of one model: the fast one is used, a slow one is left, no byte is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from h2_front import H2Front
from hub import LoopbackHub
from shelf import CHUNK, IMPATIENT, MIB, Shelf, some_bytes
from test_weights_bad_days import self_signed

from appliance.weights.pull import pull

SIZE = 20 * CHUNK + 4321
DATA = some_bytes(SIZE, seed=3)
NAME = "model.safetensors"
BOTH = ("hf:deepseek-ai/tiny", "ms:deepseek-ai/tiny")
PATIENT = msgspec.structs.replace(IMPATIENT, stall_s=20.0, probe_s=20.0, trial_s=1.0)


@pytest.fixture
def shelf(hub: LoopbackHub, tmp_path: Path) -> Shelf:
    shelf = Shelf(hub, tmp_path)
    shelf.add(NAME, DATA)
    return shelf


@pytest.fixture
def other(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A second hub with the same files, which speaks the other protocol."""
    with LoopbackHub(shelf.hub.root) as other:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", other.ms_endpoint)
        yield other


def test_the_fastest_is_used_whoever_answered_first(shelf: Shelf, other: LoopbackHub) -> None:
    shelf.hub.bps, other.bps = 2 * MIB, 60 * MIB
    other.faults.add("stall-page", where="api", path="*", seconds=0.2, times=0)

    pulled = shelf.pull(*BOTH, options=PATIENT)

    assert shelf.content(pulled, NAME) == DATA
    assert pulled.bytes_fetched == SIZE
    assert other.bytes_sent > SIZE * 3 // 4
    assert shelf.hub.bytes_sent + other.bytes_sent <= SIZE + 2 * CHUNK  # what was in the sockets


def test_one_that_becomes_slow_is_left_mid_file(shelf: Shelf, other: LoopbackHub) -> None:
    shelf.hub.bps, other.bps = 40 * MIB, 20 * MIB

    def slower(_: object) -> None:
        if shelf.hub.bytes_sent > SIZE // 2:
            shelf.hub.bps = MIB / 2

    request = shelf.request(*BOTH)
    pulled = pull(request, shelf.store, on_progress=slower, options=PATIENT)

    assert shelf.content(pulled, NAME) == DATA
    assert pulled.bytes_fetched == SIZE
    assert other.bytes_sent >= SIZE // 4


def test_a_server_is_never_pressed_beyond_what_it_tolerates(shelf: Shelf) -> None:
    shelf.hub.tolerated = 2
    shelf.hub.bps = 40 * MIB

    pulled = shelf.pull(options=PATIENT)

    assert shelf.content(pulled, NAME) == DATA
    assert shelf.hub.refusals <= 6


def test_files_are_fetched_side_by_side_where_one_cannot_use_the_line(shelf: Shelf) -> None:
    names = [f"model-{number}-of-3.safetensors" for number in (1, 2, 3)]
    contents = [some_bytes(CHUNK + MIB, seed=number) for number in range(3)]
    for name, data in zip(names, contents, strict=True):
        shelf.add(name, data, repo="deepseek-ai/parts")
    shelf.hub.connection_bps = 8 * MIB

    pulled = shelf.pull("hf:deepseek-ai/parts", options=PATIENT)

    assert [shelf.content(pulled, name) for name in names] == contents
    assert shelf.hub.most_files_at_once > 1


def test_a_fault_in_one_file_ends_the_others_and_is_the_one_that_is_told(shelf: Shelf) -> None:
    shelf.add("model-2.safetensors", some_bytes(6 * CHUNK, seed=5))
    shelf.hub.connection_bps = 20 * MIB
    shelf.hub.faults.add("status", where="resolve", path="model-2.safetensors", status=404)
    with pytest.raises(Exception, match="has no model-2") as caught:
        shelf.pull(options=PATIENT)
    assert getattr(caught.value, "code", "") == "NOT-ON-HUB"
    assert shelf.store.models() == []


def test_digests_that_lie_do_not_cost_the_honest_source(
    shelf: Shelf, other: LoopbackHub, tmp_path: Path
) -> None:
    """An exported copy whose bytes and digests are wrong together, beside a hub that is right."""
    from appliance.weights.chunks import ChunkDigests, load_chunks, save_chunks
    from appliance.weights.export import export_model

    pulled = shelf.pull(BOTH[0])
    disk = tmp_path / "disk"
    disk.mkdir()
    exported = Path(export_model(shelf.store, pulled.model, disk).directory)
    record = exported / "chunks" / f"sha256-{pulled.files[0].sha256}"
    known = load_chunks(record)
    assert known is not None
    save_chunks(record, ChunkDigests(SIZE, (b"\1" * 32, *known.digests[1:])))
    shelf.store.remove(pulled.model)

    again = shelf.pull(BOTH[0], f"file:{exported}", options=PATIENT)

    assert shelf.content(again, NAME) == DATA


def test_documents_come_over_http2_and_files_over_connections_of_their_own(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        shelf.add(f"part-{number}/notes.json", b"{}")
    shelf.hub.page_size = 2
    certificate, key = self_signed(tmp_path)
    with H2Front(shelf.hub, certificate, key) as front:
        monkeypatch.setenv("HF_ENDPOINT", front.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        pulled = shelf.pull(options=PATIENT)
    assert shelf.content(pulled, NAME) == DATA
    assert front.connections["h2"] == 1
    assert len([path for path in front.paths if "/tree/" in path]) >= 1
    assert all(path.startswith("/api/") for path in front.paths)
    assert front.connections["http/1.1"] >= 1
