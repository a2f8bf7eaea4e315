"""A hub on loopback: the Hugging Face and the ModelScope protocol from a directory of files.

    with LoopbackHub(root) as hub:            # root/ORG/NAME/files…
        monkeypatch.setenv("HF_ENDPOINT", hub.hf_endpoint)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.ms_endpoint)
        hub.faults.add("drop", path="*.gguf", after=1_000_000, times=2)

Large files are redirected to a "CDN": the same server under another host name, so that a client
that leaks its token shows it (`hub.requests` keeps every request with its headers).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

COMMIT = hashlib.sha1(b"loopback").hexdigest()
LFS_SUFFIXES = (".gguf", ".safetensors", ".bin")
BLOCK = 256 * 1024
KINDS = frozenset(
    {
        "corrupt",  # flip `length` bytes from `start` of the file
        "drip",  # send `bps` bytes a second
        "drop",  # close the connection `after` bytes of the answer
        "empty",  # 200 without a body
        "html",  # 200 with a page
        "ignore-range",  # 200 with the whole file
        "lie",  # list another SHA-256 than the file has
        "list-size",  # list `size` instead of the real size
        "no-headers",  # where="resolve": as mirrors that omit X-Repo-Commit, X-Linked-*, ETag
        "no-length",  # no Content-Length, the end of the connection is the end
        "no-hash",  # list without hashes
        "not-satisfiable",  # 416
        "redirect-loop",  # redirect to itself
        "stall-page",  # never answer
        "stall",  # send nothing for `seconds`, `after` bytes of the answer
        "status",  # answer `status` (with `retry_after`)
        "wrong-length",  # Content-Length off by `delta`
        "wrong-range",  # a Content-Range other than the bytes that were asked for
    }
)


@dataclass
class Fault:
    """What goes wrong for files whose path matches; `times` None = always."""

    kind: str
    path: str = "*"
    where: str = "content"  # content (the CDN's bytes) | resolve | api
    times: int | None = None
    after: int = 0
    start: int = 0
    length: int = 1
    seconds: float = 3600.0
    bps: float = 1024.0
    status: int = 503
    retry_after: float | None = None
    size: int = 0
    delta: int = 0
    hits: int = 0

    def applies(self, where: str, path: str) -> bool:
        """Whether the next request there meets it."""
        left = self.times is None or self.hits < self.times
        return left and self.where == where and fnmatchcase(path, self.path)


class Faults:
    """The fault script; safe to change while the hub runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, kind: str, **options: Any) -> Fault:
        """Let it go wrong from now on."""
        if kind not in KINDS:
            raise ValueError(kind)
        fault = Fault(kind, **options)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """All well again."""
        with self._lock:
            self._faults.clear()

    def take(self, where: str, path: str, *kinds: str) -> Fault | None:
        """The first fault of one of these kinds that applies; counts as one of its `times`."""
        with self._lock:
            for fault in self._faults:
                if fault.kind in kinds and fault.applies(where, path):
                    fault.hits += 1
                    return fault
        return None


