"""Our end of a helper process: asks a vendor library with a deadline, and ends it past that."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time

import msgspec

from appliance.hardware.helper import (
    Begin,
    Cards,
    Done,
    Got,
    Message,
    Opened,
    Request,
    frame,
    take_frame,
)
from appliance.hardware.runner import DEADLINE_S, end_session
from appliance.hardware.vendors.base import Reading, Report, Vendor

CARD_DEADLINE_S = 1.2
"""What one card may take; the others are then read without it, within the deadline of all."""
OPENING_S = 20.0
"""A driver without persistence mode wakes all cards when a library is opened; that is no hang."""
SKIP_S = 60.0
"""How long a card that hung the library is left alone."""
_BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
_WORTH_A_RETRY_S = 0.4
_STILL_STARTING_S = 0.2


class LibraryReader:
    """One vendor's library. Safe to use from several threads; nothing runs before it is asked."""

    def __init__(
        self,
        vendor: type[Vendor],
        *,
        deadline_s: float = DEADLINE_S,
        card_deadline_s: float = CARD_DEADLINE_S,
    ) -> None:
        self._path = f"{vendor.__module__}:{vendor.__name__}"
        self._deadline_s = deadline_s
        self._card_deadline_s = card_deadline_s
        self._lock = threading.Lock()
        self._helper: _Helper | None = None
        self._skip_until: dict[str, float] = {}
        self._addresses: dict[str, str] = {}
        self._failures = 0
        self._rest_until = 0.0
        self._resting = Report(answer="absent")

    def read(self, *, processes: bool = False) -> Report:
        """All cards now, in at most the deadline; see `Report.answer` for why there are none."""
        with self._lock:
            ends = time.monotonic() + self._deadline_s
            if self._helper is None and time.monotonic() < self._rest_until:
                return self._resting
            report = self._read_until(ends, processes)
            while report is None:
                report = self._read_until(ends, processes)
            silent = [self._addresses.get(key, key) for key in report.silent]
            return msgspec.structs.replace(report, silent=silent)

    def close(self) -> None:
        """End the helper."""
        with self._lock:
            self._end_helper()

    @property
    def pid(self) -> int | None:
        """The helper's process, while there is one."""
        return self._helper.process.pid if self._helper is not None else None

    def _read_until(self, ends: float, processes: bool) -> Report | None:
        """One attempt; `None` when it is worth another without the card that hung."""
        helper = self._helper
        if helper is None:
            helper = self._helper = _Helper(self._path)
        elif helper.busy:  # an earlier question waits for the library to start
            ends = min(ends, time.monotonic() + _STILL_STARTING_S)
        answer = _Answer()
        try:
            helper.ask(Request(processes=processes, skip=self._skipped()))
            while answer.report is None:
                helper.receive(answer, ends, self._card_deadline_s)
        except TimeoutError:
            if not answer.opened and helper.age_s() < OPENING_S:
                return Report(answer="no_answer", message="the library is still starting")
            return self._failed(answer, ends, "no answer from the library in time")
        except (EOFError, BrokenPipeError):
            return self._failed(answer, ends, "the library ended its process")
        return self._succeeded(answer)

    def _skipped(self) -> list[str]:
        now = time.monotonic()
        self._skip_until = {key: until for key, until in self._skip_until.items() if until > now}
        return list(self._skip_until)

    def _succeeded(self, answer: _Answer) -> Report:
        report = answer.whole()
        self._addresses |= {key: card.pci for key, card in answer.read.items() if card.pci}
        if report.answer == "ok":
            self._failures = 0
        else:
            self._end_helper()
            self._rest(report)
        return report

    def _failed(self, answer: _Answer, ends: float, why: str) -> Report | None:
        self._end_helper()
        if answer.at is None:
            report = Report(answer="no_answer", message=why)
            self._rest(report)
            return report
        self._skip_until[answer.at] = time.monotonic() + SKIP_S
        if ends - time.monotonic() > _WORTH_A_RETRY_S:
            return None
        return answer.partial(why)

    def _rest(self, report: Report) -> None:
        """Leave the library alone for a while, longer each time, and say the same meanwhile."""
        pause = _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)]
        self._failures += 1
        self._rest_until = time.monotonic() + pause
        self._resting = report

    def _end_helper(self) -> None:
        if self._helper is not None:
            self._helper.end()
            self._helper = None


class _Answer:
    """What has come of one request so far."""

    def __init__(self) -> None:
        self.opened = False
        self.keys: list[str] = []
        self.at: str | None = None
        self.read: dict[str, Reading] = {}
        self.report: Report | None = None

    def take(self, message: Message) -> None:
        match message:
            case Opened():
                self.opened = True
            case Cards(keys):
                self.keys = keys
            case Begin(key):
                self.at = key
            case Got(reading):
                self.read[self.at or ""] = reading
                self.at = None
            case Done(report):
                self.report = report

    def whole(self) -> Report:
        report = self.report or Report(answer="no_answer")
        return msgspec.structs.replace(report, readings=[*self.read.values(), *report.readings])

    def partial(self, why: str) -> Report:
        silent = [key for key in self.keys if key not in self.read]
        return Report(answer="ok", readings=list(self.read.values()), silent=silent, message=why)


class _Helper:
    """A running helper process and its pipes."""

    def __init__(self, vendor_path: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "appliance.hardware.helper", vendor_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )
        self._started = time.monotonic()
        self._buffer = bytearray()
        self.busy = False
        self._decoder = msgspec.msgpack.Decoder(Message)

    def age_s(self) -> float:
        return time.monotonic() - self._started

    def ask(self, request: Request) -> None:
        """Send `request`, unless the answer to an earlier one is still to come."""
        if not self.busy and self.process.stdin is not None:
            self.process.stdin.write(frame(request))
            self.busy = True

    def receive(self, answer: _Answer, ends: float, card_deadline_s: float) -> None:
        """One message into `answer`. Raises `TimeoutError`, `EOFError`."""
        if answer.at is not None:
            ends = min(ends, time.monotonic() + card_deadline_s)
        while (raw := take_frame(self._buffer)) is None:
            self._buffer += self._read_some(ends)
        message = self._decoder.decode(raw)
        answer.take(message)
        self.busy = not isinstance(message, Done)

    def _read_some(self, ends: float) -> bytes:
        if self.process.stdout is None:
            raise AssertionError("started with pipes")
        fd = self.process.stdout.fileno()
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        left_ms = max(0, int((ends - time.monotonic()) * 1000))
        if not poll.poll(left_ms):
            raise TimeoutError
        chunk = os.read(fd, 65536)
        if not chunk:
            raise EOFError
        return chunk

    def end(self) -> None:
        end_session(self.process, thoroughly=True)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
