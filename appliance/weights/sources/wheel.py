"""A wheel behind the address that a package index gives for it, read by ranges like a hub's files.

The index is asked as installers ask it: https://packaging.python.org/en/latest/specifications/
simple-repository-api/ (PEP 503 pages and PEP 691 documents).
"""

from __future__ import annotations

import ast
import base64
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

import msgspec

from appliance.core.i18n import say
from appliance.core.reference import IndexReference
from appliance.weights.faults import SourceFault, busy, missing, not_the_file
from appliance.weights.http import Answer, Http
from appliance.weights.names import is_sha256
from appliance.weights.sources.base import Listing, RemoteFile
from appliance.weights.sources.ranged import RangedSource

_PIPS_OWN = "https://pypi.org/simple"
"""The index of a pip that nobody has set up with another."""
_ACCEPT = {"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.5"}
_CONFIG_S = 30.0
_SECTIONS = ("global", "download", ":env:")
_SETTING = re.compile(rf"({'|'.join(_SECTIONS)})\.([\w-]+)=(.+)")
_SHA256 = re.compile(r"sha256=([0-9a-f]{64})")


class Place(msgspec.Struct, frozen=True):
    """An address without the user in it, and the headers that show who asks."""

    url: str
    headers: dict[str, str]

    @staticmethod
    def of(text: str) -> Place:
        """The place that an installer's setting names, where a user may stand before the host."""
        parts = urlsplit(text)
        user, at, host = parts.netloc.rpartition("@")
        url = urlunsplit(parts._replace(netloc=host))
        basic = base64.b64encode(unquote(user).encode()).decode()
        return Place(url, {"Authorization": f"Basic {basic}"} if at else {})

    def headers_for(self, url: str) -> dict[str, str]:
        """Who asks is only shown to the index itself."""
        return self.headers if urlsplit(url)[:2] == urlsplit(self.url)[:2] else {}


class WheelSource(RangedSource):
    """The wheel of a reference at one package index. `file` is asked for once."""

    def __init__(self, http: Http, index: Place, reference: IndexReference) -> None:
        super().__init__(http, str(reference))
        self._index = index
        self._reference = reference
        self._url = ""

    def listing(self) -> Listing:
        """The wheel, with its size. Raises `SourceFault` where the index has none we could read."""
        project = _normal(self._reference.project)
        url = f"{self._index.url.rstrip('/')}/{project}/"
        answer, raw = self.http.page(url, {**self._index.headers, **_ACCEPT})
        self.check_status(answer, project)
        for address, sha256 in _addresses(answer, raw):
            name = unquote(urlsplit(address).path.rpartition("/")[2])
            if _is_wheel_of(name, self._reference):
                self._url = address
                file = RemoteFile(name=name, sha256=sha256)
                sized = msgspec.structs.replace(file, bytes=self.measure(file))
                return Listing(revision=self._reference.version, files=(sized,))
        raise missing(str(self._reference), urlsplit(url).netloc)

    def address(self, file: RemoteFile) -> str:
        """Where the index says the wheel is."""
        return self._url

    def authorization(self) -> dict[str, str]:
        """The user of the index's own address."""
        return self._index.headers_for(self._url)

    def check_status(self, answer: Answer, what: str) -> None:
        """Raise the `SourceFault` that a status means."""
        host = urlsplit(answer.url).netloc
        if answer.status in (404, 410):
            raise missing(what, host)
        if answer.status == 416:
            raise not_the_file(host, say("it has less of the file than listed (416)"))
        if answer.status not in (200, 206):
            raise busy(host, answer.status, answer.wait_s())


def find_wheel(
    http: Http, pip: Sequence[str], reference: IndexReference
) -> tuple[WheelSource, RemoteFile] | list[SourceFault]:
    """The wheel where this machine's pip would look for it over HTTP, or why pip must fetch it."""
    faults: list[SourceFault] = []
    for index in indexes(settings_of(pip)) if pip else []:
        source = WheelSource(http, index, reference)
        try:
            return source, source.listing().files[0]
        except SourceFault as fault:
            faults.append(fault)
    return faults


def settings_of(pip: Sequence[str]) -> dict[str, str]:
    """What a pip is set up with, by its files and its environment; empty where it does not say."""
    try:
        argv = [*pip, "config", "list"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_CONFIG_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {"no-index": "1"}
    return parse_settings(done.stdout) if done.returncode == 0 else {"no-index": "1"}


def parse_settings(text: str) -> dict[str, str]:
    """The settings of `pip config list` that downloads obey; the environment stands above files."""
    found: dict[str, str] = {}
    matches = [match for line in text.splitlines() if (match := _SETTING.fullmatch(line))]
    for match in sorted(matches, key=lambda match: _SECTIONS.index(match[1])):
        with suppress(ValueError, SyntaxError):
            found[match[2]] = str(ast.literal_eval(match[3]))
    return found


def indexes(settings: Mapping[str, str]) -> list[Place]:
    """The package indexes that can be asked over HTTP, in pip's order."""
    if settings.get("no-index", "").lower() in ("1", "y", "yes", "t", "true", "on"):
        return []
    given = [settings.get("index-url", _PIPS_OWN), *settings.get("extra-index-url", "").split()]
    return [Place.of(url) for url in given if url.startswith(("http://", "https://"))]


def _normal(project: str) -> str:
    return re.sub(r"[-_.]+", "-", project).lower()


def _is_wheel_of(name: str, reference: IndexReference) -> bool:
    """Whether a file is the wheel that fits every machine: weights are the same on all."""
    project, _, rest = name.partition("-")
    same = (
        re.sub(r"[-_.]+", "-", project).lower() == re.sub(r"[-_.]+", "-", reference.project).lower()
    )
    return same and rest == f"{reference.version}-py3-none-any.whl"


def _addresses(answer: Answer, raw: bytes) -> Iterator[tuple[str, str | None]]:
    """Address and SHA-256 of every file of a project's page. Raises `SourceFault`."""
    if "json" in answer.headers.get("content-type", ""):
        yield from _from_document(answer.url, raw)
        return
    page = _Links()
    page.feed(raw.decode(errors="replace"))
    for link in page.links:
        url, fragment = urldefrag(urljoin(page.base or answer.url, link))
        match = _SHA256.search(fragment)
        yield url, match[1] if match else None


class _File(msgspec.Struct):
    url: str
    hashes: dict[str, str] = {}


class _Project(msgspec.Struct):
    files: list[_File]


def _from_document(base: str, raw: bytes) -> Iterator[tuple[str, str | None]]:
    try:
        project = msgspec.json.decode(raw, type=_Project)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = say("its listing is not the hub's protocol ({why})", why=error)
        raise not_the_file(urlsplit(base).netloc, why) from error
    for file in project.files:
        sha256 = file.hashes.get("sha256", "").lower()
        yield urljoin(base, file.url), sha256 if is_sha256(sha256) else None


class _Links(HTMLParser):
    """The links of a page, and what they are relative to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.base: str | None = None

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, Any]]) -> None:
        """Called by the parser for every element."""
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.links.append(target)
        elif tag == "base" and target:
            self.base = target
