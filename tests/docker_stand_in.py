"""A container engine for tests: it speaks Docker's API at a Unix socket and is strict about it.

It refuses whatever Docker would refuse, and anything that the appliance has no business to ask for.
A container is a process of this machine, started with exactly the environment of the container.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socketserver
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from docker_rules import Refusal, check_config

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


class Container:
    """One container and, once started, its process."""

    def __init__(self, number: int, name: str, config: dict[str, Any]) -> None:
        self.id = f"{number:064x}"
        self.name = name
        self.config = config
        self.process: subprocess.Popen[bytes] | None = None
        self.lines: list[tuple[float, int, bytes]] = []
        self.oom_killed = False
        self._readers: list[threading.Thread] = []

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def ended(self) -> bool:
        """Whether it ran, and all it said has been read."""
        if self.process is None or self.process.poll() is None:
            return False
        return not any(reader.is_alive() for reader in self._readers)

    def start(self) -> None:
        environment = dict(line.split("=", 1) for line in self.config["Env"])
        self.process = subprocess.Popen(
            [*self.config.get("Entrypoint", []), *self.config["Cmd"]],
            env={"PATH": os.environ["PATH"], **environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        for number, stream in ((1, self.process.stdout), (2, self.process.stderr)):
            reader = threading.Thread(target=self._read, args=(number, stream), daemon=True)
            reader.start()
            self._readers.append(reader)

    def _read(self, number: int, stream: Any) -> None:
        with stream:
            for line in stream:
                self.lines.append((time.time(), number, line))

    def kill(self, number: int) -> None:
        assert self.process is not None
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return

    def stop(self, seconds: float) -> None:
        assert self.process is not None
        self.kill(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(signal.SIGKILL)
            self.process.wait()

    def state(self) -> dict[str, Any]:
        code = self.process.poll() if self.process else None
        exited = self.process is not None and code is not None
        return {
            "Status": "running" if self.running else "exited" if exited else "created",
            "Running": self.running,
            "Pid": self.process.pid if self.process and self.running else 0,
            "ExitCode": 0 if code is None else code if code >= 0 else 128 - code,
            "OOMKilled": self.oom_killed,
        }


class StandIn:
    """The engine: `images` are those it has, `registry` those it could fetch."""

    def __init__(self, socket: Path, images: list[str], *, cdi: bool = True) -> None:
        self.socket = socket
        self.images = list(images)
        self.registry: list[str] = []
        self.archives: dict[bytes, str] = {}
        self.cdi = cdi
        self.podman: str | None = None
        self.containers: list[Container] = []
        self.created: list[dict[str, Any]] = []
        self.unknown: list[str] = []
        self._made = 0
        self._server: _Server | None = None

    def __enter__(self) -> StandIn:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for container in self.containers:
            if container.running:
                container.stop(0.0)

    def open(self) -> None:
        """Listen; the containers of before are still there."""
        self._server = _Server(str(self.socket), self)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Go away as a restarted engine does: its containers run on."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self.socket.unlink(missing_ok=True)
            self._server = None

    def end_for_memory(self, container: Container) -> None:
        """What the kernel does to one that takes more than it may."""
        container.oom_killed = True
        container.kill(signal.SIGKILL)

    def running(self) -> list[Container]:
        return [container for container in self.containers if container.running]

    # -- what it is asked ----------------------------------------------------------------------

    def version(self) -> dict[str, Any]:
        name, version = ("Podman Engine", self.podman) if self.podman else ("Engine", "27.0.0")
        components = [{"Name": name, "Version": version}, {"Name": "runc", "Version": "1.2.0"}]
        told = {"ApiVersion": "1.47", "MinAPIVersion": "1.24", "Version": version, "Os": "linux"}
        return {**told, "Components": components}

    def info(self) -> dict[str, Any]:
        return {"CDISpecDirs": ["/etc/cdi"]} if self.cdi else {}

    def image(self, name: str) -> dict[str, Any]:
        if name not in self.images:
            raise Refusal(404, f"No such image: {name}")
        digest = f"sha256:{self.images.index(name):064x}"
        nameless = name.startswith("<none>")
        digests = ["<none>@<none>"] if nameless else []
        return {"Id": digest, "RepoTags": [name], "RepoDigests": digests, "Size": 1000}

    def fetch(self, name: str) -> Iterator[dict[str, Any]]:
        if name not in self.registry:
            raise Refusal(404, f"manifest for {name} not found: manifest unknown")
        for current in (10, 60, 100):
            detail = {"current": current, "total": 100}
            yield {"id": "a1", "status": "Downloading", "progressDetail": detail}
        yield {"id": "a1", "status": "Pull complete", "progressDetail": {}}
        self.images.append(name)

    def load(self, archive: bytes) -> Iterator[dict[str, Any]]:
        if archive not in self.archives:
            yield {"errorDetail": {}, "error": "archive/tar: invalid tar header"}
            return
        name = self.archives[archive]
        self.images.append(name)
        yield {"stream": f"Loaded image: {name}\n"}

    def create(self, name: str, config: dict[str, Any]) -> dict[str, Any]:
        if not NAME.fullmatch(name):
            raise Refusal(400, f"Invalid container name ({name})")
        if any(container.name == name for container in self.containers):
            raise Refusal(409, f'Conflict. The container name "/{name}" is already in use')
        check_config(config, self.images, cdi=self.cdi)
        self._made += 1
        container = Container(self._made, name, config)
        self.containers.append(container)
        self.created.append(config)
        return {"Id": container.id, "Warnings": []}

    def container(self, name: str) -> Container:
        for container in self.containers:
            if name in (container.id, container.name):
                return container
        raise Refusal(404, f"No such container: {name}")

    def listed(self, everything: bool, label: str) -> list[dict[str, Any]]:
        return [
            {"Id": c.id, "Names": [f"/{c.name}"], "Labels": c.config["Labels"], **c.state()}
            for c in self.containers
            if (everything or c.running) and label in c.config["Labels"]
        ]

    def remove(self, container: Container, *, force: bool) -> None:
        if container.running:
            if not force:
                raise Refusal(409, "cannot remove a running container")
            container.stop(0.0)
        self.containers.remove(container)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str, engine: StandIn) -> None:
        self.engine = engine
        super().__init__(path, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no fault."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def do_DELETE(self) -> None:
        self._route("DELETE")

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _route(self, method: str) -> None:
        parts = urlsplit(self.path)
        path = re.sub(r"^/v1\.\d+", "", unquote(parts.path))
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        try:
            for verb, pattern, answer in ROUTES:
                if verb == method and (match := re.fullmatch(pattern, path)):
                    answer(self, query, *match.groups())
                    return
            self.server.engine.unknown.append(f"{method} {self.path}")
            raise Refusal(404, "page not found")
        except Refusal as refusal:
            self.say(refusal.status, {"message": str(refusal)})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def say(self, status: int, document: Any = None) -> None:
        raw = json.dumps(document).encode() if document is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def stream(self, pieces: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.multiplexed-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")


def _events(handler: _Handler, events: Iterator[dict[str, Any]]) -> None:
    first = next(events)
    handler.stream(json.dumps(e).encode() + b"\n" for e in [first, *events])


def _start(handler: _Handler, query: dict[str, str], name: str) -> None:
    handler.body()
    container = handler.server.engine.container(name)
    try:
        container.start()
    except OSError as error:
        raise Refusal(400, f"OCI runtime create failed: exec: {error}") from error
    handler.say(204)


def _stop(handler: _Handler, query: dict[str, str], name: str) -> None:
    container = handler.server.engine.container(name)
    was_running = container.running
    if was_running:
        container.stop(float(query["t"]))
    handler.say(204 if was_running else 304)


def _remove(handler: _Handler, query: dict[str, str], name: str) -> None:
    engine = handler.server.engine
    engine.remove(engine.container(name), force=query.get("force") in ("1", "True"))
    handler.say(204)


def _logs(handler: _Handler, query: dict[str, str], name: str) -> None:
    container = handler.server.engine.container(name)
    assert query["timestamps"] == "1"
    handler.stream(_frames(container, float(query.get("since", 0)), query["follow"] == "1"))


def _frames(container: Container, since: float, follow: bool) -> Iterator[bytes]:
    position = 0
    while True:
        ended = container.ended or container.process is None
        for at, number, line in container.lines[position:]:
            position += 1
            if at >= since:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
                text = f"{stamp}{at % 1:.9f}Z ".replace("0.", ".", 1).encode() + line
                yield struct.pack(">BxxxL", number, len(text)) + text
        if ended or not follow:
            return
        time.sleep(0.01)


def _create(handler: _Handler, query: dict[str, str]) -> None:
    config = json.loads(handler.body())
    handler.say(201, handler.server.engine.create(query["name"], config))


def _inspect(handler: _Handler, query: dict[str, str], name: str) -> None:
    container = handler.server.engine.container(name)
    config, host = container.config, container.config["HostConfig"]
    argv = [*config.get("Entrypoint", ["/entrypoint"]), *config["Cmd"]]
    mounts = [
        {"Type": m["Type"], "Source": m["Source"], "Destination": m["Target"], "RW": False}
        for m in host.get("Mounts", [])
    ]
    told = {
        "Id": container.id,
        "Path": argv[0],
        "Args": argv[1:],
        "Config": {"Tty": False, "Env": config["Env"], "Image": config["Image"]},
        "HostConfig": host,
        "Mounts": mounts,
        "State": container.state(),
    }
    handler.say(200, told)


def _listed(handler: _Handler, query: dict[str, str]) -> None:
    (label,) = json.loads(query["filters"])["label"]
    handler.say(200, handler.server.engine.listed(query["all"] == "1", label))


def _images(handler: _Handler, query: dict[str, str]) -> None:
    engine = handler.server.engine
    handler.say(200, [engine.image(name) for name in engine.images])


def _fetch(handler: _Handler, query: dict[str, str]) -> None:
    handler.body()
    name = f"{query['fromImage']}:{query['tag']}"
    _events(handler, handler.server.engine.fetch(name))


ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("GET", "/version", lambda h, q: h.say(200, h.server.engine.version())),
    ("GET", "/info", lambda h, q: h.say(200, h.server.engine.info())),
    ("GET", "/images/json", _images),
    ("GET", "/images/(.+)/json", lambda h, q, name: h.say(200, h.server.engine.image(name))),
    ("POST", "/images/create", _fetch),
    ("POST", "/images/load", lambda h, q: _events(h, h.server.engine.load(h.body()))),
    ("GET", "/containers/json", _listed),
    ("POST", "/containers/create", _create),
    ("POST", "/containers/([^/]+)/start", _start),
    ("POST", "/containers/([^/]+)/stop", _stop),
    ("GET", "/containers/([^/]+)/json", _inspect),
    ("GET", "/containers/([^/]+)/logs", _logs),
    ("DELETE", "/containers/([^/]+)", _remove),
]
