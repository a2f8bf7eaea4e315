"""For connections that never leave this server."""

from __future__ import annotations

import socket
import ssl
from functools import cache

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A loopback port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@cache
def no_tls() -> ssl.SSLContext:
    """A TLS context that trusts nobody, for httpx clients of plain HTTP on loopback.

    Without it each client loads the bundle of certificate authorities: 15 ms of processor time.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