@dataclass
class Request:
    """One request as it came, and how many bytes of a file were sent for it."""

    method: str
    path: str
    headers: dict[str, str]
    sent: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    request_record: Request

    @property
    def hub(self) -> LoopbackHub:
        return self.server.hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._route()

    def do_GET(self) -> None:
        self._route()

    def _route(self) -> None:
        self.request_record = Request(self.command, self.path, dict(self.headers.items()))
        self.hub.requests.append(self.request_record)
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        parts = [unquote(part) for part in url.path.split("/") if part]
        try:
            self._dispatch(parts, query)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _dispatch(self, parts: list[str], query: dict[str, str]) -> None:
        match parts:
            case ["_sent"]:
                self._json(200, self.hub.bytes_sent)
            case ["simple", project]:
                self._package_index(project)
            case ["cdn", org, name, *path] if path:
                self._content(f"{org}/{name}", "/".join(path), query)
            case ["api", "models", org, name, *rest]:
                self._hf_api(f"{org}/{name}", rest, query)
            case ["ms", "api", "v1", "models", org, name, "repo", "files"]:
                self._ms_files(f"{org}/{name}", query)
            case ["ms", "api", "v1", "models", org, name, "repo"]:
                self._resolve(f"{org}/{name}", query.get("FilePath", ""), "ms")
            case ["ms", "models", org, name, "resolve", _, *path] if path:
                self._resolve(f"{org}/{name}", "/".join(path), "ms")
            case [org, name, "resolve", _, *path] if path:
                self._resolve(f"{org}/{name}", "/".join(path), "hf")
            case _:
                self._json(404, {"error": "no such page"})

    # -- both hubs ------------------------------------------------------------------------

    def _json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _refused(self, repo: str) -> bool:
        """Whether the repository (or the caller) was turned away, with the answer sent."""
        authorized = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if self.hub.directory(repo) is None:
            self._error(404 if authorized or not self.hub.token else 401, "RepoNotFound")
        elif repo in self.hub.gated and not (self.hub.token and authorized):
            self._error(403 if self.headers.get("Authorization") else 401, "GatedRepo")
        else:
            return False
        return True

    def _error(self, status: int, code: str) -> None:
        self._json(status, {"error": code}, {"X-Error-Code": code, "X-Error-Message": code})

    def _faulty(self, where: str, path: str) -> bool:
        """Whether a fault took the whole answer."""
        fault = self.hub.faults.take(
            where, path, "status", "html", "empty", "redirect-loop", "not-satisfiable", "stall-page"
        )
        if fault is None:
            return False
        if fault.kind == "status":
            wait = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
            self._json(fault.status, {"error": "fault"}, wait)
        elif fault.kind == "html":
            self._page(b"<html><body>Please sign in to the proxy</body></html>")
        elif fault.kind == "empty":
            self._page(b"", kind="application/octet-stream")
        elif fault.kind == "stall-page":
            self.hub.stopping.wait(fault.seconds)
            self._cut()
        elif fault.kind == "redirect-loop":
            self._redirect(self.path, {})
        else:
            self._json(416, {"error": "range"})
        return True

    def _page(self, raw: bytes, kind: str = "text/html") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _redirect(self, target: str, headers: dict[str, str]) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _resolve(self, repo: str, path: str, hub: str) -> None:
        if self._refused(repo) or self._faulty("resolve", path):
            return
        file = self.hub.file(repo, path)
        if file is None:
            self._error(404, "EntryNotFound")
            return
        bare = self.hub.faults.take("resolve", path, "no-headers") is not None
        headers = {} if bare else {"X-Repo-Commit": COMMIT}
        if not self.hub.is_lfs(file):
            if not bare:
                headers["ETag"] = f'"{git_sha1(file)}"'
            self._content(repo, path, {}, headers=headers)
            return
        if not bare:
            headers["X-Linked-Etag"] = f'"{self.hub.sha256(file)}"'
            headers["X-Linked-Size"] = str(file.stat().st_size)
            headers["ETag"] = '"proxy-etag"'
        expires = f"{time.time() + self.hub.url_life_s:.3f}"
        query = urlencode({"Expires": expires, "hub": hub})
        self._redirect(f"{self.hub.cdn}/cdn/{repo}/{quote(path)}?{query}", headers)

    def _content(
        self, repo: str, path: str, query: dict[str, str], headers: dict[str, str] | None = None
    ) -> None:
        if float(query.get("Expires", "inf")) < time.time():
            self._json(403, {"error": "signed URL expired"})
            return
        if self._faulty("content", path):
            return
        file = self.hub.file(repo, path)
        if file is None:
            self._error(404, "EntryNotFound")
            return
        size = file.stat().st_size
        wanted = self._range(size, path)
        if wanted is None:
            self._json(416, {}, {"Content-Range": f"bytes */{size}"})
            return
        with self.hub.sending(path) as welcome:
            if welcome:
                self._send_file(file, path, size, wanted, headers or {})
            else:
                self._json(429, {"error": "too many"}, {"Retry-After": "0.2"})

    def _range(self, size: int, path: str) -> tuple[int, int, bool] | None:
        """First byte, last byte and whether a range was asked for; `None` for 416."""
        text = self.headers.get("Range", "")
        if not text.startswith("bytes=") or self.hub.faults.take("content", path, "ignore-range"):
            return 0, size - 1, False
        first, _, last = text[6:].partition("-")
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last), size - 1) if last and first else size - 1
        return None if start >= size or start > end else (start, end, True)

    def _send_file(
        self, file: Path, path: str, size: int, wanted: tuple[int, int, bool], extra: dict[str, str]
    ) -> None:
        start, end, partial = wanted
        take = self.hub.faults.take
        self.send_response(206 if partial else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        for name, value in extra.items():
            self.send_header(name, value)
        if partial:
            shift = 1 if take("content", path, "wrong-range") else 0
            self.send_header("Content-Range", f"bytes {start + shift}-{end + shift}/{size}")
        if take("content", path, "no-length"):
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            fault = take("content", path, "wrong-length")
            delta = fault.delta if fault else 0
            self.send_header("Content-Length", str(end - start + 1 + delta))
            self.close_connection = self.close_connection or delta != 0
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(file, path, start, end)

    def _send_body(self, file: Path, path: str, start: int, end: int) -> None:
        take = self.hub.faults.take
        fault = take("content", path, "drop", "stall", "drip")
        corrupt = take("content", path, "corrupt")
        if fault is None and corrupt is None and not self.hub.is_slow:
            self._send_fast(file, start, end)
            return
        for offset, block in _blocks(file, start, end, 16 * 1024 if fault else BLOCK):
            done = offset - start
            if fault and fault.kind == "drop" and done + len(block) > fault.after:
                self._send(block[: max(0, fault.after - done)])
                self._cut()
                return
            if fault and fault.kind == "stall" and done >= fault.after:
                self.hub.stopping.wait(fault.seconds)
                self._cut()
                return
            if fault and fault.kind == "drip":
                self._drip(block, fault.bps)
                continue
            self._send(_flip(block, offset, corrupt) if corrupt else block)

    def _drip(self, block: bytes, bps: float) -> None:
        step = max(1, int(bps / 10))
        for i in range(0, len(block), step):
            self._send(block[i : i + step])
            if self.hub.stopping.wait(0.1):
                self._cut()
                raise BrokenPipeError

    def _send_fast(self, file: Path, start: int, end: int) -> None:
        self.wfile.flush()
        with file.open("rb") as stream:
            sent = self.connection.sendfile(stream, start, end - start + 1)
        self._count(sent)

    def _send(self, block: bytes) -> None:
        self.hub.throttle(len(block))
        if self.hub.connection_bps is not None:
            self.hub.stopping.wait(len(block) / self.hub.connection_bps)
        self.wfile.write(block)
        self._count(len(block))

    def _count(self, sent: int) -> None:
        self.request_record.sent += sent
        self.hub.count(sent)

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    # -- Hugging Face ---------------------------------------------------------------------

    def _hf_api(self, repo: str, rest: list[str], query: dict[str, str]) -> None:
        if self._faulty("api", "/".join(rest)) or self._refused(repo):
            return
        match rest:
            case [] | ["revision", _]:
                if rest and not self.hub.knows_revision(rest[1]):
                    self._error(404, "RevisionNotFound")
                    return
                names = [{"rfilename": name} for name, _ in self.hub.files(repo)]
                self._json(200, {"id": repo, "sha": COMMIT, "siblings": names})
            case ["tree", revision, *_]:
                if not self.hub.knows_revision(revision):
                    self._error(404, "RevisionNotFound")
                    return
                self._hf_tree(repo, query)
            case _:
                self._json(404, {"error": "no such page"})

    def _hf_tree(self, repo: str, query: dict[str, str]) -> None:
        files = self.hub.files(repo)
        first = int(query.get("cursor", "0"))
        page = files[first : first + self.hub.page_size]
        headers = {}
        if first + len(page) < len(files):
            rest = urlencode({"recursive": "true", "cursor": first + len(page)})
            url = f"{self.hub.hf_endpoint}{urlsplit(self.path).path}?{rest}"
            headers["Link"] = f'<{url}>; rel="next"'
        self._json(200, [self._hf_entry(name, file) for name, file in page], headers)

    def _hf_entry(self, name: str, file: Path) -> dict[str, Any]:
        size = self._listed_size(name, file)
        if self.hub.faults.take("api", name, "no-hash"):
            return {"type": "file", "path": name, "size": size}
        if not self.hub.is_lfs(file):
            return {"type": "file", "path": name, "size": size, "oid": git_sha1(file)}
        lfs = {"oid": self._listed_sha256(name, file), "size": size, "pointerSize": 135}
        return {"type": "file", "path": name, "size": size, "oid": "0" * 40, "lfs": lfs}

    def _listed_size(self, name: str, file: Path) -> int:
        fault = self.hub.faults.take("api", name, "list-size")
        return fault.size if fault else file.stat().st_size

    def _listed_sha256(self, name: str, file: Path) -> str:
        return "f" * 64 if self.hub.faults.take("api", name, "lie") else self.hub.sha256(file)

    # -- a package index -------------------------------------------------------------------

    def _package_index(self, project: str) -> None:
        """The wheels in `wheels/PROJECT/`; a page or, for who asks for it, a document."""
        repo, hub = f"wheels/{project}", self.hub
        login = base64.b64encode(hub.index_login.encode()).decode()
        if hub.index_login and self.headers.get("Authorization") != f"Basic {login}":
            self._json(401, {"error": "who is it?"}, {"WWW-Authenticate": "Basic"})
        elif hub.directory(repo) is None:
            self._json(404, {"error": "no such project"})
        elif hub.index_speaks_json and "json" in self.headers.get("Accept", ""):
            files = [
                {"filename": n, "url": f"{hub.cdn}/cdn/{repo}/{n}", "hashes": {"sha256": h}}
                for n, h in self._wheels(repo)
            ]
            document = {"meta": {"api-version": "1.0"}, "name": project, "files": files}
            self._page(json.dumps(document).encode(), "application/vnd.pypi.simple.v1+json")
        else:
            links = [
                f'<a href="{hub.cdn}/cdn/{repo}/{n}#sha256={h}">{n}</a>'
                for n, h in self._wheels(repo)
            ]
            self._page("\n".join(links).encode())

    def _wheels(self, repo: str) -> list[tuple[str, str]]:
        return [(name, self.hub.sha256(file)) for name, file in self.hub.files(repo)]

    # -- ModelScope -----------------------------------------------------------------------

    def _ms_files(self, repo: str, query: dict[str, str]) -> None:
        if self.hub.directory(repo) is None:
            self._json(404, {"Code": 10010205001, "Message": "model not found", "Success": False})
            return
        if self._refused(repo) or self._faulty("api", "files"):
            return
        root = query.get("Root", "").strip("/")
        recursive = query.get("Recursive", "").lower() == "true"
        entries = self._ms_entries(repo, root, recursive)[: self.hub.ms_listing_limit]
        self._json(200, {"Code": 200, "Success": True, "Data": {"Files": entries}})

    def _ms_entries(self, repo: str, root: str, recursive: bool) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        folders: set[str] = set()
        for name, file in self.hub.files(repo):
            if root and not name.startswith(f"{root}/"):
                continue
            inside = name[len(root) + 1 :] if root else name
            top, slash, _ = inside.partition("/")
            if slash and not recursive:
                folders.add(f"{root}/{top}" if root else top)
                continue
            hidden = self.hub.faults.take("api", name, "no-hash")
            sha256 = "" if hidden else self._listed_sha256(name, file)
            size = self._listed_size(name, file)
            entries.append({"Path": name, "Size": size, "Sha256": sha256, "Type": "blob"})
        return [
            {"Path": f, "Size": 0, "Sha256": "", "Type": "tree"} for f in sorted(folders)
        ] + entries


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    hub: LoopbackHub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of these tests hang up in every way there is."""


@dataclass
class LoopbackHub:
    """Both hubs over the directory `root/ORG/NAME/…`; use it as a context manager."""

    root: Path
    token: str | None = None
    gated: set[str] = field(default_factory=set)
    revisions: set[str] = field(default_factory=lambda: {"main", "master", COMMIT})
    page_size: int = 1000
    ms_listing_limit: int = 3000
    url_life_s: float = 3600.0
    bps: float | None = None
    connection_bps: float | None = None
    requests: list[Request] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    bytes_sent: int = 0
    tolerated: int | None = None
    index_login: str = ""
    index_speaks_json: bool = True
    refusals: int = 0
    most_files_at_once: int = 0
    tls: ssl.SSLContext | None = None
    address: str = "127.0.0.1"
    port: int = 0

    def __post_init__(self) -> None:
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._sha256: dict[tuple[str, int, int], str] = {}
        self._free_at = time.monotonic()
        self._sending: list[str] = []
        self._server = _Server((self.address, self.port), _Handler)
        self._server.hub = self
        self.port = self._server.server_address[1]
        scheme = "https" if self.tls else "http"
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.hf_endpoint = self.url
        self.ms_endpoint = f"{self.url}/ms"
        self.cdn = f"{scheme}://localhost:{self.port}"

    def __enter__(self) -> LoopbackHub:
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="hub", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextlib.contextmanager
    def sending(self, path: str) -> Iterator[bool]:
        """Whether one more answer is tolerated at the same time."""
        with self._lock:
            welcome = self.tolerated is None or len(self._sending) < self.tolerated
            self.refusals += not welcome
            if welcome:
                self._sending.append(path)
                self.most_files_at_once = max(self.most_files_at_once, len(set(self._sending)))
        try:
            yield welcome
        finally:
            if welcome:
                with self._lock:
                    self._sending.remove(path)

    def directory(self, repo: str) -> Path | None:
        """Where the repository's files are."""
        path = self.root / repo
        return path if path.is_dir() else None

    def files(self, repo: str) -> list[tuple[str, Path]]:
        """Names in the repository and their files, sorted."""
        base = self.root / repo
        found = (Path(folder) / name for folder, _, names in os.walk(base) for name in names)
        return sorted((path.relative_to(base).as_posix(), path) for path in found)

    def file(self, repo: str, path: str) -> Path | None:
        """The file behind a name."""
        found = self.root / repo / path
        return found if ".." not in path.split("/") and found.is_file() else None

    def is_lfs(self, file: Path) -> bool:
        """Whether the hub keeps this file outside git."""
        return file.suffix in LFS_SUFFIXES or file.stat().st_size > 1024 * 1024

    @property
    def is_slow(self) -> bool:
        """Whether the line has a limit."""
        return self.bps is not None or self.connection_bps is not None

    def knows_revision(self, revision: str) -> bool:
        """Whether it is a branch or a commit here."""
        return revision in self.revisions

    def sha256(self, file: Path) -> str:
        """The file's hash, remembered."""
        stat = file.stat()
        key = (str(file), stat.st_size, stat.st_mtime_ns)
        if key not in self._sha256:
            with file.open("rb") as stream:
                self._sha256[key] = hashlib.file_digest(stream, "sha256").hexdigest()
        return self._sha256[key]

    def count(self, sent: int) -> None:
        """Add to the bytes of files that left the hub."""
        with self._lock:
            self.bytes_sent += sent

    def throttle(self, size: int) -> None:
        """Wait as a link of `bps` bytes a second would."""
        if self.bps is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self.bps
            wait = self._free_at - now
        if self.stopping.wait(wait):
            raise BrokenPipeError


def git_sha1(file: Path) -> str:
    """The name git gives a file's content."""
    raw = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw).hexdigest()


def _blocks(file: Path, start: int, end: int, size: int) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as stream:
        stream.seek(start)
        offset = start
        while offset <= end and (block := stream.read(min(size, end - offset + 1))):
            yield offset, block
            offset += len(block)


def _flip(block: bytes, offset: int, fault: Fault) -> bytes:
    first = max(fault.start, offset) - offset
    last = min(fault.start + fault.length, offset + len(block)) - offset
    if first >= last:
        return block
    flipped = bytes(value ^ 0xFF for value in block[first:last])
    return block[:first] + flipped + block[last:]
