"""Loopback ports for engines."""

from __future__ import annotations

import socket

from appliance.core.loopback import LOOPBACK, free_port
from appliance.supervisor.table import members_of


def is_free(port: int, count: int = 1) -> bool:
    """Whether an engine could listen at this loopback port, and the `count - 1` after it."""
    return all(_is_free(one) for one in range(port, port + count))


def first_free(count: int) -> int:
    """The first of `count` loopback ports in a row that nobody listens at now."""
    return next(port for port in iter(free_port, None) if is_free(port, count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


def is_held_by(port: int, pid: int) -> bool:
    """Whether the process, or one that it started, listens at the loopback port."""
    return any(port in listening_ports(entry.pid) for entry in members_of(pid))


def listening_ports(pid: int) -> set[int]:
    """The TCP ports one process listens at; empty for one that is gone or not ours to ask."""
    import psutil

    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return set()
    return {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}
