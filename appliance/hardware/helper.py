"""The helper process: one vendor library, where it may hang or crash without taking us along.

Run as `python -m appliance.hardware.helper MODULE:CLASS`. Requests come on stdin, answers go to
stdout, as msgpack with a length before it. The main thread only listens: it ends the process when
the parent's end of the pipe is gone, also while the library hangs in another thread.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from importlib import import_module
from typing import BinaryIO

import msgspec

from appliance.hardware.vendors.base import (
    ABSENT,
    CardByCard,
    Library,
    LibraryGone,
    Reading,
    Report,
    Vendor,
)


class Request(msgspec.Struct, frozen=True):
    """Read all cards but those in `skip`."""

    processes: bool = False
    skip: list[str] = []


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The library is bound."""


class Cards(msgspec.Struct, frozen=True, tag=True):
    """All cards there are, before they are read one by one."""

    keys: list[str]


class Begin(msgspec.Struct, frozen=True, tag=True):
    """The card that is read next."""

    key: str


class Got(msgspec.Struct, frozen=True, tag=True):
    """What the card that was begun told."""

    reading: Reading


class Done(msgspec.Struct, frozen=True, tag=True):
    """The end of an answer; readings that came card by card are not repeated."""

    report: Report


Message = Opened | Cards | Begin | Got | Done
_LENGTH = 4


def frame(message: object) -> bytes:
    """A message as it goes over the pipe."""
    raw = msgspec.msgpack.encode(message)
    return len(raw).to_bytes(_LENGTH, "little") + raw


def take_frame(buffer: bytearray) -> bytes | None:
    """The first whole frame of `buffer`, removed from it; `None` when it is not whole yet."""
    end = _LENGTH + int.from_bytes(buffer[:_LENGTH], "little")
    if len(buffer) < max(end, _LENGTH):
        return None
    raw = bytes(buffer[_LENGTH:end])
    del buffer[:end]
    return raw


def load_vendor(path: str) -> Vendor:
    """An instance of `MODULE:CLASS`."""
    module, _, name = path.partition(":")
    vendor = getattr(import_module(module), name)()
    if not isinstance(vendor, Vendor):
        raise TypeError(path)
    return vendor


class _Server:
    """Answers requests about one vendor; opens its library when first asked, and when it went."""

    def __init__(self, vendor: Vendor, out: BinaryIO) -> None:
        self._vendor = vendor
        self._out = out
        self._library: Library | None = None

    def answer(self, request: Request) -> None:
        try:
            if self._library is None:
                self._library = self._vendor.open_library()
            self._send(Opened())
            report = self._read(request)
        except LibraryGone as gone:
            self._library = None
            report = gone.report
        self._send(Done(report))

    def _read(self, request: Request) -> Report:
        library = self._library
        if library is None:
            return ABSENT
        if not isinstance(library, CardByCard):
            return library.read(processes=request.processes)
        keys = library.cards()
        self._send(Cards(keys))
        for key in keys:
            if key not in request.skip:
                self._send(Begin(key))
                self._send(Got(library.read_card(key, processes=request.processes)))
        return Report(answer="ok", silent=[key for key in keys if key in request.skip])

    def _send(self, message: Message) -> None:
        self._out.write(frame(message))
        self._out.flush()


def _serve(vendor_path: str, requests: queue.SimpleQueue[Request], out: BinaryIO) -> None:
    try:
        server = _Server(load_vendor(vendor_path), out)
        while True:
            server.answer(requests.get())
    finally:
        os._exit(1)  # the parent reads the end of the pipe and knows


def _own_channels() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the parent; libraries that print write to nowhere."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    return requests, answers


def main() -> None:
    """Serve until the parent is gone."""
    incoming, out = _own_channels()
    requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
    threading.Thread(target=_serve, args=(sys.argv[1], requests, out), daemon=True).start()
    buffer = bytearray()
    while chunk := os.read(incoming.fileno(), 65536):
        buffer += chunk
        while (raw := take_frame(buffer)) is not None:
            requests.put(msgspec.msgpack.decode(raw, type=Request))
    os._exit(0)


if __name__ == "__main__":
    main()
