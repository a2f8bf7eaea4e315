"""Long work the daemon carries: it goes on when the terminal that asked for it is closed.

Whoever asks for the same thing while it runs is shown the same job. Only `end` ends one early.
"""

from __future__ import annotations

import errno
import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from appliance.core.disk_faults import foreseen
from appliance.core.errors import ApplianceError, Interrupted, UsageError
from appliance.core.i18n import current_language, say, use_language
from appliance.core.inventory import Document
from appliance.core.paths import find_paths
from appliance.core.progress import Cancel
from appliance.core.pull import Progress
from appliance.core.status import JobState, JobStatus
from appliance.node.state import now

log = logging.getLogger(__name__)
_LOOK_S = 0.5
_MOST_PROGRESS = 100
_MOST_ENDED = 20
Work = Callable[[Callable[[Any], None], Cancel], Document]


class Job:
    """One piece of work in a thread of its own, and what it has told so far.

    A paused job keeps its followers: when it goes on, the work begins anew where it left things.
    """

    def __init__(
        self,
        key: object,
        work: Work,
        *,
        kind: str,
        subject: str = "",
        pausable: bool = False,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.key = key
        self.kind = kind
        self.subject = subject
        self.pausable = pausable
        self.since = now()
        self.state: JobState = "running"
        self.cancel = Cancel()
        self._work = work
        self._wanted: JobState = "running"
        self._progress: Progress | None = None
        self._why: str | None = None
        self._on_change = on_change
        self._language = current_language()
        self._lines: dict[int, bytes] = {}
        self._count = 0
        self._stale: deque[int] = deque()
        self._change = threading.Condition()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state == "ended"

    @property
    def goes_on(self) -> bool:
        """Whether it is to run, now or later."""
        return not self.ended and self._wanted != "ended"

    def status(self) -> JobStatus:
        """Where it is."""
        progress = self._progress
        return JobStatus(
            id=self.id,
            kind=self.kind,
            subject=self.subject,
            state=self.state,
            done=progress.done if progress else None,
            total=progress.total if progress else None,
            since=self.since,
            why=self._why,
            waiting=progress.waiting if progress and self.state == "running" else None,
        )

    def start(self) -> Job:
        """Begin."""
        self._tell(self.status())
        self._go()
        return self

    def wait_paused(self) -> Job:
        """Begin as a paused one."""
        self.state = self._wanted = "paused"
        self._tell(self.status())
        return self

    def pause(self) -> None:
        """Stop at the next safe point, to go on later. Raises `UsageError` where that cannot be."""
        if not self.pausable:
            raise UsageError(
                say("{kind} cannot be paused", kind=self.kind),
                hint=say("end it with cancel; the same command does what is left to do"),
                code="NOT-PAUSABLE",
            )
        with self._change:
            if self.state == "running":
                self._wanted = "paused"
                self.cancel.set()

    def resume(self, work: Work | None = None) -> None:
        """Go on, as `work` where that is given: a running job then begins anew as that."""
        with self._change:
            if self.ended:
                return
            self._work = work or self._work
            self._wanted = "running"
            if self.state == "running":
                if work is not None:
                    self.cancel.set()
                return
            self._set_state("running")
            self.cancel = Cancel()
        self._go()
        self._on_change()

    def end(self) -> None:
        """Stop at the next safe point, for good."""
        with self._change:
            if self.ended:
                return
            self._wanted = "ended"
            self.cancel.set()
            if self.state != "paused":
                return
            self._finish(_cancelled())
        self._on_change()

    def _go(self) -> None:
        threading.Thread(target=self._run, name=f"job-{self.id}", daemon=True).start()

    def _run(self) -> None:
        use_language(self._language)
        settled = False
        while not settled:
            settled = self._settled(self._outcome())
        self._on_change()

    def _outcome(self) -> Document | ApplianceError:
        try:
            return self._work(self._tell, self.cancel)
        except ApplianceError as error:
            log.info("job %s: %s %s", self.id, error.code, error)
            return error
        except Exception as error:
            log.exception("job %s failed", self.id)
            return explained(error)

    def _settled(self, outcome: Document | ApplianceError) -> bool:
        """Whether the thread has nothing more to do."""
        with self._change:
            stopped = isinstance(outcome, Interrupted) and self.cancel.is_set()
            if not stopped or self._wanted == "ended":
                self._finish(outcome)
            elif self._wanted == "paused":
                self._set_state("paused")
            else:
                self.cancel = Cancel()
            return self.state != "running"

    def _finish(self, outcome: Document | ApplianceError) -> None:
        if isinstance(outcome, ApplianceError):
            self._why = str(outcome)
            self._add(msgspec.json.encode({"error": outcome.document()}), stale=False)
        else:
            self._tell(outcome)
        self.state = "ended"
        self._change.notify_all()

    def _set_state(self, state: JobState) -> None:
        self.state = state
        self._tell(self.status())

    def _tell(self, document: Document) -> None:
        if isinstance(document, Progress):
            self._progress = document
        self._add(msgspec.json.encode(document), stale=isinstance(document, Progress))

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


def explained(error: Exception) -> ApplianceError:
    """What people are told of a fault that the work did not see to: the disk's, else our own."""
    if isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC):
        told = foreseen(error, Path(str(error.filename or find_paths().state)))
        if told is not None:
            return told
    return ApplianceError(
        say("internal fault: {error}", error=repr(error)),
        hint=say("the daemon's log has the details; please report it"),
        code="INTERNAL",
    )


