"""Keys: who may ask, in every process, the moment it is written."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.errors import ApplianceError, UsageError
from appliance.gateway.keys import KeyStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keys.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    store = KeyStore(path)
    yield store
    store.close()


def test_a_new_key_is_good_and_listed_without_its_secret(store: KeyStore) -> None:
    new = store.add("ward 3")
    record = store.check(new.key)
    assert record is not None
    assert (record.id, record.name, record.role, record.revoked) == (new.id, "ward 3", "user", None)
    assert store.list() == [record]


def test_the_key_itself_is_nowhere_on_disk(store: KeyStore, path: Path) -> None:
    secret = store.add("ward 3").key.encode()
    files = [file.read_bytes() for file in path.parent.iterdir()]
    assert any(b"ward 3" in content for content in files)
    assert not any(secret in content for content in files)


def test_what_was_confirmed_survives_a_power_cut(store: KeyStore) -> None:
    full = 2
    assert store._execute("PRAGMA synchronous") == [(full,)]


def test_only_the_owner_can_read_the_files(store: KeyStore, path: Path) -> None:
    store.add("ward 3")
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_revoked_key_is_refused_by_a_store_that_was_open_before(
    store: KeyStore, path: Path
) -> None:
    gateway = KeyStore(path)
    new = store.add("ward 3")
    assert gateway.check(new.key) is not None
    code = "import sys; from appliance.gateway.keys import KeyStore; from pathlib import Path;"
    code += "KeyStore(Path(sys.argv[1])).revoke(sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, str(path), new.id], check=True)
    assert gateway.check(new.key) is None
    gateway.close()


def test_revoking_twice_keeps_the_first_time(store: KeyStore) -> None:
    new = store.add("ward 3")
    assert store.revoke(new.id).revoked is not None
    assert store.revoke(new.id) == store.list()[0]


def test_an_unknown_id_and_an_unknown_role_are_usage_errors(store: KeyStore) -> None:
    with pytest.raises(UsageError, match="kdeadbeef"):
        store.revoke("kdeadbeef")
    with pytest.raises(UsageError, match="root"):
        store.add("ward 3", "root")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "bell\a"])
def test_a_name_must_be_readable(store: KeyStore, name: str) -> None:
    with pytest.raises(UsageError):
        store.add(name)
    assert store.list() == []


@pytest.fixture(scope="module")
def store_of_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyStore]:
    store = KeyStore(tmp_path_factory.mktemp("keys") / "keys.sqlite")
    store.add("ward 3")
    yield store
    store.close()


@given(guess=st.text(st.characters(max_codepoint=255)))
def test_no_text_is_a_key_by_accident(store_of_one: KeyStore, guess: str) -> None:
    assert store_of_one.check(guess) is None


def test_a_file_that_is_no_key_store_is_told_with_its_path(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(ApplianceError, match=r"keys\.sqlite") as caught:
        KeyStore(path)
    assert caught.value.code == "KEYS-UNREADABLE"


@pytest.mark.parametrize(
    ("harm", "code", "exit_code"),
    [("size=64k", "DISK-FULL", 6), ("size=1m,ro", "DISK-READONLY", 5)],
)
def test_a_disk_that_takes_no_keys_is_told_as_what_it_is(
    tmp_path: Path, harm: str, code: str, exit_code: int
) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", harm, "tmpfs", str(tmp_path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    try:
        if "ro" not in harm:
            fill(tmp_path / "hog")
        with pytest.raises(ApplianceError) as caught:
            KeyStore(tmp_path / "keys.sqlite")
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
    assert (caught.value.code, caught.value.exit_code) == (code, exit_code)


def fill(hog: Path) -> None:
    with suppress(OSError), hog.open("wb", buffering=0) as stream:
        while stream.write(bytes(4096)):
            pass


def test_a_store_of_a_newer_version_is_left_alone(store: KeyStore, path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ApplianceError, match="newer"):
        KeyStore(path)
