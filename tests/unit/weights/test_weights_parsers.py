"""What strangers write: journals, listings, names, headers. Nothing of it trips us."""

from __future__ import annotations

import datetime
import email.utils
import string
import time
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.errors import ApplianceError, UsageError, VerificationFailed
from appliance.weights.chunkmap import ChunkMap
from appliance.weights.chunks import (
    CHUNK_BYTES,
    ChunkDigests,
    byte_ranges,
    chunk_count,
    chunk_range,
)
from appliance.weights.faults import SourceFault
from appliance.weights.http import Answer
from appliance.weights.limit import Limit, parse_limit
from appliance.weights.meter import Meter
from appliance.weights.names import (
    directory_name,
    entry_name,
    is_safe_name,
    needed_files,
    split_set,
)
from appliance.weights.partial import JournalHeader, encode_header, encode_record, parse_journal
from appliance.weights.sources.base import RemoteFile
from appliance.weights.sources.caches import parse_sums
from appliance.weights.sources.huggingface import parse_tree
from appliance.weights.sources.modelscope import parse_files

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
HEADER = JournalHeader(size=10 * CHUNK_BYTES, name="a", model="b")


def journal_of(records: list[tuple[int, bytes]]) -> bytes:
    return encode_header(HEADER) + b"".join(encode_record(i, d) for i, d in records)


RECORDS = st.lists(st.tuples(st.integers(0, 9), st.binary(min_size=32, max_size=32)), max_size=12)


@given(RECORDS)
def test_a_journal_reads_back(records: list[tuple[int, bytes]]) -> None:
    raw = journal_of(records)
    assert parse_journal(raw) == (HEADER, dict(records), len(raw))


@given(RECORDS, st.data())
def test_a_torn_journal_gives_a_prefix(
    records: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    raw = journal_of(records)
    cut = data.draw(st.integers(0, len(raw)))
    header, done, sound = parse_journal(raw[:cut])
    assert sound <= cut
    if header is not None:
        kept = (sound - len(encode_header(HEADER))) // len(encode_record(0, bytes(32)))
        assert done == dict(records[:kept])


@given(RECORDS, st.data())
def test_a_spoiled_record_and_what_follows_do_not_count(
    records: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    raw = bytearray(journal_of(records))
    start = len(encode_header(HEADER))
    if len(raw) > start:
        at = data.draw(st.integers(start, len(raw) - 1))
        raw[at] ^= data.draw(st.integers(1, 255))
        _, done, sound = parse_journal(bytes(raw))
        assert sound <= at
        assert len(done) <= len(records)


@given(st.binary(max_size=300))
def test_any_bytes_may_stand_in_a_journal(raw: bytes) -> None:
    header, done, sound = parse_journal(raw)
    assert sound <= len(raw)
    assert header is not None or not done


@given(st.integers(0, 5 * CHUNK_BYTES), st.data())
def test_chunk_records_read_back_and_notice_every_change(size: int, data: st.DataObject) -> None:
    digests = tuple(bytes([i]) * 32 for i in range(chunk_count(size)))
    raw = ChunkDigests(size, digests).to_bytes()
    assert ChunkDigests.from_bytes(raw) == ChunkDigests(size, digests)
    spoiled = bytearray(raw)
    spoiled[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(VerificationFailed):
        ChunkDigests.from_bytes(bytes(spoiled))


@given(st.binary(max_size=200))
def test_any_bytes_may_stand_in_a_chunk_record(raw: bytes) -> None:
    with pytest.raises(VerificationFailed):
        ChunkDigests.from_bytes(raw)


@given(st.integers(1, 40 * CHUNK_BYTES))
def test_chunks_cover_a_file_without_gap_or_overlap(size: int) -> None:
    ranges = [chunk_range(index, size) for index in range(chunk_count(size))]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == size
    assert all(one[1] == other[0] for one, other in pairwise(ranges))


@given(st.sets(st.integers(0, 30)))
def test_ranges_name_every_bad_chunk_once(indexes: set[int]) -> None:
    size = 31 * CHUNK_BYTES - 7
    ranges = byte_ranges(list(indexes), size)
    covered = sum(last - first + 1 for first, last in ranges)
    assert covered == sum(chunk_range(i, size)[1] - chunk_range(i, size)[0] for i in indexes)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(ranges))


@given(st.lists(st.integers(1, 5)), st.sets(st.integers(0, 11)))
def test_every_chunk_is_taken_once(takes: list[int], restored: set[int]) -> None:
    chunks = ChunkMap(12 * CHUNK_BYTES, {index: bytes(32) for index in restored})
    taken = [index for most in takes for index in chunks.take(most)]
    taken += chunks.take_rest()
    assert sorted(taken) == sorted(set(range(12)) - restored)
    chunks.give_back(taken)
    assert chunks.take_rest() == sorted(taken)


@given(JSON)
def test_any_document_may_stand_for_a_listing(document: Any) -> None:
    for parse in (
        lambda: parse_tree(document, "hub"),
        lambda: parse_files(document, "hub", "ms:a/b"),
    ):
        with suppress(SourceFault):
            parse()


@given(st.text(alphabet=string.printable, max_size=40))
def test_no_name_leaves_the_directory(name: str) -> None:
    page = [{"type": "file", "path": name, "size": 1}]
    for file in parse_tree(page, "hub"):
        assert not file.name.startswith("/")
        assert ".." not in file.name.split("/")
        assert "\\" not in file.name
        assert "\0" not in file.name


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "/etc/passwd", "a/../../x", "a\\b", "", ".", "a//b", "x\0"),
        *("\x9b31m.json", "gpj.\u202egguf", "half\ud800.json", "a" * 241),
    ],
)
def test_unsafe_names(name: str) -> None:
    assert not is_safe_name(name)


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_directory_names_are_safe_and_tell_models_apart(one: str, other: str) -> None:
    assert is_safe_name(directory_name(one))
    assert "/" not in directory_name(one)
    assert (directory_name(one) == directory_name(other)) == (one == other)


