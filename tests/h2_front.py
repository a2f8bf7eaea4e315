"""A TLS front of a loopback hub that offers HTTP/2, as content networks do.

Whoever does not take the offer is passed through to the hub as it is (HTTP/1.1).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx
from hub import LoopbackHub

_DROPPED = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length"})


@dataclass
class H2Front:
    """`paths` were asked over HTTP/2; `connections` counts TLS connections by protocol."""

    hub: LoopbackHub
    certificate: Path
    key: Path
    paths: list[str] = field(default_factory=list)
    connections: dict[str, int] = field(default_factory=lambda: {"h2": 0, "http/1.1": 0})

    def __post_init__(self) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, self.key)
        self._context.set_alpn_protocols(["h2", "http/1.1"])
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.port = self._listening.getsockname()[1]
        self.url = f"https://localhost:{self.port}"
        self.hub.cdn = f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> H2Front:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in [self._listening, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self._listening.accept()
                threading.Thread(target=self._greet, args=(raw,), daemon=True).start()

    def _greet(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError, h2.connection.ProtocolError):  # type: ignore[attr-defined]
            stream = self._context.wrap_socket(raw, server_side=True)
            protocol = stream.selected_alpn_protocol() or "http/1.1"
            with self._lock:
                self.connections[protocol] += 1
                self._open.append(stream)
            if protocol == "h2":
                _Http2(self, stream).run()
            else:
                _pass_through(stream, self.hub.port)


class _Http2:
    """One connection; every request is asked of the hub and answered in turn."""

    def __init__(self, front: H2Front, stream: socket.socket) -> None:
        self._front = front
        self._stream = stream
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self._waiting: dict[int, bytes] = {}

    def run(self) -> None:
        self._h2.initiate_connection()
        self._flush()
        while raw := self._stream.recv(65536):
            for event in self._h2.receive_data(raw):
                if isinstance(event, h2.events.RequestReceived):
                    self._answer(event)
            self._pump()
            self._flush()

    def _answer(self, event: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in event.headers}
        path = headers.pop(":path")
        self._front.paths.append(path)
        plain = {name: value for name, value in headers.items() if not name.startswith(":")}
        answer = httpx.get(f"{self._front.hub.url}{path}", headers=plain, trust_env=False)
        shown = [(n, v) for n, v in answer.headers.items() if n not in _DROPPED]
        status = [(":status", str(answer.status_code))]
        self._h2.send_headers(event.stream_id, [*status, *shown])
        self._waiting[event.stream_id] = answer.content

    def _pump(self) -> None:
        """Send what the windows have room for."""
        for stream_id, body in list(self._waiting.items()):
            while body and (room := self._room(stream_id)):
                self._h2.send_data(stream_id, body[:room])
                body = body[room:]
            self._waiting[stream_id] = body
            if not body:
                self._h2.end_stream(stream_id)
                del self._waiting[stream_id]

    def _room(self, stream_id: int) -> int:
        window = self._h2.local_flow_control_window(stream_id)
        return min(window, self._h2.max_outbound_frame_size)

    def _flush(self) -> None:
        self._stream.sendall(self._h2.data_to_send())


def _pass_through(stream: socket.socket, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as behind:
        back = threading.Thread(target=_copy, args=(behind, stream), daemon=True)
        back.start()
        _copy(stream, behind)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for block in _blocks(source):
            target.sendall(block)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _blocks(source: socket.socket) -> Iterator[bytes]:
    while block := source.recv(1 << 16):
        yield block
