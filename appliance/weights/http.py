"""All HTTP of this room, on httpx: proxies and certificates of this machine, nothing else.

`HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR` mean what they mean elsewhere; the
certificates of the system are trusted, so that a company's own authority works once installed.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import json
import os
import re
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from appliance.core.i18n import Text, say
from appliance.weights.faults import SourceFault, no_answer, not_the_file
from appliance.weights.peers import known_peers, no_peer
from appliance.weights.proxy import proxy_refused, unreached_proxy, usable_proxy

_MAX_REDIRECTS = 10
_MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
"""The longest honest ones, 3,000 entries of a hub or all files of a package, have 10 MB."""
_LIMITS = httpx.Limits(max_connections=64, keepalive_expiry=20.0)
_IDENTITY = {"Accept-Encoding": "identity", "User-Agent": "appliance"}


class Answer(msgspec.Struct, frozen=True):
    """Status and headers (names in lower case) of an answer, and where it came from in the end."""

    status: int
    headers: dict[str, str]
    url: str

    def wait_s(self) -> float:
        """How long the server wants to be left alone: `Retry-After`, else `RateLimit`'s reset."""
        retry_after = self.headers.get("retry-after")
        if retry_after is not None:
            return _seconds_until(retry_after)
        match = re.search(r"\br=0\s*;\s*t=(\d+)", self.headers.get("ratelimit", ""))
        return float(match[1]) if match else 0.0


class Http:
    """The connections of one job. Any thread may ask; `cut` ends whatever is under way.

    Documents are asked for over HTTP/2 where the server offers it, one after the other. Files have
    HTTP/1.1 connections of their own: ranges over one HTTP/2 connection were measured to come less
    than half as fast (`benchmarks/http2.py`), and one lost packet holds all of them up.
    """

    def __init__(self, *, stall_s: float = 30.0, connect_s: float = 10.0) -> None:
        self._timeout = httpx.Timeout(stall_s, connect=connect_s)
        self._clients: dict[bool, httpx.Client] = {}
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._live: set[httpx.Response] = set()
        self._lock = threading.Lock()
        self._is_cut = False

    def __enter__(self) -> Http:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every transfer and let go of the connections."""
        self.cut()
        for client in self._clients.values():
            client.close()

    def document(self, url: str, headers: dict[str, str]) -> tuple[Answer, Any]:
        """GET a JSON document; the document is `None` when the body is not JSON."""
        answer, raw = self.page(url, headers)
        try:
            return answer, json.loads(raw)
        except (ValueError, RecursionError):
            return answer, None

    def page(self, url: str, headers: dict[str, str]) -> tuple[Answer, bytes]:
        """GET a document of any kind. Raises `SourceFault` when there is no answer."""
        with self._turns[_host(url)], self._open(url, headers, http2=True) as response:
            raw = bytearray()
            for block in _blocks(response):
                raw += block
                if len(raw) > _MAX_DOCUMENT_BYTES:
                    raise not_the_file(_host(url), say("its listing has no end"), lasting=True)
            return _answer_of(response), bytes(raw)

    @contextlib.contextmanager
    def content(
        self, url: str, start: int, end: int, headers: dict[str, str]
    ) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """GET bytes [start, end) of a file; the iterator gives whatever the server sends.

        Raises `SourceFault` when there is no answer or when it breaks off.
        """
        wanted = {**headers, "Range": f"bytes={start}-{end - 1}"}
        with self._open(url, wanted, http2=False) as response:
            yield _answer_of(response), _blocks(response)

    def cut(self) -> None:
        """End every transfer now, from another thread: their readers see the end."""
        with self._lock:
            self._is_cut = True
            live = list(self._live)
        for response in live:
            _shut(response)

    @contextlib.contextmanager
    def _open(self, url: str, headers: dict[str, str], *, http2: bool) -> Iterator[httpx.Response]:
        client = self._client(url, http2=http2)
        with _explained(url), client.stream("GET", url, headers=headers) as response:
            if response.status_code == 407:
                raise proxy_refused(_host(url), f"407 {response.reason_phrase}")
            with self._lock:
                self._live.add(response)
                if self._is_cut:
                    _shut(response)
            try:
                yield response
            finally:
                with self._lock:
                    self._live.discard(response)

    def _client(self, url: str, *, http2: bool) -> httpx.Client:
        """Made when it is first needed: what needs no hub needs no good proxy either."""
        with self._lock:
            if http2 not in self._clients:
                with usable_proxy(_host(url)):
                    self._clients[http2] = _client(self._timeout, http2=http2)
            return self._clients[http2]


def _client(timeout: httpx.Timeout, *, http2: bool) -> httpx.Client:
    """Proxies and certificates of this machine; peers are reached directly, by their own."""
    return httpx.Client(
        verify=_trust(),
        http2=http2,
        timeout=timeout,
        follow_redirects=True,
        max_redirects=_MAX_REDIRECTS,
        limits=_LIMITS,
        headers=_IDENTITY,
        mounts={
            f"https://{place}": httpx.HTTPTransport(verify=peer.trust(), limits=_LIMITS)
            for place, peer in known_peers().items()
        },
    )


def _trust() -> ssl.SSLContext:
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _blocks(response: httpx.Response) -> Iterator[bytes]:
    with _explained(str(response.url)):
        yield from response.iter_raw()


def _shut(response: httpx.Response) -> None:
    stream = response.extensions.get("network_stream")
    raw = stream.get_extra_info("socket") if stream else None
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)


def _answer_of(response: httpx.Response) -> Answer:
    headers: dict[str, str] = {}
    for hop in [*response.history, response]:
        for name in hop.headers:
            headers[name.lower()] = hop.headers[name]
    return Answer(response.status_code, headers, str(response.url))


def _host(url: str) -> str:
    return urlsplit(url).netloc


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn what httpx raises into a `SourceFault` for people."""
    host = _host(url)
    try:
        yield
    except httpx.TooManyRedirects as error:
        raise not_the_file(host, say("it redirects for ever"), lasting=True) from error
    except httpx.ProxyError as error:
        raise proxy_refused(host, error) from error
    except httpx.ConnectError as error:
        raise _not_reached(url, error) from error
    except httpx.TimeoutException as error:
        raise no_answer(host, say("no bytes for too long")) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise not_the_file(
            host or url, say("bad address: {why}", why=error), lasting=True
        ) from error
    except (httpx.TransportError, httpx.StreamError, OSError) as error:
        raise _no_connection(host, error) from error


