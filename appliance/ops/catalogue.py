"""Bringing a signed catalogue here: from a file or an address, checked, put to use, taken back."""

from __future__ import annotations

from pathlib import Path

from appliance.catalog.updates import (
    MOST_BYTES,
    CatalogueInfo,
    checked,
    install,
    sign,
)
from appliance.core.errors import NeedsRights, Unreachable, UsageError
from appliance.core.files import write_atomically
from appliance.core.i18n import say
from appliance.core.paths import Paths
from appliance.core.signature import key_text, parse_key, site_key, trusted_keys

_TIMEOUT_S = 30.0


def update_catalogue(source: str, paths: Paths, key: str | None = None) -> CatalogueInfo:
    """Put the signed catalogue at `source` (a path or an http address) to use.

    Known are the keys in `trusted-keys`, this site's own, and `key` (its text, or a file with it).
    Raises `VerificationFailed`, `Unreachable` and `UsageError`; nothing changes then.
    """
    known = {one.public for one in trusted_keys(paths)} | {site_key(paths).public}
    if key:
        known = {_key_of(key)}
    raw = _fetched(source) if "://" in source else _read(Path(source))
    _, catalogue = checked(raw, known)
    return install(paths, raw, catalogue)


def sign_catalogue(path: Path, paths: Paths) -> str:
    """Sign the catalogue at `path` in place with this site's key; returns the public key's text."""
    key = site_key(paths)
    signed = sign(_read(path), key)
    try:
        write_atomically(path, signed, mode=0o644)
    except OSError as error:
        raise NeedsRights(
            say("cannot write {path}: {error}", path=path, error=error.strerror),
            hint=say("sign a copy in a directory of your own"),
        ) from error
    return key_text(key.public)


def _key_of(text: str) -> bytes:
    path = Path(text)
    try:
        return parse_key(path.read_text().split()[-1] if path.is_file() else text)
    except (ValueError, IndexError, OSError) as error:
        raise UsageError(
            say("{text} is no public key", text=text),
            hint=say(
                "a key has 44 letters, or is in a file: `appliance models update --sign` prints it"
            ),
            code="BAD-KEY",
        ) from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(
            say("cannot read {path}: {error}", path=path, error=error.strerror),
            hint=say("name a signed catalogue, or the address of one"),
            code="NO-SUCH-FILE",
        ) from error
    return _of_a_sensible_size(raw, str(path))


def _fetched(url: str) -> bytes:
    import httpx

    raw = bytearray()
    try:
        with httpx.stream("GET", url, timeout=_TIMEOUT_S, follow_redirects=True) as response:
            response.raise_for_status()
            for block in response.iter_bytes():
                raw += block
                if len(raw) > MOST_BYTES:
                    break
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(
            say("{url} does not give a catalogue: {error}", url=url, error=error),
            hint=say("fetch it with another machine and give the file: --from FILE"),
        ) from error
    return _of_a_sensible_size(bytes(raw), url)


def _of_a_sensible_size(raw: bytes, source: str) -> bytes:
    if len(raw) > MOST_BYTES:
        raise UsageError(
            say("{source} is larger than any catalogue ({most} MiB)", source=source,
                most=MOST_BYTES >> 20),
            hint=say("name a signed catalogue, or the address of one"),
            code="TOO-LARGE",
        )  # fmt: skip
    return raw
