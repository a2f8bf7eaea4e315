"""The local API: HTTP over a Unix socket that only its owner can open.

One table of routes drives the server and its OpenAPI document.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from appliance import __version__
from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import say, use_language
from appliance.core.inventory import Document, Inventory
from appliance.core.progress import Cancel
from appliance.core.pull import Pull
from appliance.core.sample import Sample
from appliance.core.status import DaemonStatus, Listener, Status, Up
from appliance.node.jobs import Job
from appliance.node.node import Node
from appliance.node.statuses import card_statuses
from appliance.node.wishes import Event, PullOptions, UpOptions

BodyT = TypeVar("BodyT", bound=Document)
_STATUS_OF_EXIT = {2: 400, 3: 503, 4: 504, 5: 403, 6: 507, 7: 422}


class Endpoint(msgspec.Struct, frozen=True):
    """One entry of the table, for the server and its description: what it takes and gives."""

    method: str
    path: str
    summary: str
    handler: Callable[[Node, Request, bytes], Response]
    body: type[Document] | None = None
    result: Any = None
    stream: bool = False


def document(value: object) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(value), media_type="application/json")


def _body(raw: bytes, kind: type[BodyT]) -> BodyT:
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except msgspec.MsgspecError as error:
        raise UsageError(say("bad request: {error}", error=error)) from error


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdigit():
        raise UsageError(say("{name} must be a number, not {text}", name=name, text=text))
    return int(text)


def status_document(node: Node) -> Status:
    """status/1 of this node."""
    inventory, sample = node.sampler.inventory(), node.sampler.sample()
    identity = node.gateway.identity
    listeners = [
        Listener(what="node", address=str(node.paths.node_socket), port=None),
        Listener(what="gateway-local", address=str(node.paths.gateway_socket), port=None),
    ]
    if identity:
        listeners.append(Listener(what="gateway", address="127.0.0.1", port=identity.port))
    deployments = node.statuses()
    for deployment in deployments:
        for replica in deployment.replicas:
            if replica.port:
                what = f"engine {replica.id}"
                listeners.append(Listener(what=what, address="127.0.0.1", port=replica.port))
    return Status(
        daemon=DaemonStatus(pid=os.getpid(), version=__version__, since=node.since),
        listeners=listeners,
        deployments=deployments,
        cards=card_statuses(inventory, sample),
    )


def _up(node: Node, _request: Request, raw: bytes) -> Response:
    options = _body(raw, UpOptions)
    work = partial(_do_up, node, options)
    return _follow(node.jobs.run(("up", options), work))


def _do_up(node: Node, options: UpOptions, tell: Callable[[Any], None], cancel: Cancel) -> Document:
    """One `up` at a time: a second one with other options waits, then finds things as they are."""
    from appliance.ops.up import MainJob

    while not node.up_lock.acquire(timeout=0.2):
        cancel.check()
    try:
        return MainJob(node, options, tell, cancel).run()
    finally:
        node.up_lock.release()


def _pull(node: Node, _request: Request, raw: bytes) -> Response:
    from appliance.ops.models import pull_model

    options = _body(raw, PullOptions)
    work = partial(pull_model, options.model, node.paths)
    return _follow(node.jobs.run(("pull", options), work))


def _follow(job: Job) -> Response:
    return StreamingResponse(job.follow(), media_type="application/x-ndjson")


def _cancel(node: Node, request: Request, _raw: bytes) -> Response:
    node.jobs.cancel(request.path_params["job"])
    return document({})


def _logs(node: Node, request: Request, _raw: bytes) -> Response:
    keeper = node.log_of(request.path_params["deployment"])
    return document({"lines": keeper.log_file.tail(_number(request, "lines", 200))})


def _follow_logs(node: Node, request: Request, _raw: bytes) -> Response:
    keeper = node.log_of(request.path_params["deployment"])
    cancel = Cancel()
    lines = keeper.log_file.follow(_number(request, "lines", 50), cancel=cancel)

    def encoded() -> Iterator[bytes]:
        try:
            for line in lines:
                yield msgspec.json.encode({"line": line}) + b"\n"
        finally:
            cancel.set()

    return StreamingResponse(encoded(), media_type="application/x-ndjson")


def _stop_deployment(node: Node, request: Request, _raw: bytes) -> Response:
    node.stop_deployment(node.known(request.path_params["deployment"]).id)
    return document({})


def _restart_deployment(node: Node, request: Request, _raw: bytes) -> Response:
    node.restart_deployment(node.known(request.path_params["deployment"]).id)
    return document({})


def _stop(node: Node, request: Request, _raw: bytes) -> Response:
    node.stop_all()
    leave: Callable[[], None] = request.app.state.leave
    threading.Timer(0.1, leave).start()
    return document({})


def _status(node: Node, _request: Request, _raw: bytes) -> Response:
    return document(status_document(node))


def _inventory(node: Node, _request: Request, _raw: bytes) -> Response:
    return document(node.sampler.inventory())


def _sample(node: Node, _request: Request, _raw: bytes) -> Response:
    return document(node.sampler.sample())


def _events(node: Node, request: Request, _raw: bytes) -> Response:
    return document(node.state.events(_number(request, "after", 0)))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/status", "what runs", _status, result=Status),
    Endpoint("GET", "/inventory", "what is in this server", _inventory, result=Inventory),
    Endpoint("GET", "/sample", "the newest readings", _sample, result=Sample),
    Endpoint("GET", "/events", "what happened after a number", _events, result=list[Event]),
    Endpoint("GET", "/logs/{deployment}", "the end of an engine's log", _logs),
    Endpoint("GET", "/logs/{deployment}/follow", "a log as it grows", _follow_logs, stream=True),
    Endpoint("POST", "/up", "the main job", _up, body=UpOptions, result=Up, stream=True),
    Endpoint("POST", "/pull", "fetch a model", _pull, body=PullOptions, result=Pull, stream=True),
    Endpoint("POST", "/jobs/{job}/cancel", "end a job at its next safe point", _cancel),
    Endpoint("POST", "/deployments/{deployment}/stop", "stop it", _stop_deployment),
    Endpoint("POST", "/deployments/{deployment}/restart", "start it afresh", _restart_deployment),
    Endpoint("POST", "/stop", "stop everything of ours", _stop),
)


def build_app(node: Node, leave: Callable[[], None]) -> Starlette:
    """The application; `leave` ends the daemon."""
    from appliance.node.openapi import openapi

    routes = [Route(e.path, _endpoint(node, e), methods=[e.method]) for e in ENDPOINTS]
    description = document(openapi(ENDPOINTS)).body

    async def describe(_request: Request) -> Response:
        return Response(description, media_type="application/json")

    app = Starlette(routes=[*routes, Route("/openapi.json", describe)])
    app.state.leave = leave
    return app


def _endpoint(node: Node, endpoint: Endpoint) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        raw = await request.body()
        return await run_in_threadpool(_answer, node, endpoint, request, raw)

    return answer


def _answer(node: Node, endpoint: Endpoint, request: Request, raw: bytes) -> Response:
    if language := request.headers.get("accept-language"):
        use_language(language[:2])
    try:
        return endpoint.handler(node, request, raw)
    except ApplianceError as error:
        body = msgspec.json.encode({"error": error.document()})
        status = _STATUS_OF_EXIT.get(int(error.exit_code), 500)
        return Response(body, status_code=status, media_type="application/json")