def _not_reached(url: str, error: httpx.ConnectError) -> SourceFault:
    host = _host(url)
    if host in known_peers():
        return SourceFault(no_peer(host, error), passing=True)
    return unreached_proxy(url, error) or _no_connection(host, error)


def _plainly(why: str) -> Text | str:
    """Without numbers of errors; the negative ones are those of looking a name up."""
    if re.match(r"\[Errno -\d+\]", why):
        return say("its name is not known: there is no DNS or no network here")
    return re.sub(r"^\[Errno \d+\] ", "", why)


def _no_connection(host: str, error: Exception) -> SourceFault:
    why = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" not in why:
        return no_answer(host, _plainly(why))
    untrusted = say("its certificate is not trusted ({why})", why=why)
    return no_answer(host, untrusted, _trust_hint(why), passing="not yet valid" in why)


def _trust_hint(why: str) -> Text:
    named = os.environ.get("SSL_CERT_FILE")
    if "not yet valid" in why or "expired" in why:
        now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z")
        return say("is the clock of this server right? it says {now}", now=now)
    if named and not os.access(named, os.R_OK):
        return say("SSL_CERT_FILE is {path}, which cannot be read", path=named)
    if named:
        return say(
            "SSL_CERT_FILE is {path}: is the certificate (PEM) of your site's authority in it?",
            path=named,
        )
    return say("if your site inspects TLS, set SSL_CERT_FILE to the certificate of its authority")


def _seconds_until(retry_after: str) -> float:
    """The meaning of a `Retry-After` header: seconds, or a date. 0 for what is neither."""
    text = retry_after.strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
