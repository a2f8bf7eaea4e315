"""What other appliances may ask, with the key: which models are here, their digests, their bytes.

GET /models              list of {id, bytes}
GET /models/{id}         peer/1: the files with their hashes and chunk digests
GET /blobs/{sha256}      the bytes, whole or a range
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from appliance.weights.peers import PeerFile, PeerModel, SharedModel
from appliance.weights.store import Store, StoredModel

_BLOCK_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def build_peer_app(store: Store, secret: str) -> Starlette:
    """The application over `store` for whoever shows `secret`."""

    def models(_request: Request) -> Response:
        return _json([SharedModel(id=m.id, bytes=m.bytes) for m in _whole(store)])

    def model(request: Request) -> Response:
        found = store.find(request.path_params["model"])
        if found is None or not store.is_whole(found):
            return Response(status_code=404)
        return _json(_described(found, store))

    def blob(request: Request) -> Response:
        sha256 = request.path_params["sha256"]
        if not _SHA256.fullmatch(sha256) or sha256 not in store.referenced():
            return Response(status_code=404)
        return _bytes_of(store.blob(sha256), request)

    return Starlette(
        routes=[
            Route("/models", models),
            Route("/models/{model:path}", model),
            Route("/blobs/{sha256}", blob),
        ],
        middleware=[Middleware(_KeyOnly, secret=secret)],
    )


class _KeyOnly:
    """Turns away, before anything else is looked at, whoever does not have the key."""

    def __init__(self, app: ASGIApp, secret: str) -> None:
        self._app = app
        self._expected = f"Bearer {secret}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shown = dict(scope["headers"]).get(b"authorization", b"")
        if hmac.compare_digest(shown, self._expected):
            await self._app(scope, receive, send)
        else:
            await Response(status_code=401)(scope, receive, send)


def _json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


def _whole(store: Store) -> list[StoredModel]:
    return [model for model in store.models() if store.is_whole(model)]


def _described(model: StoredModel, store: Store) -> PeerModel:
    files = []
    for file in model.files:
        chunks = store.chunks(file.sha256)
        files.append(
            PeerFile(
                name=file.name,
                bytes=file.bytes,
                sha256=file.sha256,
                trust=file.trust,
                chunks=chunks.to_bytes() if chunks else None,
            )
        )
    return PeerModel(id=model.id, reference=model.reference, revision=model.revision, files=files)


def _bytes_of(path: Path, request: Request) -> Response:
    """The file, or the one range of it that was asked for (RFC 9110, 14.2)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Response(status_code=404)
    size = os.fstat(descriptor).st_size
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    start = int(asked[1]) if asked else 0
    end = min(int(asked[2]) + 1, size) if asked and asked[2] else size
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
    if asked and start >= end:
        os.close(descriptor)
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    if asked:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return StreamingResponse(
        _blocks(descriptor, start, end),
        status_code=206 if asked else 200,
        headers=headers,
        media_type="application/octet-stream",
    )


def _blocks(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    try:
        while start < end and (
            block := os.pread(descriptor, min(_BLOCK_BYTES, end - start), start)
        ):
            yield block
            start += len(block)
    finally:
        os.close(descriptor)
