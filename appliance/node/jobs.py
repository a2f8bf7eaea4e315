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
_KEEP_ALIVE_S = 5.0
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
        self._lines: deque[bytes] = deque()
        self._dropped = 0
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
            self._tell_error(
                ApplianceError(
                    say("internal fault: {error}", error=repr(error)),
                    hint=say("the daemon's log has the details; please report it"),
                    code="INTERNAL",
                )
            )
        finally:
            with self._change:
                self.ended = True
                self._change.notify_all()

    def _tell(self, document: Document) -> None:
        line = msgspec.json.encode(document)
        with self._change:
            if isinstance(document, Progress):
                self._forget_stale_progress()
            self._lines.append(line)
            self._change.notify_all()

    def _forget_stale_progress(self) -> None:
        """A late follower needs the newest progress, not hours of it."""
        if len(self._lines) > 200:
            self._lines.popleft()
            self._dropped += 1

    def _tell_error(self, error: ApplianceError) -> None:
        with self._change:
            self._lines.append(msgspec.json.encode({"error": error.document()}))
            self._change.notify_all()

    def follow(self) -> Iterator[bytes]:
        """All lines so far, then each as it comes; an empty line now and then keeps it alive."""
        at = 0
        while True:
            with self._change:
                behind = at - self._dropped
                if behind >= len(self._lines) and not self.ended:
                    self._change.wait(_KEEP_ALIVE_S)
                    behind = at - self._dropped
                lines = list(self._lines)[max(behind, 0) :]
                at = self._dropped + len(self._lines)
                ended = self.ended
            yield b"".join(line + b"\n" for line in lines) or b"\n"
            if ended and not lines:
                return


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
        if job := self._jobs.get(job_id):
            job.cancel.set()

    def running(self) -> list[Job]:
        """Jobs that have not ended."""
        return [job for job in self._jobs.values() if not job.ended]

    def cancel_all(self) -> None:
        """Ask all to stop."""
        for job in self.running():
            job.cancel.set()
