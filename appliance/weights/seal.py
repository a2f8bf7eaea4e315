"""Who vouches for an exported model: a signature over the hashes of everything in it.

`SHA256SUMS` lists every file, the manifest and `SITE-KEY` (`NAME KEY`) among them; `SIGNATURE` is
the Ed25519 signature of `SHA256SUMS` by that key.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from appliance.core.errors import VerificationFailed
from appliance.core.files import write_atomically
from appliance.core.i18n import Text, say
from appliance.core.paths import Paths
from appliance.core.signature import (
    KEY_FILE,
    TRUSTED_FILE,
    SiteKey,
    TrustedKey,
    key_text,
    now,
    parse_key,
    site_key,
    trust,
    trusted_keys,
    verify,
)
from appliance.weights.manifest import MANIFEST

SUMS, SIGNATURE, SITE_KEY = "SHA256SUMS", "SIGNATURE", "SITE-KEY"
Standing = Literal["unsigned", "trusted", "known", "first-use"]


class Seal(msgspec.Struct, frozen=True):
    """A signature that holds, and whose it is."""

    site: str
    public: bytes


class Verdict(msgspec.Struct, frozen=True):
    """What an export's signature is worth here.

    `trusted`: an operator named the key. `known`: it was taken at its word earlier. `first-use`:
    just now, which is on record from here on.
    """

    standing: Standing
    text: Text


def write_seal(directory: Path, sums: dict[str, str], key: SiteKey | None) -> None:
    """Write `SHA256SUMS`, and with a key the signature. `sums` are SHA-256 by file name."""
    if key is None:
        (directory / SIGNATURE).unlink(missing_ok=True)
        (directory / SITE_KEY).unlink(missing_ok=True)
    else:
        line = f"{key.site} {key_text(key.public)}\n".encode()
        write_atomically(directory / SITE_KEY, line)
        sums = {**sums, SITE_KEY: hashlib.sha256(line).hexdigest()}
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items()).encode()
    write_atomically(directory / SUMS, lines)
    if key is not None:
        write_atomically(directory / SIGNATURE, key.sign(lines))


def read_seal(directory: Path) -> Seal | None:
    """Who signed an export; `None` for nobody, or where the copy lacks the signature.

    Raises `VerificationFailed` for a signature that does not hold, `OSError`.
    """
    if not all((directory / name).exists() for name in (SIGNATURE, SUMS, SITE_KEY)):
        return None
    sums, line = (directory / SUMS).read_bytes(), (directory / SITE_KEY).read_bytes()
    seal = _parsed(directory, line)
    verify(seal.public, sums, (directory / SIGNATURE).read_bytes(), directory / SUMS)
    listed = _listed(sums)
    for name in (SITE_KEY, MANIFEST):
        found = hashlib.sha256((directory / name).read_bytes()).hexdigest()
        if listed.get(name) != found:
            raise VerificationFailed(
                say(
                    "{file} of {path} is not what was signed: SHA-256 {found}",
                    file=name,
                    path=directory,
                    found=found,
                ),
                hint=say("it was changed on the way; copy it again from where it came"),
                code="BAD-SIGNATURE",
            )
    return seal


def _parsed(directory: Path, line: bytes) -> Seal:
    try:
        site, text = line.decode().split()
        return Seal(site, parse_key(text))
    except ValueError as error:
        raise VerificationFailed(
            say("{path} is not the key of a site", path=directory / SITE_KEY),
            hint=say("copy it again from where it came"),
            code="BAD-SIGNATURE",
        ) from error


def _listed(sums: bytes) -> dict[str, str]:
    pairs = (line.split("  ", 1) for line in sums.decode(errors="replace").splitlines())
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def judge(directory: Path, paths: Paths, *, require: bool) -> Verdict:
    """What the signature of an export is worth here.

    An unknown site is taken at its word once, and that is recorded; not with `require`.
    Raises `VerificationFailed` (`UNSIGNED`, `UNKNOWN-KEY`, `KEY-CHANGED`, `BAD-SIGNATURE`).
    """
    seal = read_seal(directory)
    if seal is None:
        return _unsigned(directory, require)
    if (paths.config / KEY_FILE).exists() and seal.public == site_key(paths).public:
        return Verdict("trusted", say("{path} is signed by this site", path=directory))
    known = trusted_keys(paths)
    same_key = [key for key in known if key.public == seal.public]
    if same_key:
        return _known(directory, same_key[0])
    if other := next((key for key in known if key.site == seal.site), None):
        raise _changed(directory, seal, other, paths)
    if require:
        raise _unknown(directory, seal, paths)
    trust(paths, TrustedKey(site=seal.site, public=seal.public, first_use=now()))
    text = say(
        "{path} is signed by {site} (key {key}), not seen before: taken at its word and recorded",
        path=directory,
        site=seal.site,
        key=key_text(seal.public),
    )
    return Verdict("first-use", text)


def _unsigned(directory: Path, require: bool) -> Verdict:
    text = say("{path} is not signed: nobody vouches for it", path=directory)
    if require:
        raise VerificationFailed(
            text, hint=say("export it with a version that signs"), code="UNSIGNED"
        )
    return Verdict("unsigned", text)


def _known(directory: Path, key: TrustedKey) -> Verdict:
    if key.first_use is None:
        text = say("{path} is signed by {site}, which is trusted", path=directory, site=key.site)
        return Verdict("trusted", text)
    text = say(
        "{path} is signed by {site}, known since {time}",
        path=directory,
        site=key.site,
        time=key.first_use,
    )
    return Verdict("known", text)


def _changed(directory: Path, seal: Seal, other: TrustedKey, paths: Paths) -> VerificationFailed:
    return VerificationFailed(
        say(
            "{path} is signed by {site} with key {key}, but {site} is known here with key {known}",
            path=directory,
            site=seal.site,
            key=key_text(seal.public),
            known=key_text(other.public),
        ),
        hint=say(
            "ask that site; if it has a new key, remove its line from {file}",
            file=paths.config / TRUSTED_FILE,
        ),
        code="KEY-CHANGED",
    )


def _unknown(directory: Path, seal: Seal, paths: Paths) -> VerificationFailed:
    line = f"{seal.site} {key_text(seal.public)}"
    return VerificationFailed(
        say("{path} is signed by {site}, which is not known here", path=directory, site=seal.site),
        hint=say(
            "if that is its key, add the line `{line}` to {file}",
            line=line,
            file=paths.config / TRUSTED_FILE,
        ),
        code="UNKNOWN-KEY",
    )
