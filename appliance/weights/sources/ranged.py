"""Files behind addresses of the web, read by ranges over several connections."""

from __future__ import annotations

import re
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from appliance.core.i18n import say
from appliance.weights.faults import SourceFault, not_the_file
from appliance.weights.http import Answer, Http
from appliance.weights.sources.base import RemoteFile, Source

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class RangedSource(Source):
    """A server that answers for a file itself or sends us on to a signed address that expires."""

    connections = 16

    def __init__(self, http: Http, label: str) -> None:
        super().__init__(label)
        self.http = http
        self._signed: dict[str, str] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def address(self, file: RemoteFile) -> str:
        """The server's own address of a file."""

    @abstractmethod
    def authorization(self) -> dict[str, str]:
        """Headers that show who asks; they only ever go to the server itself."""

    @abstractmethod
    def check_status(self, answer: Answer, what: str) -> None:
        """Raise the `SourceFault` that a status means."""

    @contextmanager
    def open(self, file: RemoteFile, start: int, end: int) -> Iterator[Iterator[bytes]]:
        """Bytes [start, end), from where the server sent us the last time if that still works."""
        signed = self._signed.get(file.name)
        url = signed or self.address(file)
        headers = {} if signed else self.authorization()
        with self.http.content(url, start, end, headers) as (answer, blocks):
            try:
                skip = self._check(file, answer, start, end)
            except SourceFault as fault:
                self._forget(file)
                raise SourceFault(
                    fault.error,
                    lasting=fault.lasting and not signed,
                    wait_s=fault.wait_s,
                    stale=signed is not None,
                    refused=fault.refused,
                    passing=fault.passing,
                ) from fault
            self._remember(file, answer.url, self.address(file))
            yield _skipping(blocks, skip)

    def measure(self, file: RemoteFile) -> int:
        """The size that a range of one byte reveals."""
        with self.http.content(self.address(file), 0, 1, self.authorization()) as (answer, _):
            self.check_status(answer, file.name)
            match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
            if match and match[3] != "*":
                return int(match[3])
            length = answer.headers.get("content-length", "")
            if answer.status == 200 and length.isdigit():
                return int(length)
        return super().measure(file)

    def _remember(self, file: RemoteFile, url: str, own: str) -> None:
        if urlsplit(url).netloc != urlsplit(own).netloc or not self.authorization():
            with self._lock:
                self._signed[file.name] = url

    def _forget(self, file: RemoteFile) -> None:
        with self._lock:
            self._signed.pop(file.name, None)

    def _check(self, file: RemoteFile, answer: Answer, start: int, end: int) -> int:
        """How many bytes of the body lie before `start`. Raises `SourceFault` for a bad answer."""
        host = urlsplit(answer.url).netloc
        self.check_status(answer, file.name)
        if answer.headers.get("content-type", "").startswith("text/html"):
            raise not_the_file(host, say("it sent a web page"))
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise not_the_file(host, say("it sent an encoded body"), lasting=True)
        if answer.status == 206:
            _check_range(host, answer, start, end, file.bytes)
            return 0
        if start or (file.bytes is not None and end < file.bytes):
            self.sequential, self.connections = True, 1
        return start


def _check_range(host: str, answer: Answer, start: int, end: int, size: int | None) -> None:
    match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if match is None or int(match[1]) != start or int(match[2]) != end - 1:
        raise not_the_file(host, say("it sent another range than the one asked for"))
    if size is not None and match[3] != "*" and int(match[3]) != size:
        raise not_the_file(
            host,
            say("its file has {there} bytes, listed are {listed}", there=match[3], listed=size),
            lasting=True,
        )


def _skipping(blocks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for block in blocks:
        if skip >= len(block):
            skip -= len(block)
            continue
        yield block[skip:] if skip else block
        skip = 0
