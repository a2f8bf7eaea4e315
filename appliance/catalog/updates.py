"""Updates of the catalogue: signed files, checked before use; the one before is kept.

A signed catalogue is `models.toml` with a last line `# signed SITE KEY SIGNATURE`: an Ed25519
signature, as is the key in Base64, of all bytes before that line. It stays a readable TOML file.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Collection
from pathlib import Path

import msgspec

from appliance.catalog.models import Catalogue, installed_file, parse_catalogue, release_file
from appliance.core.errors import ApplianceError, UsageError, VerificationFailed
from appliance.core.files import write_atomically
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.paths import Paths, private_directory
from appliance.core.signature import SiteKey, key_text, parse_key, verify

MOST_BYTES = 4 << 20
"""The largest file that is looked at; today's catalogue has a fortieth of it."""
_LINE = b"# signed "


class CatalogueInfo(
    Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.catalogue/1"
):
    """The catalogue in use: of this release, or an update and whose signature it carries.

    `previous` is the date of what a rollback would bring back.
    """

    updated: str
    origin: str
    signed_by: str | None = None
    key: str | None = None
    previous: str | None = None


class Signed(msgspec.Struct, frozen=True):
    """The content of a signed file, and who signed it."""

    body: bytes
    site: str
    public: bytes
    signature: bytes


def sign(raw: bytes, key: SiteKey) -> bytes:
    """`raw` with the signature of `key`, in place of one that is there.

    Raises `ApplianceError` (`BAD-CATALOGUE`) for a file that is no catalogue.
    """
    body = raw[: _end_of_body(raw)]
    body = body if body.endswith(b"\n") else body + b"\n"
    parse_catalogue(body, say("the file"))
    signature = base64.b64encode(key.sign(body)).decode()
    return body + f"# signed {key.site} {key_text(key.public)} {signature}\n".encode()


def read_signed(raw: bytes) -> Signed:
    """Take a signed file apart. Raises `VerificationFailed` for one without a signature."""
    end = _end_of_body(raw)
    words = raw[end:].decode(errors="replace").split()
    try:
        _, _, site, key, signature = words
        return Signed(raw[:end], site, parse_key(key), base64.b64decode(signature, validate=True))
    except (ValueError, binascii.Error) as error:
        raise VerificationFailed(
            say("the catalogue carries no signature"),
            hint=say("sign it with `appliance models update --sign FILE` where it was made"),
            code="NOT-SIGNED",
        ) from error


def _end_of_body(raw: bytes) -> int:
    """Where the line with the signature begins; the end where there is none."""
    start = raw.rstrip(b"\n").rfind(b"\n") + 1
    return start if raw.startswith(_LINE, start) else len(raw)


def checked(raw: bytes, known: Collection[bytes]) -> tuple[Signed, Catalogue]:
    """A catalogue that one of the `known` keys signed, read and whole.

    Raises `VerificationFailed` for a wrong or unknown signature, `ApplianceError` for bad content.
    """
    signed = read_signed(raw)
    if signed.public not in known:
        raise VerificationFailed(
            say("{site} signed it, whose key is not known here", site=signed.site),
            hint=say(
                "ask {site} by another way whether this is its key, and give it with --key: {key}",
                site=signed.site,
                key=key_text(signed.public),
            ),
            code="UNKNOWN-SIGNER",
        )
    verify(signed.public, signed.body, signed.signature, say("the update"))
    return signed, parse_catalogue(signed.body, say("the update"))


def install(paths: Paths, raw: bytes, catalogue: Catalogue) -> CatalogueInfo:
    """Put a checked catalogue to use; the one in use now becomes the previous one.

    Raises `UsageError` for one that is older than what is in use.
    """
    now = in_use(paths)
    if catalogue.updated < now.updated:
        raise UsageError(
            say("the update of {new} is older than the catalogue in use, of {now}",
                new=catalogue.updated, now=now.updated),
            hint=say("to go back one step: appliance models update --rollback"),
            code="CATALOGUE-OLDER",
        )  # fmt: skip
    current = installed_file(paths)
    private_directory(current.parent)
    before = current if current.exists() else release_file()
    write_atomically(_previous_file(paths), before.read_bytes())
    write_atomically(current, raw)
    return in_use(paths)


def rollback(paths: Paths) -> CatalogueInfo:
    """Use the previous catalogue again. Raises `UsageError` where there is none."""
    previous = _previous_file(paths)
    if not previous.exists():
        raise UsageError(
            say("there is no earlier catalogue to go back to"),
            hint=say("the catalogue of this release is in use"),
            code="NO-PREVIOUS",
        )
    previous.replace(installed_file(paths))
    return in_use(paths)


def in_use(paths: Paths) -> CatalogueInfo:
    """Which catalogue is in use."""
    current = installed_file(paths)
    before, mine = _date(_previous_file(paths)), _date(current)
    release = parse_catalogue(release_file().read_bytes(), release_file()).updated
    if mine is None or mine < release:
        return CatalogueInfo(updated=release, origin="release", previous=before)
    with contextlib.suppress(VerificationFailed):
        signed = read_signed(current.read_bytes())
        key = key_text(signed.public)
        return CatalogueInfo(
            updated=mine, origin="update", signed_by=signed.site, key=key, previous=before
        )
    return CatalogueInfo(updated=mine, origin="release", previous=before)


def _previous_file(paths: Paths) -> Path:
    return installed_file(paths).with_name("previous.toml")


def _date(path: Path) -> str | None:
    """The date of the catalogue at `path`; `None` where there is none that can be read."""
    try:
        return parse_catalogue(path.read_bytes(), path).updated
    except (OSError, ApplianceError):
        return None
