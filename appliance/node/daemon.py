"""The daemon process: lock, log, socket, then serve until told to leave."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from logging.handlers import RotatingFileHandler

from appliance import __version__
from appliance.core.config import load_config
from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.paths import Paths
from appliance.node.start import check_socket_path, daemon_log, make_directories, sole_daemon

log = logging.getLogger(__name__)
_LOG_BYTES = 4 * 1024 * 1024


def run_daemon(paths: Paths) -> int:
    """Serve until TERM, INT or `/stop`; engines and gateway go on after TERM. Returns 0.

    A second daemon of the same state gives way at once, also with 0.
    """
    check_socket_path(paths)
    make_directories(paths)
    os.umask(0o077)
    with sole_daemon(paths) as first:
        if not first:
            return 0
        _log_to_file(paths)
        load_config(paths)
        listening = _listen(paths)
        try:
            _serve(paths, listening)
        finally:
            listening.close()
            _unlink_socket(paths)
    return 0


def _unlink_socket(paths: Paths) -> None:
    """Nobody is to find it any more; where the disk became read-only, nobody answers there."""
    with suppress(OSError):
        paths.node_socket.unlink()


def _log_to_file(paths: Paths) -> None:
    logging.raiseExceptions = False  # a full disk must not fill another file with complaints
    handler = RotatingFileHandler(daemon_log(paths), maxBytes=_LOG_BYTES, backupCount=3)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for chatty in ("httpx", "httpcore", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    log.info(
        "daemon %s starts, pid %s, python %s", __version__, os.getpid(), sys.version.split()[0]
    )


def _listen(paths: Paths) -> socket.socket:
    """The local socket, readable and writable for its owner alone (the umask sees to it)."""
    paths.node_socket.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(paths.node_socket))
    except OSError as error:
        raise ApplianceError(
            say("cannot listen at {path}: {error}", path=paths.node_socket, error=error.strerror),
            hint=say("check the rights and the free space of {path}", path=paths.state),
        ) from error
    paths.node_socket.chmod(0o600)
    listening.listen(128)
    return listening


def _serve(paths: Paths, listening: socket.socket) -> None:
    import uvicorn

    from appliance.node.api import build_app
    from appliance.node.node import Node

    node = Node(paths)

    def leave() -> None:
        _unlink_socket(paths)  # whoever comes now needs the next daemon
        server.should_exit = True

    config = uvicorn.Config(
        build_app(node, leave),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn hands a signal on to whoever was there before it: without us, that is death
        signal.signal(number, lambda *_: leave())
    try:
        node.start()
        server.run(sockets=[listening])
    finally:
        node.close()
        log.info("daemon leaves")
