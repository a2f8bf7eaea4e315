"""Bad days: the right bytes in the end, or one clear error with nothing wrong in the store."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
import random
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hub import LoopbackHub
from shelf import CHUNK, IMPATIENT, MIB, Shelf, content_requests, some_bytes

from appliance.core.errors import (
    ApplianceError,
    DoesNotFit,
    NeedsRights,
    Unreachable,
    UsageError,
    VerificationFailed,
)
from appliance.core.exit_codes import ExitCode
from appliance.core.progress import Cancel
from appliance.core.pull import Progress
from appliance.weights import partial
from appliance.weights.faults import SourceFault
from appliance.weights.http import Http
from appliance.weights.probe import listings
from appliance.weights.pull import WantedFile, pull
from appliance.weights.sources.base import Listing
from appliance.weights.sources.files import DirectorySource
from appliance.weights.store import Store

SIZE = 6 * CHUNK + 54321
DATA = some_bytes(SIZE, seed=7)
NAME = "model.safetensors"


@pytest.fixture
def shelf(hub: LoopbackHub, tmp_path: Path) -> Shelf:
    shelf = Shelf(hub, tmp_path)
    shelf.add(NAME, DATA)
    return shelf


def assert_refused(shelf: Shelf, error: ApplianceError, exit_code: ExitCode) -> None:
    """One clear error, and nothing under a name."""
    assert error.exit_code == exit_code
    assert str(error)
    assert str(error.hint)
    assert "Traceback" not in str(error)
    assert shelf.store.models() == []
    assert list((shelf.store.root / "models").glob(f"*/{NAME}")) == []


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("drop", {"after": 1_000_000, "times": 9}),
        ("drop", {"after": 0, "times": 3}),
        ("stall", {"after": 500_000, "times": 2}),
        ("drip", {"bps": 200.0, "times": 2}),
        ("status", {"status": 503, "times": 3}),
        ("status", {"status": 429, "retry_after": 0.3, "times": 2}),
        ("status", {"status": 403, "times": 2}),
        ("not-satisfiable", {"times": 2}),
        ("html", {"times": 2}),
        ("empty", {"times": 1}),
        ("no-length", {"times": None}),
        ("wrong-range", {"times": 2}),
        ("wrong-length", {"delta": 1000, "times": 2}),
        ("wrong-length", {"delta": -1000, "times": 2}),
        ("ignore-range", {"times": None}),
        ("ignore-range", {"times": 1}),
        ("corrupt", {"start": CHUNK + 5, "length": MIB, "times": 1}),
        ("status", {"where": "api", "path": "*", "status": 502, "times": 2}),
        ("status", {"where": "api", "path": "*", "status": 429, "retry_after": 0.2, "times": 2}),
        ("status", {"where": "resolve", "status": 503, "times": 2}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_recovers_with_the_right_bytes(shelf: Shelf, kind: str, options: dict[str, Any]) -> None:
    shelf.hub.faults.add(kind, **{"path": NAME, **options})

    pulled = shelf.pull()

    assert shelf.content(pulled, NAME) == DATA
    assert shelf.leftovers() == []


@pytest.mark.parametrize(
    ("kind", "options", "exit_code"),
    [
        ("status", {"status": 503}, ExitCode.UNREACHABLE),
        ("status", {"status": 404}, ExitCode.USAGE),
        ("drop", {"after": 0}, ExitCode.UNREACHABLE),
        ("html", {}, ExitCode.UNREACHABLE),
        ("empty", {}, ExitCode.UNREACHABLE),
        ("redirect-loop", {}, ExitCode.UNREACHABLE),
        ("redirect-loop", {"where": "resolve"}, ExitCode.UNREACHABLE),
        ("stall", {"after": 10}, ExitCode.UNREACHABLE),
        ("drip", {"bps": 100.0}, ExitCode.UNREACHABLE),
        ("not-satisfiable", {}, ExitCode.UNREACHABLE),
        ("html", {"where": "api", "path": "*"}, ExitCode.UNREACHABLE),
        ("empty", {"where": "api", "path": "*"}, ExitCode.UNREACHABLE),
        ("status", {"where": "api", "path": "*", "status": 500}, ExitCode.UNREACHABLE),
        ("lie", {"where": "api"}, ExitCode.VERIFICATION_FAILED),
        ("list-size", {"where": "api", "size": 10}, ExitCode.UNREACHABLE),
        ("list-size", {"where": "api", "size": SIZE + 10}, ExitCode.UNREACHABLE),
        ("corrupt", {"start": 99, "length": 1}, ExitCode.VERIFICATION_FAILED),
    ],
)
def test_gives_up_with_one_clear_error(
    shelf: Shelf, kind: str, options: dict[str, Any], exit_code: ExitCode
) -> None:
    shelf.hub.faults.add(kind, **{"path": NAME, **options})

    with pytest.raises(ApplianceError) as caught:
        shelf.pull()

    assert_refused(shelf, caught.value, exit_code)
    shelf.hub.faults.clear()
    assert shelf.content(shelf.pull(), NAME) == DATA
    assert shelf.leftovers() == []


@pytest.mark.parametrize("seed", range(3))
def test_connections_that_drop_at_random_points_cost_no_bytes(shelf: Shelf, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(12):
        shelf.hub.faults.add("drop", path=NAME, after=chance.randrange(2 * CHUNK), times=1)

    pulled = shelf.pull(options=msgspec.structs.replace(IMPATIENT, attempts=8))

    assert shelf.content(pulled, NAME) == DATA
    assert pulled.bytes_fetched == SIZE
    assert shelf.leftovers() == []


def test_a_listing_that_lies_is_refused_with_both_hashes(shelf: Shelf) -> None:
    shelf.hub.faults.add("lie", where="api", path=NAME)
    with pytest.raises(VerificationFailed) as caught:
        shelf.pull()
    assert "f" * 64 in str(caught.value)
    assert hashlib.sha256(DATA).hexdigest() in str(caught.value)
    assert shelf.leftovers() == []


def test_a_mismatch_costs_one_more_pass_at_most(shelf: Shelf) -> None:
    shelf.hub.faults.add("lie", where="api", path=NAME)
    with pytest.raises(VerificationFailed):
        shelf.pull()
    assert shelf.hub.bytes_sent <= 2 * SIZE + CHUNK


def test_a_small_file_is_held_against_its_git_hash(shelf: Shelf) -> None:
    shelf.add("config.json", b'{"a": "%s"}' % (b"x" * 1000))
    shelf.hub.faults.add("corrupt", path="config.json", start=3, length=1)
    with pytest.raises(VerificationFailed, match=r"config\.json"):
        shelf.pull()


def test_an_expired_address_is_resolved_again(shelf: Shelf) -> None:
    shelf.hub.url_life_s = 0.4
    shelf.hub.bps = 20 * MIB
    assert shelf.content(shelf.pull(), NAME) == DATA
    assert len([r for r in shelf.hub.requests if "/resolve/" in r.path]) > 1


def test_a_mirror_without_headers_will_do(shelf: Shelf) -> None:
    shelf.hub.faults.add("no-headers", where="resolve")
    shelf.hub.faults.add("no-length", path=NAME)
    assert shelf.content(shelf.pull(), NAME) == DATA


def test_a_request_to_be_left_alone_is_obeyed(shelf: Shelf) -> None:
    shelf.hub.faults.add("status", path=NAME, status=429, retry_after=0.7, times=1)
    began = time.monotonic()
    shelf.pull()
    assert time.monotonic() - began >= 0.7


def test_gated_and_missing_repositories_are_told_apart(shelf: Shelf) -> None:
    shelf.hub.token = "hf_secret"
    shelf.hub.gated.add("deepseek-ai/tiny")
    with pytest.raises(NeedsRights, match="does not let you") as caught:
        shelf.pull()
    assert "HF_TOKEN" in str(caught.value.hint)
    with pytest.raises(UsageError, match="deepseek-ai/nothing"):
        shelf.pull("hf:deepseek-ai/nothing")
    with pytest.raises(UsageError, match="deepseek-ai/nothing"):
        shelf.pull("ms:deepseek-ai/nothing")
    shelf.hub.gated.clear()
    with pytest.raises(UsageError, match="hf:deepseek-ai/tiny@v9"):
        shelf.pull("hf:deepseek-ai/tiny@v9")


def test_a_token_that_is_wrong_does_not_pass_for_a_missing_repository(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.hub.token = "hf_secret"
    shelf.hub.gated.add("deepseek-ai/tiny")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(NeedsRights):
        shelf.pull()


def test_a_company_authority_is_trusted_once_it_is_named(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with LoopbackHub(shelf.hub.root, tls=context) as secure:
        monkeypatch.setenv("HF_ENDPOINT", secure.hf_endpoint)
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with pytest.raises(Unreachable, match="not trusted") as caught:
            shelf.pull()
        assert "SSL_CERT_FILE" in str(caught.value.hint)

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert shelf.content(shelf.pull(), NAME) == DATA


def test_a_clock_that_is_wrong_is_asked_about(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a server whose clock is behind, a good certificate is not valid yet."""
    certificate, key = self_signed(tmp_path, from_year=2090)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with LoopbackHub(shelf.hub.root, tls=context) as secure:
        monkeypatch.setenv("HF_ENDPOINT", secure.hf_endpoint)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(Unreachable, match="not yet valid") as caught:
            shelf.pull()
    assert "clock" in str(caught.value.hint)
    assert f"it says {datetime.datetime.now().astimezone().year}" in str(caught.value.hint)
    assert_refused(shelf, caught.value, ExitCode.UNREACHABLE)


