"""What the model hubs have in common: signed addresses that expire, ranges, refusals."""

from __future__ import annotations

import re
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from appliance.core.i18n import say
from appliance.core.reference import HubReference
from appliance.weights.faults import SourceFault, busy, gated, missing, not_the_file
from appliance.weights.http import Answer, Http
from appliance.weights.sources.base import Listing, RemoteFile, Source

_PAUSES_S = (0.5, 1.0, 2.0)
_LONGEST_PAUSE_S = 300.0
"""Hubs count requests in windows of five minutes."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class HubSource(Source):
    """A repository of a hub over HTTP."""

    connections = 8

    def __init__(self, http: Http, reference: HubReference) -> None:
        super().__init__(str(reference))
        self.http = http
        self.reference = reference
        self._signed: dict[str, str] = {}
        self._lock = threading.Lock()
        self._listing: Listing | None = None

    @abstractmethod
    def ask_listing(self) -> Listing:
        """Ask the hub what the repository holds."""

    @abstractmethod
    def address(self, file: RemoteFile) -> str:
        """The hub's own address of a file at the listed revision."""

    @abstractmethod
    def authorization(self) -> dict[str, str]:
        """Headers that show who asks; they only ever go to the hub itself."""

    def listing(self) -> Listing:
        """What the repository holds, asked once."""
        if self._listing is None:
            self._listing = self._insist(self.ask_listing)
        return self._listing

    def _insist(self, ask: Callable[[], Listing]) -> Listing:
        """Ask again where the hub is busy; a hub that cannot be reached is given up at once."""
        for pause_s in _PAUSES_S:
            try:
                return ask()
            except SourceFault as fault:
                if fault.error.code != "HUB-BUSY" or fault.wait_s > _LONGEST_PAUSE_S:
                    raise
                time.sleep(fault.wait_s or pause_s)
        return ask()

    @contextmanager
    def open(self, file: RemoteFile, start: int, end: int) -> Iterator[Iterator[bytes]]:
        """Bytes [start, end), from where the hub sent us the last time if that still works."""
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

    def check_status(self, answer: Answer, what: str) -> None:
        """Raise the `SourceFault` that a status (and the hub's own error code) means."""
        host, code = urlsplit(answer.url).netloc, answer.headers.get("x-error-code", "")
        status = answer.status
        if status in (200, 206):
            return
        if code == "GatedRepo" or (status in (401, 403) and not code and self.is_ours(answer.url)):
            raise gated(self.reference.repo, host)
        if code in ("RepoNotFound", "RevisionNotFound") or (status == 401 and code):
            raise missing(str(self.reference), host)
        if code == "EntryNotFound" or status in (404, 410):
            raise missing(what, self.label)
        if status == 416:
            raise not_the_file(host, say("it has less of the file than listed (416)"))
        raise busy(host, status, answer.wait_s())

    def is_ours(self, url: str) -> bool:
        """Whether an address is on the hub itself, not on a content network behind it."""
        return urlsplit(url).netloc == urlsplit(self.endpoint()).netloc

    @abstractmethod
    def endpoint(self) -> str:
        """Where the hub is."""

    def ask(self, url: str) -> tuple[Answer, object]:
        """One document of the hub's own API. Raises `SourceFault`."""
        answer, document = self.http.document(url, self.authorization())
        self.check_status(answer, str(self.reference))
        if document is None:
            host = urlsplit(answer.url).netloc
            raise not_the_file(host, say("its listing is not the hub's protocol"))
        return answer, document


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


def token_header(token: str | None) -> dict[str, str]:
    """The bearer header of a token, nothing without one."""
    return {"Authorization": f"Bearer {token.strip()}"} if token and token.strip() else {}
