"""Passing a request to a worker and its answer back, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine

from starlette.types import Receive, Scope, Send

from appliance.core.i18n import say
from appliance.gateway.metrics import Metrics
from appliance.gateway.openai import error_response
from appliance.gateway.reasoning import named_in, named_in_lines
from appliance.gateway.reply import Reply
from appliance.gateway.request import REVOKED, BadRequest, Gone, read_body, wanted_model
from appliance.gateway.router import NoWorker, Router
from appliance.gateway.routes import ModelRoute
from appliance.gateway.upstream import Answer, Lost

_DONE = b"data: [DONE]"
_BREATH_S = 0.3  # the kernel still takes connections for an engine that is just being killed


class PassThrough:
    """The endpoints that a worker answers, as one ASGI application."""

    def __init__(self, router: Router, metrics: Metrics) -> None:
        self._router = router
        self._metrics = metrics
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False

    def stop(self) -> None:
        """End what still runs with an error that its client can read."""
        self._stopping = True
        for task in self._running:
            task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a client that goes away ends its generation."""
        try:
            body = await read_body(scope, receive)
            model = self._resolve(wanted_model(body))
        except Gone:
            return
        except BadRequest as error:
            refusal = error_response(error.status, error.code, error.message)
            await refusal(scope, receive, send)
            return
        reply = Reply(send)
        answering = self._answer(model.id, scope["path"], body, reply)
        if not await self._until_gone(answering, receive, scope.get(REVOKED)):
            message = say("this key is unknown or revoked")
            await reply.fail(401, "invalid_api_key", message)

    def _resolve(self, name: str | None) -> ModelRoute:
        table = self._router.table()
        if name is None:
            if len(table.models) == 1:
                return table.models[0]
            raise BadRequest(400, "model_required", say("name a model: see /v1/models"))
        if model := table.find(name):
            return model
        raise BadRequest(404, "model_not_found", say("no such model here: {model}", model=name))

    async def _until_gone(
        self, work: Coroutine[None, None, None], receive: Receive, revoked: asyncio.Event | None
    ) -> bool:
        """Work until it is done or nobody waits for it; false where its key was revoked first."""
        answering = asyncio.create_task(work)
        ends = {asyncio.create_task(_disconnected(receive))}
        if revoked:
            ends.add(asyncio.create_task(_set(revoked)))
        self._running.add(answering)
        try:
            await asyncio.wait({answering, *ends}, return_when=asyncio.FIRST_COMPLETED)
            done = answering.done()
        finally:
            self._running.discard(answering)
            for task in (answering, *ends):
                task.cancel()
            await asyncio.wait({answering, *ends})
        if not answering.cancelled():
            answering.result()
        return done or revoked is None or not revoked.is_set()

    async def _pass(self, model: str, path: str, body: bytes, reply: Reply) -> None:
        """Once more, on a fresh connection, where the worker was lost before it gave anything."""
        for fresh in (False, True):
            try:
                async with self._router.ask(model, path, body, fresh=fresh) as answer:
                    await _pass_on(answer, reply)
                return
            except Lost:
                if fresh or reply.delivered:
                    raise
                self._metrics.retries += 1
                await asyncio.sleep(_BREATH_S)

    async def _answer(self, model: str, path: str, body: bytes, reply: Reply) -> None:
        self._metrics.in_flight += 1
        try:
            await self._pass(model, path, body, reply)
        except NoWorker:
            message = say("{model} is not ready; ask again in a moment", model=model)
            await reply.fail(503, "model_not_ready", message, retry_after="5")
        except Lost:
            self._metrics.broken_streams += reply.delivered
            message = say("the engine was lost while it answered; asking again is safe")
            await reply.fail(502, "engine_lost", message)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            message = say("the gateway is stopping; ask again in a moment")
            await reply.fail(503, "gateway_stopping", message, retry_after="1")
        finally:
            self._metrics.in_flight -= 1
            self._metrics.answer(model, reply.status, reply.waited_s)


async def _pass_on(answer: Answer, reply: Reply) -> None:
    """Raises `Lost` for a stream that ends before it is done, however politely."""
    if not answer.is_stream:
        await reply.whole(answer.status, answer.content_type, named_in(answer.body))
        return
    await reply.begin(answer.status, answer.content_type, cache_control="no-cache")
    done = False
    async for lines in _whole_lines(answer.chunks()):
        done = done or _DONE in lines
        await reply.lines(named_in_lines(lines))
    if not done:
        raise Lost("the stream ended before it was done")
    await reply.end()


async def _whole_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream cut after a line's end, so that an error can follow a whole event at any time."""
    rest = b""
    async for chunk in chunks:
        lines, end, rest = (rest + chunk).rpartition(b"\n")
        if end:
            yield lines + end


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
