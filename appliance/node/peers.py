"""Sharing the store with other appliances: a listener that exists only while the operator wants it.

Its certificate is made here and known to the others by its fingerprint, which is part of the key,
so that neither names nor a clock that is wrong matter.
"""

from __future__ import annotations

import datetime
import logging
import secrets
import socket
import threading
from pathlib import Path

import msgspec

from appliance.core.disk_faults import disk_errors
from appliance.core.documents import from_json
from appliance.core.errors import ApplianceError
from appliance.core.files import write_atomically
from appliance.core.i18n import say
from appliance.core.paths import Paths, private_directory
from appliance.core.status import Listener
from appliance.node.state import State
from appliance.node.wishes import Shared, ShareOptions
from appliance.weights.peers import fingerprint

log = logging.getLogger(__name__)
_SETTING = "share"
_MOST_REQUESTS = 64
_END_S = 5.0


class Sharing:
    """Keeps the listener that was asked for, over restarts of the daemon too."""

    def __init__(self, paths: Paths, state: State) -> None:
        self._paths = paths
        self._state = state
        self._running: _Server | None = None

    def start(self) -> None:
        """Listen again where it was wanted; what is in the way is told in the history."""
        wanted = self._state.setting(_SETTING)
        if wanted is None:
            return
        try:
            with disk_errors(self._paths.state):
                self._listen(from_json(wanted.encode(), ShareOptions))
        except ApplianceError as error:
            self._state.record("warn", error.code, "share", say("{error}", error=error))

    def set(self, options: ShareOptions) -> Shared:
        """Share from now on, or no longer. Raises `ApplianceError` when it cannot listen there."""
        with disk_errors(self._paths.state):
            return self._set(options)

    def _set(self, options: ShareOptions) -> Shared:
        self.stop()
        if options.on:
            self._listen(options)
        self._state.set_setting(_SETTING, msgspec.json.encode(options).decode())
        where = f"{options.address}:{options.port}"
        text = (
            say("the store is shared at {where}", where=where)
            if options.on
            else say("the store is no longer shared")
        )
        self._state.record("info", "SHARED" if options.on else "NOT-SHARED", "share", text)
        identity = _identity(self._paths)
        return Shared(on=options.on, address=options.address, port=options.port, key=identity.key())

    def stop(self) -> None:
        """Listen no longer."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def listeners(self) -> list[Listener]:
        """The listener, while there is one."""
        return [self._running.listener] if self._running else []

    def _listen(self, options: ShareOptions) -> None:
        if not options.on:
            return
        identity = _identity(self._paths)  # first: what fails after a port was taken would keep it
        server = _Server(self._paths, identity, _bind(options), options)
        server.start()
        self._running = server


class _Identity(msgspec.Struct, frozen=True):
    secret: str
    certificate: Path
    private_key: Path

    def key(self) -> str:
        """What the operator carries to the other appliance."""
        return f"{self.secret}.{fingerprint(self.certificate.read_text())}"


def _identity(paths: Paths) -> _Identity:
    """The secret and the certificate of this appliance, made the first time."""
    directory = private_directory(paths.state / "share")
    secret, certificate, private_key = (directory / n for n in ("secret", "cert.pem", "key.pem"))
    if not secret.exists():
        made, pem = _certificate()
        write_atomically(private_key, pem, mode=0o600)
        write_atomically(certificate, made)
        write_atomically(secret, secrets.token_urlsafe(24).encode(), mode=0o600)
    return _Identity(secret.read_text(), certificate, private_key)


def _certificate() -> tuple[bytes, bytes]:
    """A certificate that vouches for itself, and its key. It has no use for dates or names."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "appliance")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), pem


def _bind(options: ShareOptions) -> socket.socket:
    try:
        family, kind, _, _, place = socket.getaddrinfo(
            options.address, options.port, type=socket.SOCK_STREAM
        )[0]
        listening = socket.socket(family, kind)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(place)
            listening.listen(_MOST_REQUESTS)
        except OSError:
            listening.close()
            raise
    except (OSError, OverflowError) as error:
        raise ApplianceError(
            say(
                "cannot listen at {address}:{port}: {error}",
                address=options.address,
                port=options.port,
                error=error,
            ),
            hint=say("take an address of this server (`ip -br address`), or another --port"),
            code="CANNOT-LISTEN",
        ) from error
    return listening


class _Server(threading.Thread):
    """The listener's own thread and event loop; files are read in threads beside it."""

    def __init__(
        self, paths: Paths, identity: _Identity, listening: socket.socket, options: ShareOptions
    ) -> None:
        import uvicorn

        from appliance.node.peer_api import build_peer_app
        from appliance.weights.store import Store

        super().__init__(name="share", daemon=True)
        self.listener = Listener(
            what="peers", address=options.address, port=listening.getsockname()[1], tls=True
        )
        self._listening = listening
        self._server = uvicorn.Server(
            uvicorn.Config(
                build_peer_app(Store(paths.models), identity.secret),
                ssl_certfile=identity.certificate,
                ssl_keyfile=identity.private_key,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="none",
                limit_concurrency=_MOST_REQUESTS,
                timeout_graceful_shutdown=1,
            )
        )

    def run(self) -> None:
        """Serve until told to stop."""
        self._server.run(sockets=[self._listening])

    def stop(self) -> None:
        """End whatever is under way."""
        self._server.should_exit = True
        self.join(_END_S)
        self._listening.close()
