"""kill -9 at random moments, and power cuts that lose any page that was not flushed."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub import LoopbackHub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shelf import CHUNK, MIB, Shelf, some_bytes

from appliance.core.progress import Cancel
from appliance.weights.chunks import chunk_hash, chunk_range
from appliance.weights.partial import (
    JournalHeader,
    Partial,
    encode_header,
    encode_record,
    journal_of,
)

SIZE = 12 * CHUNK + 999
DATA = some_bytes(SIZE, seed=3)
NAME = "model.safetensors"
PULLER = Path(__file__).with_name("puller.py")
KILLS = 24
HEADER = JournalHeader(size=SIZE, name=NAME, model="hf:deepseek-ai/tiny")
RECORD_BYTES = len(encode_record(0, bytes(32)))


@pytest.fixture
def shelf(hub: LoopbackHub, tmp_path: Path) -> Shelf:
    shelf = Shelf(hub, tmp_path)
    shelf.add(NAME, DATA)
    shelf.add("config.json", b"{}")
    return shelf


def start(shelf: Shelf) -> subprocess.Popen[bytes]:
    argv = [sys.executable, str(PULLER), str(shelf.store.root), "hf:deepseek-ai/tiny"]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_at(process: subprocess.Popen[bytes], shelf: Shelf, sent: int) -> bool:
    """Kill the process when the hub has sent so many bytes; whether it was still running."""
    deadline = time.monotonic() + 60
    while shelf.hub.bytes_sent < sent and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    running = process.poll() is None
    process.kill()
    process.communicate()
    return running


def test_kills_at_random_points_cost_a_chunk_each_and_never_a_wrong_byte(shelf: Shelf) -> None:
    shelf.hub.bps = 120 * MIB
    chance = random.Random(11)
    kills = 0
    while kills < KILLS:
        shutil.rmtree(shelf.store.root, ignore_errors=True)
        shelf.hub.bytes_sent = 0
        killed = 0
        while kill_at(start(shelf), shelf, shelf.hub.bytes_sent + chance.randrange(SIZE // 3)):
            killed += 1
            for path in shelf.store.root.glob(f"models/*/{NAME}"):
                assert path.read_bytes() == DATA
        pulled = shelf.pull()
        kills += killed
        assert shelf.content(pulled, NAME) == DATA
        assert shelf.leftovers() == []
        assert shelf.hub.bytes_sent <= SIZE + killed * (4 * CHUNK + SIZE // 100) + 4 * MIB


def test_a_kill_at_any_moment_of_a_small_pull_leaves_it_whole_or_absent(shelf: Shelf) -> None:
    chance = random.Random(5)
    for _ in range(6):
        shutil.rmtree(shelf.store.root, ignore_errors=True)
        process = start(shelf)
        time.sleep(0.25 + chance.random() * 0.5)
        process.kill()
        process.communicate()
        for model in shelf.store.models():
            assert Path(model.directory, NAME).read_bytes() == DATA
        assert shelf.content(shelf.pull(), NAME) == DATA
        assert shelf.leftovers() == []


def test_the_next_pull_removes_a_record_that_a_killed_one_had_half_written(shelf: Shelf) -> None:
    sha256 = shelf.hub.sha256(shelf.hub.root / "deepseek-ai/tiny" / NAME)
    left = shelf.store.root / "chunks" / f".sha256-{sha256}.58e0e44d4b067df3.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"appliance.chu")

    shelf.pull()

    assert shelf.leftovers() == []


def test_the_next_pull_removes_the_journal_of_a_file_that_a_killed_one_had_placed(
    shelf: Shelf,
) -> None:
    left = journal_of(shelf.store.partial("sha256-placed"))
    left.write_bytes(encode_header(HEADER))

    shelf.pull()

    assert shelf.leftovers() == []


def test_a_journal_that_a_pull_works_on_is_left_to_it(shelf: Shelf) -> None:
    path = shelf.store.partial("sha256-elsewhere")
    working = Partial.open(path, HEADER, Cancel())
    path.unlink()  # as in the moment before it is made
    shelf.pull()
    assert journal_of(path).exists()
    working.close()


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_power_cut_that_loses_any_page_costs_only_these_chunks(
    shelf: Shelf, data: st.DataObject
) -> None:
    """The journal may be ahead of the bytes, torn anywhere, or behind: the result is right."""
    shutil.rmtree(shelf.store.root, ignore_errors=True)
    shelf.hub.bytes_sent = 0
    sha256 = shelf.hub.sha256(shelf.hub.root / "deepseek-ai/tiny" / NAME)
    path = shelf.store.partial(f"sha256-{sha256}")
    done = data.draw(st.sets(st.integers(0, 12), min_size=1))
    _partial_with(path, done)
    pages = data.draw(st.sets(st.integers(0, SIZE // 4096), max_size=6))
    with path.open("r+b") as stream:
        for page in pages:
            os.pwrite(stream.fileno(), b"\0" * min(4096, SIZE - page * 4096), page * 4096)
    journal = journal_of(path)
    kept = data.draw(st.integers(0, journal.stat().st_size))
    os.truncate(journal, kept)

    pulled = shelf.pull()

    assert shelf.content(pulled, NAME) == DATA
    assert shelf.leftovers() == []
    survived = sorted(done)[: max(0, kept - len(encode_header(HEADER))) // RECORD_BYTES]
    spoiled = {page * 4096 // CHUNK for page in pages}
    whole = sum(_length(index) for index in survived if index not in spoiled)
    assert pulled.bytes_fetched == SIZE + len(b"{}") - whole


def _partial_with(path: Path, done: set[int]) -> None:
    partial = Partial.open(path, HEADER, Cancel())
    for index in sorted(done):
        start_at, end = chunk_range(index, SIZE)
        partial.write(start_at, memoryview(DATA[start_at:end]))
        alone = chunk_hash()
        alone.update(DATA[start_at:end])
        partial.record(index, alone.digest())
    partial.close()


def _length(index: int) -> int:
    start_at, end = chunk_range(index, SIZE)
    return end - start_at
