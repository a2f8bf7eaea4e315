"""Long work the daemon carries: it goes on when the terminal that asked for it is closed.

Whoever asks for the same thing while it runs is shown the same job. Only `cancel` ends one early.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.i18n import current_language, say, use_language
from appliance.core.inventory import Document
from appliance.core.progress import Cancel
from appliance.core.pull import Progress

log = logging.getLogger(__name__)
_LOOK_S = 0.5
_MOST_PROGRESS = 100
Work = Callable[[Callable[[Any], None], Cancel], Document]


class JobStarted(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.job/1"):
    """First line of a job's stream: the id to cancel it with."""

    id: str


class Job:
    """One piece of work in a thread of its own, and what it has told so far."""

    def __init__(self, key: object, work: Work) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.key = key
        self.cancel = Cancel()
        self.ended = False
        self._work = work
        self._language = current_language()
        self._lines: dict[int, bytes] = {}
        self._count = 0
        self._stale: deque[int] = deque()
        self._change = threading.Condition()
        self._tell(JobStarted(id=self.id))

    def start(self) -> Job:
        """Begin."""
        threading.Thread(target=self._run, name=f"job-{self.id}", daemon=True).start()
        return self

    def _run(self) -> None:
        use_language(self._language)
        try:
            self._tell(self._work(self._tell, self.cancel))
        except ApplianceError as error:
            log.info("job %s: %s %s", self.id, error.code, error)
            self._tell_error(error)
        except Exception as error:
            log.exception("job %s failed", self.id)
            self._tell_error(internal_fault(error))
        finally:
            with self._change:
                self.ended = True
                self._change.notify_all()

    def _tell(self, document: Document) -> None:
        self._add(msgspec.json.encode(document), stale=isinstance(document, Progress))

    def _tell_error(self, error: ApplianceError) -> None:
        self._add(msgspec.json.encode({"error": error.document()}), stale=False)

    def _add(self, line: bytes, *, stale: bool) -> None:
        """Keep a line for all followers; of those that go stale only the newest are kept."""
        with self._change:
            self._count += 1
            self._lines[self._count] = line + b"\n"
            if stale:
                self._stale.append(self._count)
                if len(self._stale) > _MOST_PROGRESS:
                    del self._lines[self._stale.popleft()]
            self._change.notify_all()

    def follow(self, cancel: Cancel) -> Iterator[bytes]:
        """What was told so far, progress of long ago left out, then each line as it comes."""
        at = 0
        while not cancel.is_set():
            with self._change:
                if at == self._count and not self.ended:
                    self._change.wait(_LOOK_S)
                news = b"".join(line for number, line in self._lines.items() if number > at)
                at = self._count
                ended = self.ended
            if news:
                yield news
            elif ended:
                return


def internal_fault(error: Exception) -> ApplianceError:
    """What people are told of a fault that nobody foresaw."""
    return ApplianceError(
        say("internal fault: {error}", error=repr(error)),
        hint=say("the daemon's log has the details; please report it"),
        code="INTERNAL",
    )


class Jobs:
    """The jobs of this daemon."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def run(self, key: object, work: Work) -> Job:
        """The running job with this key, or a new one."""
        with self._lock:
            for job_id in [i for i, job in self._jobs.items() if job.ended]:
                del self._jobs[job_id]
            for job in self._jobs.values():
                if job.key == key and not job.cancel.is_set():
                    return job
            job = Job(key, work)
            self._jobs[job.id] = job
            return job.start()

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop; an unknown id is a job that has ended."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job:
            job.cancel.set()

    def cancel_all(self) -> None:
        """Ask all to stop."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel.set()
