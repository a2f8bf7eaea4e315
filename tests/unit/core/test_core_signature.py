"""The key of a site, what it signs, and whom it knows."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.errors import ApplianceError, VerificationFailed
from appliance.core.paths import Paths, find_paths
from appliance.core.signature import (
    TrustedKey,
    key_text,
    parse_key,
    site_key,
    trust,
    trusted_keys,
    verify,
)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("APPLIANCE_HOME", str(tmp_path))
    return find_paths()


def test_the_key_is_made_once_and_for_its_owner_only(paths: Paths) -> None:
    first, second = site_key(paths), site_key(paths)
    assert first.public == second.public
    kept = paths.config / "site-key.pem"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(paths.config.iterdir()) == [kept]


def test_all_who_need_the_key_at_once_get_the_same(paths: Paths) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: site_key(paths).public, range(8)))
    assert len(keys) == 1


def test_a_signature_holds_for_just_what_was_signed(paths: Paths) -> None:
    key = site_key(paths)
    signature = key.sign(b"what was sent")
    verify(key.public, b"what was sent", signature, Path("letter"))
    for data, mark, public in (
        (b"what was sent!", signature, key.public),
        (b"what was sent", signature[:-1] + bytes([signature[-1] ^ 1]), key.public),
        (b"what was sent", b"", key.public),
        (b"what was sent", signature, bytes(32)),
        (b"what was sent", signature, b"short"),
    ):
        with pytest.raises(VerificationFailed) as refused:
            verify(public, data, mark, Path("letter"))
        assert refused.value.code == "BAD-SIGNATURE"
        assert "letter" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAA==\n"])
def test_a_file_that_is_no_key_is_told_and_left_alone(paths: Paths, content: bytes) -> None:
    paths.config.mkdir()
    (paths.config / "site-key.pem").write_bytes(content)
    with pytest.raises(ApplianceError) as refused:
        site_key(paths)
    assert refused.value.code == "BAD-SITE-KEY"
    assert (paths.config / "site-key.pem").read_bytes() == content


def test_known_sites_are_kept_beside_what_the_operator_wrote(paths: Paths) -> None:
    paths.config.mkdir()
    mine = key_text(bytes(range(32)))
    (paths.config / "trusted-keys").write_text(f"# our other house\nannex {mine}")
    assert trusted_keys(paths) == [TrustedKey(site="annex", public=bytes(range(32)))]
    seen = TrustedKey(site="ward-7", public=bytes(32), first_use="2026-11-25T03:00:00Z")
    trust(paths, seen)
    assert trusted_keys(paths)[1:] == [seen]
    assert (paths.config / "trusted-keys").read_text().startswith("# our other house\n")


def test_without_a_file_nobody_is_known(paths: Paths) -> None:
    assert trusted_keys(paths) == []


@pytest.mark.parametrize("line", ["annex", "annex AAAA", "a b c d", "annex {key} often 2026"])
def test_a_line_that_names_no_key_is_shown(paths: Paths, line: str) -> None:
    paths.config.mkdir()
    (paths.config / "trusted-keys").write_text(line.format(key=key_text(bytes(32))) + "\n")
    with pytest.raises(VerificationFailed) as refused:
        trusted_keys(paths)
    assert refused.value.code == "BAD-TRUSTED-KEYS"
    assert line.split()[0] in str(refused.value)


@given(st.binary(min_size=32, max_size=32))
def test_a_key_survives_being_written_down(public: bytes) -> None:
    assert parse_key(key_text(public)) == public


@given(st.text(max_size=60))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert len(parse_key(text)) == 32
