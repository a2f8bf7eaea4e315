"""Answers that go on for as long as somebody reads them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

from anyio import CapacityLimiter, to_thread

from appliance.core.progress import Cancel

_KEEP_ALIVE_S = 5.0


async def streamed(lines: Callable[[Cancel], Iterator[bytes]]) -> AsyncIterator[bytes]:
    """What a blocking iterator yields, each time in a thread that waits for it alone.

    An empty line now and then tells the reader that we live. When the reader goes away, the
    iterator's `Cancel` is set: the iterator must then end soon.
    """
    cancel = Cancel()
    iterator = lines(cancel)
    limiter = CapacityLimiter(1)
    pending: asyncio.Future[bytes | None] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(
                to_thread.run_sync(next, iterator, None, abandon_on_cancel=True, limiter=limiter)
            )
            done, _ = await asyncio.wait({pending}, timeout=_KEEP_ALIVE_S)
            if not done:
                yield b"\n"
                continue
            line, pending = pending.result(), None
            if line is None:
                return
            yield line
    finally:
        cancel.set()
        if pending:
            pending.cancel()