def test_catalogue_ids_stay_readable() -> None:
    name = directory_name("deepseek-r1-distill-qwen-7b:q4_k_m")
    assert name == "deepseek-r1-distill-qwen-7b--q4_k_m"


@given(st.text(max_size=30))
def test_any_retry_after_is_a_number_of_seconds(text: str) -> None:
    assert Answer(429, {"retry-after": text}, "http://hub").wait_s() >= 0


def test_the_ways_to_ask_for_patience() -> None:
    def wait(**headers: str) -> float:
        return Answer(429, {k.replace("_", "-"): v for k, v in headers.items()}, "u").wait_s()

    assert wait(retry_after="120") == 120
    assert 50 < wait(retry_after=email.utils.formatdate(time.time() + 60, usegmt=True)) <= 60
    assert wait(ratelimit='"resolvers";r=0;t=42') == 42
    assert wait(ratelimit='"resolvers";r=10;t=42') == 0
    assert wait() == 0


@given(st.text(max_size=200))
def test_any_text_may_stand_for_sums(text: str) -> None:
    assert all(len(sha256) == 64 for sha256 in parse_sums(text).values())


def test_sums_as_sha256sum_writes_them() -> None:
    text = f"{'a' * 64}  one.gguf\n{'B' * 64} *dir/two.gguf\n\n{'c' * 63}  three\n"
    assert parse_sums(text) == {"one.gguf": "a" * 64, "dir/two.gguf": "b" * 64}


def files(*names: str) -> list[RemoteFile]:
    return [RemoteFile(name=name, bytes=index + 1) for index, name in enumerate(names)]


def chosen(names: list[str], glob: str | None = None) -> list[str]:
    return [file.name for file in needed_files(files(*names), glob, "hf:a/b")]


