"""Which replica answers: the inner of the gateway's two layers.

It picks the least busy worker of a model, and holds a request while the model has none. A router of
its own (one worker in the routes file that knows the replicas) can take its place without a change
to the outer layer.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count

from appliance.gateway.routes import ModelRoute, Routes, RouteTable, Worker
from appliance.gateway.upstream import Answer, NotReached, Upstream

HOLD_S = 30.0
"""How long a request waits for a worker; an engine restarts well within it."""
_LONGEST_HOLD_S = 300.0
"""How long it waits while one is said to come: running answers may end first, and weights load."""
_LOOK_AGAIN_S = 0.05
_REST_S = 0.25
_SERVICE_UNAVAILABLE = 503


class NoWorker(Exception):
    """The model has had no worker that answers for as long as a request may wait."""


class Router:
    """Sends requests to the workers of the routes file."""

    def __init__(self, routes: Routes, *, hold_s: float = HOLD_S) -> None:
        self._routes = routes
        self._hold_s = hold_s
        self._upstream = Upstream()
        self._busy: Counter[str] = Counter()
        self._picks = count(1)
        self._last_pick: dict[str, int] = {}
        self._resting: dict[str, float] = {}

    async def close(self) -> None:
        """Close the connections to the workers."""
        await self._upstream.close()

    def table(self) -> RouteTable:
        """What can be asked for now."""
        return self._routes.current()

    @asynccontextmanager
    async def ask(
        self, model: str, path: str, body: bytes, *, fresh: bool = False
    ) -> AsyncIterator[Answer]:
        """The answer of a worker of `model`, from the moment its head is there.

        `fresh` takes no connection that was used before. Raises `NoWorker` when none came up in
        time, and `Lost` when the connection broke.
        """
        patience = _Patience(self._hold_s)
        while True:
            worker = await self._free_worker(model, patience)
            with self._occupied(worker):
                answer = await self._attempt(worker, path, body, fresh=fresh)
                if answer is not None:
                    try:
                        yield answer
                    finally:
                        answer.close()
                    return

    async def _attempt(
        self, worker: Worker, path: str, body: bytes, *, fresh: bool
    ) -> Answer | None:
        """The answer, or `None` from a worker that cannot take requests now and is let rest."""
        try:
            answer = await self._upstream.ask(worker.url, path, body, fresh=fresh)
        except NotReached:
            answer = None
        if answer is not None and answer.status == _SERVICE_UNAVAILABLE:
            answer.close()
            answer = None
        if answer is None:
            self._resting[worker.url] = time.monotonic() + _REST_S
        else:
            self._resting.pop(worker.url, None)
        return answer

    async def _free_worker(self, model: str, patience: _Patience) -> Worker:
        while True:
            route = self._routes.current().find(model)
            if route is None:
                raise NoWorker
            if worker := self._least_busy(route):
                return worker
            if patience.over(coming=route.coming):
                raise NoWorker
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _least_busy(self, route: ModelRoute) -> Worker | None:
        now = time.monotonic()
        awake = [worker for worker in route.workers if self._resting.get(worker.url, 0.0) <= now]
        if not awake:
            return None
        worker = min(awake, key=lambda w: (self._busy[w.id], self._last_pick.get(w.id, 0)))
        self._last_pick[worker.id] = next(self._picks)
        return worker

    @contextmanager
    def _occupied(self, worker: Worker) -> Iterator[None]:
        self._busy[worker.id] += 1
        try:
            yield
        finally:
            self._busy[worker.id] -= 1


class _Patience:
    """How long one request still waits: begun anew for as long as a worker is coming."""

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._until = time.monotonic() + hold_s
        self._at_most_until = time.monotonic() + _LONGEST_HOLD_S

    def over(self, *, coming: bool) -> bool:
        now = time.monotonic()
        if coming:
            self._until = min(now + self._hold_s, self._at_most_until)
        return now >= self._until
