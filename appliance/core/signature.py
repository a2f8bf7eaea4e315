"""Who vouches for a file: the key of this site, and the keys of others that it knows (Ed25519).

`site-key.pem` is made when it is first needed and never leaves. `trusted-keys` has a line for each
known site, `NAME KEY [first-use TIME]`; an operator may write there, so nothing else is kept in it.
"""

from __future__ import annotations

import base64
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from appliance.core.errors import ApplianceError, VerificationFailed
from appliance.core.files import create_once, write_atomically
from appliance.core.i18n import Text, say
from appliance.core.paths import Paths, private_directory

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE = "site-key.pem"
TRUSTED_FILE = "trusted-keys"
_PUBLIC_BYTES = 32


class SiteKey:
    """The private key of this site. `public` (32 bytes) is what others know `site` by."""

    def __init__(self, private: Ed25519PrivateKey, site: str) -> None:
        self.site = site
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """The signature (64 bytes) of `data`."""
        return self._private.sign(data)


class TrustedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A site that is known. `first_use`: when it was taken at its word; `None`: an operator did."""

    site: str
    public: bytes
    first_use: str | None = None


def site_key(paths: Paths) -> SiteKey:
    """The key of this site; made, for its owner only, when there is none.

    Raises `ApplianceError` for a key file that is none, `OSError` where it cannot be written.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = paths.config / KEY_FILE
    if not path.exists():
        private_directory(path.parent)
        create_once(path, _new_key(), mode=0o600)
    try:
        private = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _not_a_key(path) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise _not_a_key(path)
    return SiteKey(private, "-".join(socket.gethostname().split()) or "site")


def verify(public: bytes, data: bytes, signature: bytes, what: Path | Text) -> None:
    """Raise `VerificationFailed` (`BAD-SIGNATURE`) unless the key's owner signed just this.

    `what`: the name of `data` for people.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError) as error:
        raise VerificationFailed(
            say("the signature does not belong to what it signs: {what}", what=what),
            hint=say("it was changed on the way, or is not from who it says; get it again"),
            code="BAD-SIGNATURE",
        ) from error


def trusted_keys(paths: Paths) -> list[TrustedKey]:
    """The sites that are known here. Raises `VerificationFailed` for a line that names none."""
    path = paths.config / TRUSTED_FILE
    if not path.exists():
        return []
    lines = path.read_text(errors="replace").splitlines()
    known = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
    return [_parsed(line, path) for line in known]


def trust(paths: Paths, key: TrustedKey) -> None:
    """Add a site to those that are known. Raises `OSError`."""
    path = private_directory(paths.config) / TRUSTED_FILE
    before = path.read_bytes() if path.exists() else b""
    separator = b"" if before.endswith(b"\n") or not before else b"\n"
    write_atomically(path, before + separator + _line(key).encode(), mode=0o600)


def key_text(public: bytes) -> str:
    """A public key as people pass it on: 44 letters."""
    return base64.b64encode(public).decode()


def parse_key(text: str) -> bytes:
    """The inverse of `key_text`. Raises `ValueError`."""
    public = base64.b64decode(text, validate=True)
    if len(public) != _PUBLIC_BYTES:
        raise ValueError(f"{len(public)} bytes are no Ed25519 key")
    return public


def now() -> str:
    """The time of a first use."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _line(key: TrustedKey) -> str:
    first_use = f" first-use {key.first_use}" if key.first_use else ""
    return f"{key.site} {key_text(key.public)}{first_use}\n"


def _parsed(line: str, path: Path) -> TrustedKey:
    try:
        site, text, *rest = line.split()
        if rest and (len(rest) != 2 or rest[0] != "first-use"):
            raise ValueError(line)
        return TrustedKey(site=site, public=parse_key(text), first_use=rest[1] if rest else None)
    except ValueError as error:
        raise VerificationFailed(
            say("{path}: not a trusted key: {line}", path=path, line=line[:80]),
            hint=say("a line is NAME KEY; `appliance models export` tells the key of its site"),
            code="BAD-TRUSTED-KEYS",
        ) from error


def _new_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def _not_a_key(path: Path) -> ApplianceError:
    return ApplianceError(
        say("{path} is not an Ed25519 key", path=path),
        hint=say("bring it back from a backup, or move it away: a new one is made"),
        code="BAD-SITE-KEY",
    )