def test_what_an_engine_needs_of_a_repository() -> None:
    parts = [f"Q4_K_M/m-Q4_K_M-0000{i}-of-00002.gguf" for i in (1, 2)]
    assert chosen(["m-Q8_0.gguf", *parts, "README.md"]) == parts
    assert chosen(["m-Q8_0.gguf", *parts], "m-Q8_0.gguf") == ["m-Q8_0.gguf"]
    assert chosen(["m-Q8_0.gguf", *parts], "*-00002-of-*") == parts
    assert chosen(["mmproj-F16.gguf", "m-Q2_K.gguf", "m.imatrix.gguf"]) == ["m-Q2_K.gguf"]
    assert chosen(["a/x.safetensors", "x.safetensors", "pytorch_model.bin", "config.json"]) == [
        "config.json",
        "x.safetensors",
    ]


def test_what_is_not_a_model() -> None:
    with pytest.raises(UsageError, match="no model"):
        chosen(["README.md"])
    with pytest.raises(UsageError) as caught:
        chosen(["a-Q8_0.gguf"], "*Q4*")
    assert "a-Q8_0.gguf" in str(caught.value.hint)
    with pytest.raises(VerificationFailed, match="part 2 of 3"):
        chosen(["m-00001-of-00003.gguf", "m-00003-of-00003.gguf"])
    with pytest.raises(VerificationFailed, match="part 2 of 163"):
        chosen(["m-00001-of-000163.safetensors"])


def test_what_the_store_writes_itself_is_not_taken() -> None:
    assert chosen(["Manifest.json", "a.safetensors", "SHA256SUMS"]) == ["a.safetensors"]
    assert chosen(["manifest.json", "SITE-KEY", "a.gguf"], "*") == ["a.gguf"]


def test_a_hash_in_capitals_is_the_same_hash() -> None:
    entry = {"type": "file", "path": "a.gguf", "lfs": {"oid": "AB" * 32, "size": 1}}
    assert parse_tree([entry], "hub")[0].sha256 == "ab" * 32


@given(st.lists(st.text(alphabet="abQ4_K-.gufsaetnor/0123", min_size=1, max_size=20)))
def test_any_repository_gives_files_of_it_or_an_error(names: list[str]) -> None:
    with suppress(ApplianceError):
        assert set(chosen(names)) <= set(names)


def test_the_entry_is_the_first_part() -> None:
    assert entry_name(["b-00002-of-00002.gguf", "b-00001-of-00002.gguf"]) == "b-00001-of-00002.gguf"
    assert entry_name(["model.safetensors", "config.json"]) is None
    assert split_set("b-00002-of-00002.gguf") == ("b", 2, 2)


def test_progress_is_shown_four_times_a_second_with_speed_and_time_left() -> None:
    now = [0.0]
    shown: list[msgspec.Struct] = []
    meter = Meter(shown.append, total=1000, clock=lambda: now[0])
    meter.enter("fetch", "a")
    for _ in range(100):
        now[0] += 0.05
        meter.add(5)
        meter.show()
    assert 16 <= len(shown) <= 21
    last = msgspec.to_builtins(shown[-1])
    assert 475 <= last["done"] <= 500
    assert 95 <= last["bps"] <= 105
    assert 4.5 <= last["eta_s"] <= 6
    for _ in range(400):
        now[0] += 0.05
        meter.show()
    assert msgspec.to_builtins(shown[-1])["bps"] == 0
    assert msgspec.to_builtins(shown[-1])["eta_s"] is None


def test_limits_by_the_hour() -> None:
    def at(text: str, hour: int) -> float | None:
        return Limit(parse_limit(text), lambda: datetime.time(hour)).bps()

    assert at("50M", 3) == 50e6
    assert at("10M@08:00-18:00,100M", 12) == 10e6
    assert at("10M@08:00-18:00,100M", 18) == 100e6
    assert at("10M@08:00-18:00", 20) is None
    assert at("1g@22:00-06:00,5k", 23) == 1e9
    assert at("1g@22:00-06:00,5k", 6) == 5e3
    for bad in ("", "fast", "0", "10M@25:00-26:00", "10M@8-9", "-5M"):
        with pytest.raises(UsageError):
            parse_limit(bad)
