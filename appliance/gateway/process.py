"""The gateway as a process: how to start it, and how to find the one that runs.

The gateway holds a lock on its state directory for as long as it lives, so "is there one" is a
question to the kernel, not to a pid that may have become somebody else's.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path

import msgspec

from appliance.core.documents import from_json, to_json
from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.paths import private_directory

KEYS_FILE = "keys.sqlite"
SOCKET_FILE = "gateway.sock"
_STATE_FILE = "gateway.json"
_LOCK_FILE = "gateway.lock"
_LOCK_WAIT_S = 1.0


class GatewayState(Document, frozen=True, kw_only=True):
    """The gateway that serves a state directory, on 127.0.0.1:`port` and on its socket."""

    pid: int
    port: int
    version: str


def gateway_argv(state: Path, port: int) -> list[str]:
    """The command that serves `state`; it stays in the foreground and logs to stderr.

    Port 0 lets the kernel choose; `running` tells what it became.
    """
    module = [sys.executable, "-m", "appliance.gateway"]
    return [*module, "--state", str(state), "--port", str(port)]


def running(state: Path) -> GatewayState | None:
    """The gateway that serves `state` now; `None` when there is none or it is not ready yet."""
    try:
        descriptor = os.open(state / _LOCK_FILE, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(state / _STATE_FILE)
    finally:
        os.close(descriptor)
    return None


def take_over(state: Path) -> int:
    """Lock `state` for this process until it ends; returns the lock's descriptor.

    Raises `ApplianceError` (`GATEWAY-RUNS`) when another gateway has it.
    """
    private_directory(state)
    descriptor = os.open(state / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:  # a gateway, or `running` for a moment
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise _runs_already(state) from None
            time.sleep(0.02)
    (state / _STATE_FILE).unlink(missing_ok=True)
    return descriptor


def announce(state: Path, port: int, version: str) -> None:
    """Say that this process is ready to be asked."""
    text = to_json(GatewayState(pid=os.getpid(), port=port, version=version))
    draft = state / f".{_STATE_FILE}.new"
    draft.write_text(text, encoding="utf-8")
    draft.replace(state / _STATE_FILE)


def _read(path: Path) -> GatewayState | None:
    try:
        return from_json(path.read_bytes(), GatewayState)
    except (OSError, msgspec.MsgspecError):
        return None


def _runs_already(state: Path) -> ApplianceError:
    return ApplianceError(
        say("a gateway for {state} runs already", state=state),
        hint=say("see `appliance status`"),
        code="GATEWAY-RUNS",
    )