def _cancelled() -> Interrupted:
    return Interrupted(say("cancelled"), hint=say("the same command goes on where it stopped"))


class Jobs:
    """The jobs of this daemon. `on_change` is called when one begins, pauses, goes on or ends."""

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def run(
        self, key: object, work: Work, *, kind: str, subject: str = "", pausable: bool = False
    ) -> Job:
        """The job with this key that has not ended (a paused one goes on), or a new one."""
        with self._lock:
            job = self.alive(key)
            if job is None:
                job = self._new(key, work, kind=kind, subject=subject, pausable=pausable).start()
        job.resume()
        self.on_change()
        return job

    def restore(self, key: object, work: Work, status: JobStatus) -> Job:
        """A job of an earlier daemon: it waits where it was paused, else it goes on."""
        with self._lock:
            job = self._new(key, work, kind=status.kind, subject=status.subject, pausable=True)
            del self._jobs[job.id]
            job.id, job.since = status.id, status.since
            self._jobs[job.id] = job
            return job.wait_paused() if status.state == "paused" else job.start()

    def alive(self, key: object) -> Job | None:
        """The job that who asks for the same thing is shown."""
        jobs = [job for job in list(self._jobs.values()) if job.key == key]
        return next((job for job in jobs if job.goes_on), None)

    def _new(self, key: object, work: Work, *, kind: str, subject: str, pausable: bool) -> Job:
        ended = [job.id for job in self._jobs.values() if job.ended]
        for job_id in ended[: max(0, len(ended) - _MOST_ENDED)]:
            del self._jobs[job_id]
        job = Job(key, work, kind=kind, subject=subject, pausable=pausable, on_change=self._changed)
        self._jobs[job.id] = job
        return job

    def _changed(self) -> None:
        self.on_change()

    def list(self) -> list[Job]:
        """All jobs, oldest first, with those that ended lately."""
        with self._lock:
            return list(self._jobs.values())

    def find(self, job_id: str) -> Job:
        """The job with this id. Raises `UsageError` for an unknown one."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None:
            raise UsageError(
                say("no such job: {id}", id=job_id),
                hint=say("`appliance models jobs` shows what is under way"),
                code="NO-SUCH-JOB",
            )
        return job

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop; an unknown id is a job that has ended."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job:
            job.end()

    def cancel_all(self) -> None:
        """Ask all to stop."""
        for job in self.list():
            job.end()
