"""How a command ends that has processes of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from appliance.core.errors import Interrupted
from appliance.core.i18n import say


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """TERM and a line that hangs up end what is inside as Ctrl-C does: what it started ends too.

    A hang-up that is ignored, as under `nohup`, stays ignored. Raises `Interrupted`: what is inside
    is made whole or not at all.
    """
    numbers = (signal.SIGTERM, signal.SIGHUP)
    taken = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in taken}
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            say("interrupted"), hint=say("nothing was changed; the same command begins anew")
        ) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
