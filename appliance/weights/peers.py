"""Other appliances on the LAN whose stores may be read: what they say, and how we know them.

The key that an operator carries from one appliance to the other is a secret and the fingerprint of
the sharing side's certificate: the one proves us to it, the other proves it to us.
"""

from __future__ import annotations

import hashlib
import logging
import ssl
from base64 import urlsafe_b64encode
from urllib.parse import quote

import msgspec

from appliance.core.documents import from_json, prepare
from appliance.core.errors import ApplianceError, NeedsRights, Unreachable, UsageError
from appliance.core.files import write_atomically
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.paths import find_paths, private_directory
from appliance.core.pull import Trust

log = logging.getLogger(__name__)
_CONNECT_S = 10.0
_Record = bytes


class PeerFile(Document, frozen=True, kw_only=True):
    """A file of a shared model; `chunks` is the record of its chunk digests."""

    name: str
    bytes: int
    sha256: str
    trust: Trust
    chunks: _Record | None = None


class PeerModel(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.peer/1"):
    """A whole model of a shared store."""

    id: str
    reference: str
    revision: str
    files: list[PeerFile]


class SharedModel(Document, frozen=True, kw_only=True):
    """One line of what is shared."""

    id: str
    bytes: int


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """An appliance that we may read from; `certificate` in PEM."""

    secret: str
    certificate: str

    def authorization(self) -> dict[str, str]:
        """The header that shows who asks."""
        return {"Authorization": f"Bearer {self.secret}"}

    def trust(self) -> ssl.SSLContext:
        """Accepts this peer's certificate and no other; names and authorities mean nothing."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=self.certificate)
        return context


prepare(Peer, PeerModel)


def fingerprint(certificate: str) -> str:
    """SHA-256 of a certificate (PEM), as it stands in a key."""
    der = ssl.PEM_cert_to_DER_cert(certificate)
    return urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def known_peers() -> dict[str, Peer]:
    """The peers of this appliance by `HOST:PORT`; none where that record cannot be read."""
    try:
        return from_json((find_paths().config / "peers.json").read_bytes(), dict[str, Peer])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("peers.json cannot be read: %s", error)
        return {}


def _keep(peers: dict[str, Peer]) -> None:
    path = private_directory(find_paths().config) / "peers.json"
    write_atomically(path, msgspec.json.encode(peers), mode=0o600)


def meet(host: str, port: int, key: str) -> list[SharedModel]:
    """Get to know the peer at `host`; what it shares. The secret goes to nobody but its owner.

    Raises `Unreachable`, `UsageError` (no key), `NeedsRights` (the key of another appliance).
    """
    secret, dot, expected = key.strip().partition(".")
    if not dot or not secret.isascii() or not secret.isprintable():
        raise UsageError(
            say("that is no key of an appliance"),
            hint=say("`appliance models share` on the other appliance shows it"),
            code="BAD-PEER-KEY",
        )
    authority = f"{host}:{port}"
    certificate = _certificate_of(host, port)
    if fingerprint(certificate) != expected:
        raise _wrong_key(authority)
    peer = Peer(secret=secret, certificate=certificate)
    models = _models_of(authority, peer)
    _keep({**known_peers(), authority: peer})
    return models


def forget(host: str, port: int) -> None:
    """Never ask this peer again."""
    _keep({place: peer for place, peer in known_peers().items() if place != f"{host}:{port}"})


def _certificate_of(host: str, port: int) -> str:
    try:
        return ssl.get_server_certificate((host.strip("[]"), port), timeout=_CONNECT_S)
    except OSError as error:
        raise no_peer(f"{host}:{port}", error) from error


def _models_of(authority: str, peer: Peer) -> list[SharedModel]:
    import httpx

    try:
        with httpx.Client(verify=peer.trust(), trust_env=False, timeout=_CONNECT_S) as client:
            answer = client.get(f"https://{authority}/models", headers=peer.authorization())
    except (httpx.TransportError, OSError) as error:
        raise no_peer(authority, error) from error
    if answer.status_code in (401, 403):
        raise _wrong_key(authority)
    try:
        return from_json(answer.content, list[SharedModel])
    except msgspec.MsgspecError as error:
        raise no_peer(authority, error) from error


def no_peer(authority: str, error: Exception) -> ApplianceError:
    """Nobody answers there, or not as an appliance does."""
    return Unreachable(
        say("no appliance answers at {place}: {why}", place=authority, why=error),
        hint=say("is it shared there, on an address of the network? `appliance models share`"),
        code="NO-PEER",
    )


def _wrong_key(authority: str) -> ApplianceError:
    return NeedsRights(
        say("{place} does not have this key", place=authority),
        hint=say("`appliance models share` on that appliance shows its key"),
        code="PEER-KEY",
    )


def model_address(authority: str, model_id: str) -> str:
    """Where a peer tells of one of its models."""
    return f"https://{authority}/models/{quote(model_id, safe='')}"


def blob_address(authority: str, sha256: str) -> str:
    """Where a peer has the bytes of a file."""
    return f"https://{authority}/blobs/{sha256}"
