"""For connections that never leave this server."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def no_tls() -> ssl.SSLContext:
    """A TLS context that trusts nobody, for httpx clients of plain HTTP on loopback.

    Without it each client loads the bundle of certificate authorities: 15 ms of processor time.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
