"""The local API: HTTP over a Unix socket that only its owner can open.

One table of endpoints drives the server and its OpenAPI document. A stream is JSON lines:
documents, empty lines that mean nothing, and where it failed a last `{"error": {…}}`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from appliance import __version__
from appliance.core.documents import from_json
from appliance.core.errors import ApplianceError, UsageError
from appliance.core.history import History
from appliance.core.i18n import say, use_language
from appliance.core.inventory import Document, Inventory
from appliance.core.progress import Cancel
from appliance.core.pull import Progress, Pull
from appliance.core.sample import Sample
from appliance.core.status import (
    DaemonStatus,
    JobStatus,
    Listener,
    Status,
    Up,
    card_statuses,
)
from appliance.core.topology import Topology
from appliance.core.tune import Trial, Tune
from appliance.node import observed
from appliance.node.jobs import Job, explained
from appliance.node.node import Node
from appliance.node.statuses import disk_notes, reachable
from appliance.node.streams import streamed
from appliance.node.wishes import (
    Event,
    HoldOptions,
    LogLine,
    LogLines,
    PullOptions,
    Shared,
    ShareOptions,
    TuneOptions,
    UpOptions,
)
from appliance.ops.events import Notice, Phase

_LINES = "application/x-ndjson"
BodyT = TypeVar("BodyT", bound=Document)
log = logging.getLogger(__name__)
_STATUS_OF_EXIT = {2: 400, 3: 503, 4: 504, 5: 403, 6: 507, 7: 422}


class Endpoint(msgspec.Struct, frozen=True):
    """One entry of the table, for the server and its description: what it takes and gives."""

    method: str
    path: str
    summary: str
    handler: Callable[[Node, Request, bytes], Response]
    query: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """Parameters of the query: numbers, and texts."""
    body: type[Document] | None = None
    result: Any = None
    stream: bool = False


def document(value: object) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(value), media_type="application/json")


def _body(raw: bytes, kind: type[BodyT]) -> BodyT:
    try:
        return from_json(raw or b"{}", kind)
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
    listeners += node.sharing.listeners()
    listening, fault = node.gateway.listening, node.gateway.fault
    deployments = [reachable(d, listening=listening, fault=fault) for d in node.statuses()]
    for deployment in deployments:
        for replica in deployment.replicas:
            if replica.port:
                what = f"engine {replica.id}"
                listeners.append(Listener(what=what, address="127.0.0.1", port=replica.port))
    return Status(
        daemon=DaemonStatus(pid=os.getpid(), version=__version__, since=node.since),
        listeners=listeners,
        deployments=deployments,
        cards=card_statuses(inventory, sample, node.holds.all()),
        jobs=[job.status() for job in node.jobs.list() if not job.ended],
        notes=disk_notes(node.paths.state),
    )


def _up(node: Node, _request: Request, raw: bytes) -> Response:
    options = _body(raw, UpOptions)
    work = partial(_do_up, node, options)
    return _follow(node.jobs.run(("up", options), work, kind="up", subject=options.model or ""))


def _do_up(node: Node, options: UpOptions, tell: Callable[[Any], None], cancel: Cancel) -> Document:
    """One `up` at a time: a second one with other options waits, then finds things as they are."""
    from appliance.ops.up import MainJob

    with _only_change(node, cancel):
        return MainJob(node, options, tell, cancel).run()


@contextmanager
def _only_change(node: Node, cancel: Cancel) -> Iterator[None]:
    while not node.up_lock.acquire(timeout=0.2):
        node.refuse_when_stopping()
        cancel.check()
    try:
        yield
    finally:
        node.up_lock.release()


def _pull(node: Node, _request: Request, raw: bytes) -> Response:
    return _follow(node.pulls.start(_body(raw, PullOptions)))


def _tune(node: Node, request: Request, raw: bytes) -> Response:
    options = _body(raw, TuneOptions)
    name = node.known(request.path_params["deployment"]).id
    _refuse_shared_name(node, name)
    key = ("tune", name, options)
    if any(job.kind == "tune" and job.goes_on and job.key != key for job in node.jobs.list()):
        raise ApplianceError(
            say("something else is being measured: two at once would measure each other"),
            hint=say("wait for it, or end it with Ctrl-C where it runs"),
            code="TUNE-RUNS",
        )
    work = partial(_do_tune, node, name, options)
    return _follow(node.jobs.run(key, work, kind="tune", subject=name))


def _refuse_shared_name(node: Node, deployment_id: str) -> None:
    """Who answers in turn with others cannot be measured by its name."""
    name = node.known(deployment_id).name
    others = [w.id for w in node.replicas.wanted().values()
              if w.name == name and w.id not in (deployment_id, name)]  # fmt: skip
    if others or name != deployment_id:
        raise UsageError(
            say("several deployments answer as {name}: none can be measured alone", name=name),
            hint=say("appliance down {name}", name=next(iter(others), deployment_id)),
            code="SHARED-NAME",
        )


def _do_tune(
    node: Node, name: str, options: TuneOptions, tell: Callable[[Any], None], cancel: Cancel
) -> Document:
    """Not beside an `up`: both change what runs."""
    from appliance.ops.tuning import TuneJob

    with _only_change(node, cancel):
        return TuneJob(
            node,
            node.known(name),
            goal=options.goal,
            users=options.users,
            limit_s=options.limit_s,
            tell=tell,
            cancel=cancel,
        ).run()


def _follow(job: Job) -> Response:
    return StreamingResponse(streamed(job.follow), media_type=_LINES)


def _jobs(node: Node, _request: Request, _raw: bytes) -> Response:
    return document([job.status() for job in node.jobs.list()])


def _pause(node: Node, request: Request, _raw: bytes) -> Response:
    node.jobs.find(request.path_params["job"]).pause()
    return document({})


def _resume(node: Node, request: Request, _raw: bytes) -> Response:
    node.jobs.find(request.path_params["job"]).resume()
    return document({})


def _cancel(node: Node, request: Request, _raw: bytes) -> Response:
    node.jobs.cancel(request.path_params["job"])
    return document({})


def _share(node: Node, _request: Request, raw: bytes) -> Response:
    return document(node.sharing.set(_body(raw, ShareOptions)))


def _logs(node: Node, request: Request, _raw: bytes) -> Response:
    log_file = node.log_of(request.path_params["deployment"])
    return document(LogLines(lines=log_file.tail(_number(request, "lines", 200))))


def _follow_logs(node: Node, request: Request, _raw: bytes) -> Response:
    log_file = node.log_of(request.path_params["deployment"])
    lines = _number(request, "lines", 50)

    def encoded(cancel: Cancel) -> Iterator[bytes]:
        for line in log_file.follow(lines, cancel=cancel):
            yield msgspec.json.encode(LogLine(line=line)) + b"\n"

    return StreamingResponse(streamed(encoded), media_type=_LINES)


def _stop_deployment(node: Node, request: Request, _raw: bytes) -> Response:
    node.stop_deployment(request.path_params["deployment"], drain=not _now(request))
    return document({})


def _restart_deployment(node: Node, request: Request, _raw: bytes) -> Response:
    node.restart_deployment(request.path_params["deployment"])
    return document({})


def _now(request: Request) -> bool:
    """Whether running answers are not to be waited for."""
    return _number(request, "now", 0) > 0


def _hold(node: Node, request: Request, raw: bytes) -> Response:
    node.hold_card(request.path_params["card"], _body(raw, HoldOptions).reason)
    return document({})


def _release(node: Node, request: Request, _raw: bytes) -> Response:
    node.release_card(request.path_params["card"])
    return document({})


def _stop(node: Node, request: Request, _raw: bytes) -> Response:
    node.stop_all(drain=not _now(request))
    answer = document({})
    answer.background = BackgroundTask(request.app.state.leave)  # once the answer is out
    return answer


def _status(node: Node, _request: Request, _raw: bytes) -> Response:
    return document(status_document(node))


def _inventory(node: Node, _request: Request, _raw: bytes) -> Response:
    return document(node.sampler.inventory())


def _sample(node: Node, request: Request, _raw: bytes) -> Response:
    return document(observed.sample(node, processes=_number(request, "processes", 0) > 0))


def _history(node: Node, request: Request, _raw: bytes) -> Response:
    asked = request.query_params
    return document(observed.history(node, asked.get("card", "all"), asked.get("span", "1h")))


def _topology(node: Node, _request: Request, _raw: bytes) -> Response:
    return document(observed.topology(node))


def _events(node: Node, request: Request, _raw: bytes) -> Response:
    return document(node.state.events(_number(request, "after", 0)))


_UpLine = JobStatus | Phase | Notice | Progress | Up
_TuneLine = JobStatus | Trial | Tune
_PullLine = JobStatus | Progress | Pull
_DEPLOYMENT = "/deployments/{deployment:path}"  # a name may hold slashes

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/status", "what runs", _status, result=Status),
    Endpoint("GET", "/inventory", "what is in this server", _inventory, result=Inventory),
    Endpoint(
        "GET", "/sample", "the newest readings; processes=1: with the processes on the cards",
        _sample, query=("processes",), result=Sample,
    ),
    Endpoint(
        "GET", "/history", "what a card did: card=ID|host|all, span=1m|1h|1d|30d", _history,
        words=("card", "span"), result=History,
    ),
    Endpoint("GET", "/topology", "how the cards are linked", _topology, result=Topology),
    Endpoint(
        "GET", "/events", "what happened after a number", _events,
        query=("after",), result=list[Event],
    ),
    Endpoint("POST", "/up", "the main job", _up, body=UpOptions, result=_UpLine, stream=True),
    Endpoint(
        "POST", "/pull", "fetch a model", _pull, body=PullOptions, result=_PullLine, stream=True
    ),
    Endpoint("GET", "/jobs", "long work, with what ended lately", _jobs, result=list[JobStatus]),
    Endpoint("POST", "/jobs/{job}/pause", "stop a pull at its next safe point, for now", _pause),
    Endpoint("POST", "/jobs/{job}/resume", "go on with a paused pull", _resume),
    Endpoint("POST", "/jobs/{job}/cancel", "end a job at its next safe point", _cancel),
    Endpoint(
        "GET", f"{_DEPLOYMENT}/log/follow", "an engine's log as it grows", _follow_logs,
        query=("lines",), result=LogLine, stream=True,
    ),
    Endpoint(
        "GET", f"{_DEPLOYMENT}/log", "the end of an engine's log", _logs,
        query=("lines",), result=LogLines,
    ),
    Endpoint(
        "POST", f"{_DEPLOYMENT}/tune", "measure settings, keep the best", _tune,
        body=TuneOptions, result=_TuneLine, stream=True,
    ),
    Endpoint("POST", f"{_DEPLOYMENT}/stop", "stop it", _stop_deployment, query=("now",)),
    Endpoint("POST", f"{_DEPLOYMENT}/restart", "start it afresh", _restart_deployment),
    Endpoint(
        "POST", "/share", "share the store with other appliances, or no longer", _share,
        body=ShareOptions, result=Shared,
    ),
    Endpoint("POST", "/cards/{card}/hold", "use it no more", _hold, body=HoldOptions),
    Endpoint("POST", "/cards/{card}/release", "use it again", _release),
    Endpoint("POST", "/stop", "stop everything of ours", _stop, query=("now",)),
)  # fmt: skip


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
        return _refusal(error)
    except Exception as error:
        log.exception("%s %s", endpoint.method, endpoint.path)
        return _refusal(explained(error))


def _refusal(error: ApplianceError) -> Response:
    body = msgspec.json.encode({"error": error.document()})
    status = _STATUS_OF_EXIT.get(int(error.exit_code), 500)
    return Response(body, status_code=status, media_type="application/json")
