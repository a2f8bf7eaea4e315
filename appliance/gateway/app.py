"""The gateway as ASGI applications: one behind the door, one for the operator's own socket."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from appliance.core.i18n import say
from appliance.gateway.door import Door
from appliance.gateway.keys import KeyStore
from appliance.gateway.metrics import Metrics
from appliance.gateway.openai import error_response, model_document
from appliance.gateway.passing import PassThrough
from appliance.gateway.router import HOLD_S, Router
from appliance.gateway.routes import Routes

_ANSWERED_BY_WORKERS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")


class Gateway:
    """Both layers put together. `open` is for those the file mode lets in, `guarded` wants keys."""

    def __init__(self, routes: Routes, keys: KeyStore, *, hold_s: float = HOLD_S) -> None:
        self._metrics = Metrics()
        self._router = Router(routes, hold_s=hold_s)
        self._passing = PassThrough(self._router, self._metrics)
        self.open: ASGIApp = self._endpoints()
        self.guarded: ASGIApp = Door(self.open, keys, self._metrics)

    def stop(self) -> None:
        """End the answers that still run."""
        self._passing.stop()

    async def close(self) -> None:
        """Close the connections to the workers."""
        await self._router.close()

    def _endpoints(self) -> ASGIApp:
        asking = [Route(path, self._passing, methods=["POST"]) for path in _ANSWERED_BY_WORKERS]
        return Starlette(
            routes=[
                Route("/health", _health),
                Route("/metrics", self._show_metrics),
                Route("/v1/models", self._list_models),
                Route("/v1/models/{model:path}", self._show_model),
                *asking,
            ],
            exception_handlers={HTTPException: _http_error},
        )

    async def _show_metrics(self, request: Request) -> Response:
        return PlainTextResponse(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def _list_models(self, request: Request) -> Response:
        models = [model_document(model) for model in self._router.table().models]
        return JSONResponse({"object": "list", "data": models})

    async def _show_model(self, request: Request) -> Response:
        name = request.path_params["model"]
        if model := self._router.table().find(name):
            return JSONResponse(model_document(model))
        return error_response(
            404, "model_not_found", say("no such model here: {model}", model=name)
        )


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    known = {404: ("not_found", say("no such endpoint")), 405: ("bad_method", say("wrong method"))}
    code, message = known.get(status, ("failed", say("the request failed")))
    return error_response(status, code, message)
