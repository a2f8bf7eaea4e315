"""The sockets that the gateway listens on."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from appliance.core.errors import ApplianceError, NeedsRights
from appliance.core.i18n import say

_LOOPBACK = "127.0.0.1"


def loopback(port: int) -> socket.socket:
    """A socket for 127.0.0.1:`port`. Raises `ApplianceError` (`PORT-TAKEN`) and `NeedsRights`.

    The protocol is named because asyncio sets TCP_NODELAY only where it is.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, port))
        listener.listen(1024)
    except PermissionError as error:
        listener.close()
        raise NeedsRights(
            say("not allowed to listen on port {port}", port=port),
            hint=say("choose a port of 1024 or more"),
        ) from error
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise ApplianceError(
            say("port {port} is taken by another program", port=port),
            hint=say("end that program, or choose another port"),
            code="PORT-TAKEN",
        ) from error
    return listener


def operators_socket(path: Path) -> socket.socket:
    """A Unix socket that only its owner can open (mode 0600).

    Raises `ApplianceError` (`PATH-TOO-LONG`) where the kernel cannot take the path.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise ApplianceError(
            say("cannot make the socket {path}: {error}", path=path, error=error),
            hint=say("choose a directory with a short path (APPLIANCE_HOME)"),
            code="PATH-TOO-LONG",
        ) from error
    finally:
        os.umask(before)
    listener.listen(1024)
    return listener