def self_signed(place: Path, *, from_year: int = 2000) -> tuple[Path, Path]:
    """A certificate for loopback, valid from that year on, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    addresses = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(from_year, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate, key = place / "site.pem", place / "site.key"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, key


def test_no_hub_at_all_is_said_within_seconds(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(Unreachable) as caught:
        shelf.pull()
    assert caught.value.code == "NO-HUB"
    assert "import" in str(caught.value.hint)
    assert time.monotonic() - began < 5


def test_a_name_that_nobody_knows_is_said_without_the_resolvers_numbers(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lookup(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    with pytest.raises(Unreachable) as caught:
        shelf.pull()
    assert caught.value.code == "NO-HUB"
    assert "no DNS or no network" in str(caught.value)
    assert "Errno" not in str(caught.value)


def test_a_proxy_that_refuses_is_named(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("HTTPS_PROXY", shelf.hub.url)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    with pytest.raises(Unreachable) as caught:
        shelf.pull()
    assert "proxy" in str(caught.value).lower()


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts this machine behind a proxy."""

    def set_proxy(url: str) -> None:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "")
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, url)

    return set_proxy


@pytest.mark.parametrize(
    ("proxy", "word"),
    [
        ("http://user:secret@127.0.0.1:9", "the proxy 127.0.0.1:9 cannot be reached"),
        ("socks5://user:secret@127.0.0.1:9", "SOCKS is not supported"),
        ("ftp://user:secret@127.0.0.1:9", "the proxy that is set cannot be used"),
        ("http://user:secret/x@127.0.0.1:9", "the proxy that is set cannot be used"),
        ("http://user:secret@127.0.0.1:31x8", "the proxy that is set cannot be used"),
    ],
)
def test_a_proxy_that_is_no_use_is_named_and_not_the_hub(
    shelf: Shelf, behind: Callable[[str], None], proxy: str, word: str
) -> None:
    behind(proxy)
    with pytest.raises(Unreachable, match=word) as caught:
        shelf.pull()
    assert "HTTPS_PROXY" in str(caught.value.hint)
    assert "secret" not in str(caught.value)
    assert_refused(shelf, caught.value, ExitCode.UNREACHABLE)


