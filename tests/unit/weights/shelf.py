"""A hub, a store, and a pull with short patience between them."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub import LoopbackHub

from appliance.catalog.gguf_write import header_bytes
from appliance.catalog.models import Catalogue
from appliance.core.progress import Cancel
from appliance.core.pull import Progress, Pull
from appliance.core.reference import parse_reference
from appliance.weights.pull import FetchOptions, PullRequest, WantedFile, pull, request_for
from appliance.weights.request import Place
from appliance.weights.store import Store

MIB = 1 << 20
CHUNK = 4 * MIB
_HEADER_BYTES = 92
NO_CATALOGUE = Catalogue((), "")
IMPATIENT = FetchOptions(stall_s=0.6, connect_s=1.0, attempts=4, backoff_s=0.02, probe_s=0.5)


def some_bytes(size: int, seed: int = 1) -> bytes:
    """A safetensors file of this size; no two places of it are alike."""
    room = size - 8 - _HEADER_BYTES
    entry = {"dtype": "U8", "shape": [room], "data_offsets": [0, room]}
    header = json.dumps({"w": entry}).encode().ljust(_HEADER_BYTES)
    return len(header).to_bytes(8, "little") + header + random.Random(seed).randbytes(room)


@dataclass
class Shelf:
    """Repositories are made with `add`; `pull` brings them into `store`."""

    hub: LoopbackHub
    place: Path
    shown: list[Progress] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(self.place / "store", floor_bytes=0)

    def add(self, name: str, data: bytes, repo: str = "deepseek-ai/tiny") -> Path:
        """Put a file into a repository of the hub."""
        path = self.hub.root / repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def request(self, *references: str, files: list[WantedFile] | None = None) -> PullRequest:
        """A model with several sources."""
        first = request_for(parse_reference(references[0]), NO_CATALOGUE)
        sources: list[Place] = []
        for text in references:
            sources += request_for(parse_reference(text), NO_CATALOGUE).sources
        return PullRequest(
            model=first.model, reference=first.reference, sources=sources, files=files or []
        )

    def pull(
        self,
        *references: str,
        files: list[WantedFile] | None = None,
        options: FetchOptions = IMPATIENT,
        cancel: Cancel | None = None,
    ) -> Pull:
        """Pull the model, remembering its progress."""
        request = self.request(*(references or ("hf:deepseek-ai/tiny",)), files=files)
        return pull(
            request, self.store, on_progress=self.shown.append, cancel=cancel, options=options
        )

    def content(self, pulled: Pull, name: str) -> bytes:
        """What a pulled file holds."""
        return next(Path(f.path) for f in pulled.files if Path(f.path).name == name).read_bytes()

    def leftovers(self) -> list[str]:
        """Files in the store that are no blob, chunk record, manifest or readable name."""
        known = {f"sha256-{sha256}" for sha256 in self.store.referenced()}
        found = [path for path in self.store.root.rglob("*") if path.is_file()]
        return [
            str(path.relative_to(self.store.root))
            for path in found
            if path.parent.name in ("blobs", "chunks", "work") and path.name not in known
        ]


def content_requests(hub: LoopbackHub) -> list[Any]:
    """Requests that reached the CDN."""
    return [request for request in hub.requests if request.path.startswith("/cdn/")]


def old_chunk_record(data: bytes) -> bytes:
    """Chunk digests as versions before BLAKE3 kept them."""
    digests = [hashlib.sha256(data[at : at + CHUNK]).digest() for at in range(0, len(data), CHUNK)]
    body = b"appliance.chunks/1\n" + len(data).to_bytes(8, "big") + b"".join(digests)
    return body + hashlib.sha256(body).digest()


def small_gguf() -> bytes:
    """A whole GGUF without tensors."""
    header, size = header_bytes({"general.architecture": "llama"}, [])
    return header.ljust(size, b"\0")
