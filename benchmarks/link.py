"""A line between two network namespaces, with a rate, a delay and loss. Needs root.

Where the kernel has `netem`, that is what shapes it. Where it has not, packets go through this
process by two TUN devices (with segmentation offload, so loss takes up to 64 KiB at a time).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import multiprocessing
import os
import random
import select
import struct
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

SERVER, CONTENT, CLIENT = "10.91.0.1", "10.91.0.3", "10.91.0.2"
_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
_OFFLOAD = 0x01 | 0x02  # checksums and TCP segmentation for IPv4 (linux/if_tun.h)
_QUEUE_S = 0.05
"""What the line's buffer holds, as on a switch; more is dropped."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """`delay_ms` each way; `loss` is a share of packets, towards the client."""

    rate_gbit: float
    delay_ms: float
    loss: float


@contextlib.contextmanager
def namespaces(line: Line) -> Iterator[tuple[str, str]]:
    """The names of the namespaces at the server's and at the client's end."""
    names = [f"line-{os.getpid()}-{end}" for end in ("s", "c")]
    for name in names:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
    try:
        with _shaped(line, *names):
            yield names[0], names[1]
    finally:
        for name in names:
            _ip("netns", "del", name)


def enter(namespace: str) -> None:
    """Move this thread into a namespace."""
    with Path("/run/netns", namespace).open() as place:
        if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), namespace)


def shaper() -> str:
    """What shapes the line here: `netem` or `tun`."""
    _ip("link", "add", "probe-s", "type", "veth", "peer", "probe-c")
    try:
        done = subprocess.run(
            ["tc", "qdisc", "add", "dev", "probe-s", "root", "netem", "delay", "1ms"],
            capture_output=True,
        )
    finally:
        _ip("link", "del", "probe-s")
    return "tun" if done.returncode else "netem"


@contextlib.contextmanager
def _shaped(line: Line, server: str, client: str) -> Iterator[None]:
    if shaper() == "netem":
        _ip(
            "link",
            "add",
            "line-s",
            "netns",
            server,
            "type",
            "veth",
            "peer",
            "line-c",
            "netns",
            client,
        )
        _addresses(server, client)
        for name, device, loss in ((server, "line-s", line.loss), (client, "line-c", 0.0)):
            subprocess.run(
                [
                    *("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", device, "root"),
                    *("netem", "limit", "100000", "delay", f"{line.delay_ms}ms"),
                    *("loss", f"{loss:.4%}", "rate", f"{line.rate_gbit}gbit"),
                ],
                check=True,
            )
        yield
        return
    ends = [_tun("line-s"), _tun("line-c")]
    for name, device in ((server, "line-s"), (client, "line-c")):
        _ip("link", "set", device, "netns", name)
    _addresses(server, client)
    fork = multiprocessing.get_context("fork")
    ways = ((ends[0], ends[1], line.loss), (ends[1], ends[0], 0.0))
    carriers = [fork.Process(target=_carry, args=(*way, line), daemon=True) for way in ways]
    for carrier in carriers:
        carrier.start()
    try:
        yield
    finally:
        for carrier in carriers:
            carrier.kill()
            carrier.join()
        for end in ends:
            os.close(end)


def _tun(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH", name.encode(), flags))
    fcntl.ioctl(descriptor, _TUNSETOFFLOAD, _OFFLOAD)
    return descriptor


def _addresses(server: str, client: str) -> None:
    _address(server, "line-s", SERVER)
    _address(server, "line-s", CONTENT)
    _address(client, "line-c", CLIENT)


def _address(namespace: str, device: str, address: str) -> None:
    _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", device)
    _ip("-n", namespace, "link", "set", device, "up")


def _carry(source: int, target: int, loss: float, line: Line) -> None:
    """Take packets from one end to the other, late and not all."""
    chance = random.Random(7)
    bps, delay_s = line.rate_gbit * 1e9 / 8, line.delay_ms / 1e3
    waiting: deque[tuple[float, bytes]] = deque()
    free_at = 0.0
    while True:
        patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select([source], [], [], patience)
        now = time.monotonic()
        while ready:
            try:
                packet = os.read(source, 70_000)
            except BlockingIOError:
                break
            if chance.random() < loss or free_at - now > _QUEUE_S:
                continue
            free_at = max(free_at, now) + len(packet) / bps
            waiting.append((free_at + delay_s, packet))
        while waiting and waiting[0][0] <= now:
            with contextlib.suppress(BlockingIOError, OSError):
                os.write(target, waiting.popleft()[1])


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