def test_a_proxy_that_wants_a_password_is_named(
    shelf: Shelf, behind: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain address: its refusal looks like the hub's own answer."""
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    behind(shelf.hub.url)
    shelf.hub.faults.add("status", where="api", status=407)
    with pytest.raises(Unreachable, match="the proxy refused") as caught:
        shelf.pull()
    assert "HTTPS_PROXY" in str(caught.value.hint)


def test_a_proxy_that_forbids_is_not_taken_for_a_licence(
    shelf: Shelf, behind: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    behind(shelf.hub.url)
    shelf.hub.faults.add("status", where="api", status=403)
    with pytest.raises(Unreachable, match="the proxy refused") as caught:
        shelf.pull()
    assert "HTTPS_PROXY" in str(caught.value.hint)


def test_a_disk_needs_no_good_proxy(
    shelf: Shelf, behind: Callable[[str], None], tmp_path: Path
) -> None:
    behind("socks5://127.0.0.1:9")
    path = tmp_path / NAME
    path.write_bytes(DATA)
    assert shelf.content(shelf.pull(f"file:{path}"), NAME) == DATA


def test_a_certificate_file_that_is_not_there_is_named(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))
    with LoopbackHub(shelf.hub.root, tls=context) as secure:
        monkeypatch.setenv("HF_ENDPOINT", secure.hf_endpoint)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
        with pytest.raises(Unreachable, match="not trusted") as caught:
            shelf.pull()
        assert "none.pem, which cannot be read" in str(caught.value.hint)
        (tmp_path / "none.pem").write_text("no certificate")
        with pytest.raises(Unreachable, match="not trusted") as caught:
            shelf.pull()
        assert "none.pem" in str(caught.value.hint)
        assert "(PEM)" in str(caught.value.hint)


def test_a_bad_source_is_left_for_the_next_without_losing_bytes(shelf: Shelf) -> None:
    shelf.hub.faults.add("drop", path=NAME, after=CHUNK + 100, times=None)
    other = LoopbackHub(shelf.hub.root)
    with other:
        shelf.hub.ms_endpoint = other.ms_endpoint
        os.environ["MODELSCOPE_ENDPOINT"] = other.ms_endpoint

        pulled = shelf.pull("hf:deepseek-ai/tiny", "ms:deepseek-ai/tiny")

    assert shelf.content(pulled, NAME) == DATA
    assert shelf.hub.bytes_sent + other.bytes_sent <= SIZE + MIB


def test_a_source_that_dies_for_good_is_replaced(shelf: Shelf, tmp_path: Path) -> None:
    shelf.hub.bps = 15 * MIB
    shelf.hub.faults.add("status", where="content", path=NAME, status=500, times=None)
    with LoopbackHub(shelf.hub.root) as other:
        os.environ["MODELSCOPE_ENDPOINT"] = other.ms_endpoint
        pulled = shelf.pull("hf:deepseek-ai/tiny", "ms:deepseek-ai/tiny")
    assert shelf.content(pulled, NAME) == DATA


def test_the_source_that_lied_is_told_by_the_second_pass(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.hub.faults.add("corrupt", path=NAME, start=2 * CHUNK + 9, length=MIB)
    with LoopbackHub(shelf.hub.root) as other:
        os.environ["MODELSCOPE_ENDPOINT"] = other.ms_endpoint
        late = {"where": "api", "path": "*", "status": 503, "retry_after": 0.2, "times": 1}
        other.faults.add("status", **late)
        waiting = msgspec.structs.replace(IMPATIENT, stall_s=20.0, probe_s=20.0)
        pulled = shelf.pull("hf:deepseek-ai/tiny", "ms:deepseek-ai/tiny", options=waiting)
    assert shelf.content(pulled, NAME) == DATA
    told = [r.getMessage() for r in caplog.records if "were wrong from" in r.getMessage()]
    assert len(told) == 1
    assert f"bytes {2 * CHUNK}-{3 * CHUNK - 1}" in told[0]
    assert "hf:deepseek-ai/tiny" in told[0]


@pytest.mark.parametrize("liar", ["hf", "ms"])
def test_a_liar_among_sources_used_together_is_told_and_the_others_suffice(
    shelf: Shelf, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, liar: str
) -> None:
    """Both sent a part of what was wrong; one pass for each tells them apart."""
    monkeypatch.setattr(
        "appliance.weights.pull._TRIAL_BYTES", 0
    )  # speeds are compared as for a large file
    with LoopbackHub(shelf.hub.root) as other:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", other.ms_endpoint)
        liars = {"hf": shelf.hub, "ms": other}
        liars[liar].faults.add("corrupt", path=NAME, start=200, length=SIZE)
        both = msgspec.structs.replace(IMPATIENT, stall_s=20.0, probe_s=20.0, trial_s=600.0)
        pulled = shelf.pull("hf:deepseek-ai/tiny", "ms:deepseek-ai/tiny", options=both)
    assert shelf.content(pulled, NAME) == DATA
    messages = [record.getMessage() for record in caplog.records]
    (mixed, *_) = [text for text in messages if "another hash than listed" in text]
    assert "hf:deepseek-ai/tiny" in mixed
    assert "ms:deepseek-ai/tiny" in mixed
    told = [text for text in messages if "were wrong from" in text]
    assert told
    assert all(f"wrong from {liar}:" in text for text in told)


def test_of_a_repository_only_the_bad_file_is_fetched_again(shelf: Shelf) -> None:
    shelf.add("model-2.safetensors", some_bytes(4 * CHUNK, seed=2))
    shelf.hub.faults.add("corrupt", path=NAME, start=5, length=9, times=1)
    pulled = shelf.pull()
    assert shelf.content(pulled, NAME) == DATA
    assert shelf.hub.bytes_sent <= SIZE + 4 * CHUNK + SIZE


def test_what_a_disk_fault_spoiled_is_found_and_fetched_alone(shelf: Shelf) -> None:
    pulled = shelf.pull()
    path = Path(pulled.files[0].path)
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(3 * CHUNK + 77)
        stream.write(b"\0" * MIB)
    with pytest.raises(VerificationFailed) as caught:
        shelf.store.verify(pulled.model)
    assert f"bytes {3 * CHUNK}-{4 * CHUNK - 1}" in str(caught.value)
    sent = shelf.hub.bytes_sent

    again = shelf.pull()

    assert shelf.content(again, NAME) == DATA
    assert shelf.hub.bytes_sent - sent <= 4 * CHUNK
    assert again.bytes_fetched == CHUNK
    shelf.store.verify(pulled.model)


def test_what_cannot_fit_is_refused_before_the_first_byte(shelf: Shelf) -> None:
    shelf.store = Store(shelf.place / "store", floor_bytes=1 << 60)
    with pytest.raises(DoesNotFit, match=r"needs 25\.2 MB") as caught:
        shelf.pull()
    assert_refused(shelf, caught.value, ExitCode.DOES_NOT_FIT)
    assert content_requests(shelf.hub) == []
    assert shelf.leftovers() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_fills_midway_is_an_error_and_then_goes_on(
    shelf: Shelf, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.store = Store(small_disk / "store", floor_bytes=0)
    monkeypatch.setattr(Store, "require_space", lambda self, needed: None)
    with pytest.raises(DoesNotFit) as caught:
        shelf.pull()
    assert caught.value.code == "DISK-FULL"
    assert_refused(shelf, caught.value, ExitCode.DOES_NOT_FIT)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert shelf.content(shelf.pull(), NAME) == DATA


def test_a_disk_that_cannot_reserve_and_fills_midway_is_not_the_fault_of_the_hub(
    shelf: Shelf, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on ext2 or a network disk, where room is taken by writing alone."""
    shelf.store = Store(small_disk / "store", floor_bytes=0)
    monkeypatch.setattr(Store, "require_space", lambda self, needed: None)
    monkeypatch.setattr(partial, "reserve", os.ftruncate)
    one_after_the_other = msgspec.structs.replace(IMPATIENT, connections=1)
    with pytest.raises(DoesNotFit) as caught:
        shelf.pull(options=one_after_the_other)
    assert caught.value.code == "DISK-FULL"
    sent = shelf.hub.bytes_sent
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)

    pulled = shelf.pull()

    assert shelf.content(pulled, NAME) == DATA
    assert pulled.bytes_reused >= 2 * CHUNK
    assert shelf.hub.bytes_sent - sent <= len(DATA) - 2 * CHUNK


def test_room_for_every_file_is_taken_before_the_first_byte(shelf: Shelf, small_disk: Path) -> None:
    """Another program that takes all the rest midway does not stop what was begun."""
    shelf.store = Store(small_disk / "store", floor_bytes=0)
    half = some_bytes(CHUNK + MIB, seed=5)
    shelf.hub.bps = 8 * MIB
    for number in (1, 2):
        shelf.add(f"model-{number}.safetensors", half[:-number] + bytes(number), repo="a/two")
    hog = small_disk / "hog"

    def take_the_rest(progress: Progress) -> None:
        if progress.phase == "fetch" and progress.done and not hog.exists():
            taken = sum(path.stat().st_blocks * 512 for path in shelf.store.blobs().iterdir())
            assert taken >= 2 * len(half)
            with suppress(OSError), hog.open("wb", buffering=0) as stream:
                left = shutil.disk_usage(small_disk).free - 256 * 1024  # journals, names, chunks
                stream.write(bytes(left))

    pulled = pull(
        shelf.request("hf:a/two"), shelf.store, on_progress=take_the_rest, options=IMPATIENT
    )
    assert hog.exists()
    assert shelf.content(pulled, "model-2.safetensors") == half[:-2] + bytes(2)


def test_a_full_disk_is_seen_before_the_first_byte(shelf: Shelf, small_disk: Path) -> None:
    shelf.store = Store(small_disk / "store", floor_bytes=0)
    with pytest.raises(DoesNotFit) as caught:
        shelf.pull()
    assert caught.value.code == "NO-SPACE"
    assert content_requests(shelf.hub) == []


def test_a_read_only_disk_is_named(shelf: Shelf, small_disk: Path) -> None:
    shelf.store = Store(small_disk / "store", floor_bytes=0)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(NeedsRights, match="read-only") as caught:
        shelf.pull()
    assert_refused(shelf, caught.value, ExitCode.NEEDS_RIGHTS)


def test_a_file_size_limit_counts_as_a_full_disk(shelf: Shelf) -> None:
    code = (
        "import resource, signal, sys\n"
        f"sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[2])]!r}\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, 8 << 20))\n"
        "from pathlib import Path\n"
        "from hub import LoopbackHub\n"
        "from shelf import Shelf\n"
        f"shelf = Shelf(LoopbackHub(Path({str(shelf.hub.root)!r})), Path({str(shelf.place)!r}))\n"
        "try:\n"
        "    shelf.pull()\n"
        "except Exception as error:\n"
        "    print(getattr(error, 'code', repr(error)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "DISK-FULL", done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_partial_file_replaced_under_us_is_not_placed(shelf: Shelf) -> None:
    shelf.hub.bps = 20 * MIB
    replaced: list[Path] = []

    def replace(_: object) -> None:
        partials = list((shelf.store.root / "blobs").glob("*.partial"))
        if partials and shelf.hub.bytes_sent > CHUNK and not replaced:
            stranger = partials[0].with_name("stranger")
            stranger.write_bytes(b"\0" * SIZE)
            stranger.replace(partials[0])
            replaced.append(partials[0])

    shelf.shown = _Hook(replace)
    with pytest.raises(ApplianceError) as caught:
        shelf.pull()
    assert caught.value.code == "FILE-REPLACED"
    assert_refused(shelf, caught.value, ExitCode.UNHEALTHY)
    shelf.shown = []
    assert shelf.content(shelf.pull(), NAME) == DATA


class _Hook(list[Any]):
    """Looks like the list of progress documents, and acts on each."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self.append = act  # type: ignore[method-assign]


def test_no_permission_is_an_error(shelf: Shelf) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    shelf.store.root.mkdir(mode=0o500)
    with pytest.raises(NeedsRights):
        shelf.pull()
    shutil.rmtree(shelf.store.root)


def test_a_wanted_file_the_hub_does_not_have(shelf: Shelf) -> None:
    with pytest.raises(UsageError, match=r"no nowhere\.gguf|has no"):
        shelf.pull(files=[WantedFile("nowhere.gguf")], options=IMPATIENT)


@pytest.mark.parametrize("size", [-5, -(2**70)])
def test_a_listing_with_an_impossible_size_is_refused(shelf: Shelf, size: int) -> None:
    shelf.hub.faults.add("list-size", where="api", size=size)
    shelf.add(NAME, DATA)
    with pytest.raises(Unreachable, match="not the hub's protocol"):
        shelf.pull()
    assert shelf.leftovers() == []


def test_a_listing_without_end_of_brackets_is_refused(shelf: Shelf) -> None:
    shelf.add("deep.json", b"[" * 200_000)
    with Http() as http:
        _, document = http.document(f"{shelf.hub.cdn}/cdn/deepseek-ai/tiny/deep.json", {})
    assert document is None


def test_what_nobody_foresaw_at_one_source_does_not_keep_the_others_waiting(shelf: Shelf) -> None:
    class Broken(DirectorySource):
        def listing(self) -> Listing:
            raise ZeroDivisionError

    sources = [Broken(Path("one")), Broken(Path("other"))]
    answers = listings(sources, timeout_s=0.1, cancel=Cancel())
    assert [type(answer) for _, answer in answers] == [SourceFault, SourceFault]


def test_who_is_late_with_its_listing_is_not_waited_for_and_that_is_logged(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "appliance.weights")
    with LoopbackHub(shelf.hub.root) as other:
        os.environ["MODELSCOPE_ENDPOINT"] = other.ms_endpoint
        other.faults.add("stall-page", where="api")
        patient = msgspec.structs.replace(IMPATIENT, stall_s=20.0)
        pulled = shelf.pull("hf:deepseek-ai/tiny", "ms:deepseek-ai/tiny", options=patient)
    assert shelf.content(pulled, NAME) == DATA
    messages = [record.getMessage() for record in caplog.records]
    assert "ms:deepseek-ai/tiny is late with its listing and is not used" in messages


@pytest.mark.parametrize("token", ["hf_secret\nx", "hf_\u00e9"])
def test_a_token_that_is_none_is_said_and_not_shown(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    shelf.add(NAME, DATA)
    with pytest.raises(UsageError, match="HF_TOKEN") as caught:
        shelf.pull()
    assert "hf_" not in f"{caught.value} {caught.value.hint}"
    assert shelf.hub.requests == []
