"""Pulls are jobs that outlive the daemon: each is on record from its first moment to its end."""

from __future__ import annotations

import itertools
import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from appliance.core.documents import from_json, prepare
from appliance.core.errors import ApplianceError
from appliance.core.inventory import Document
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.core.status import JobState, JobStatus
from appliance.node.jobs import Job, Jobs, Work
from appliance.node.state import State
from appliance.node.wishes import PullOptions
from appliance.ops.store import check_pull, pull_model

log = logging.getLogger(__name__)
_SETTING = "pulls"


class PullRecord(Document, frozen=True, kw_only=True):
    """A pull that has not ended."""

    id: str
    options: PullOptions
    state: JobState
    since: str


prepare(list[PullRecord])


class Pulls:
    """The pulls among `jobs`. Those of an earlier daemon go on; paused ones wait."""

    def __init__(self, jobs: Jobs, state: State, paths: Paths) -> None:
        self._jobs = jobs
        self._state = state
        self._paths = paths
        self._lock = threading.Lock()
        self._options: dict[str, PullOptions] = {}
        self._kept: list[PullRecord] = []
        self._closed = False
        jobs.on_change = self._keep

    def start(self, options: PullOptions) -> Job:
        """Begin, join or go on with the pull of a model; the newest limit counts.

        Raises `UsageError` for a model or a limit that cannot be meant.
        """
        check_pull(options.model, options.limit)
        key = ("pull", options.model)
        before = self._options.get(options.model) if self._jobs.alive(key) else None
        if before and options.limit is None:
            options = before
        self._options[options.model] = options
        work = self._work(options, begun=before is not None)
        job = self._jobs.run(key, work, kind="pull", subject=options.model, pausable=True)
        if before not in (None, options):
            job.resume(work)
        return job

    def restore(self) -> None:
        """Take over the pulls of the daemon before."""
        for record in read_records(self._state.setting(_SETTING)):
            options = record.options
            self._options[options.model] = options
            status = JobStatus(
                id=record.id,
                kind="pull",
                subject=options.model,
                state=record.state,
                since=record.since,
            )
            self._jobs.restore(("pull", options.model), self._work(options, begun=True), status)
        self._keep()

    def close(self, *, pause: bool = False) -> None:
        """The daemon leaves: what is on record now is for the next one, `pause`d or to go on."""
        with self._lock:
            if not self._closed:
                self._closed = True
                records = self._records()
                if pause:
                    records = [msgspec.structs.replace(r, state="paused") for r in records]
                self._write(records)

    def _work(self, options: PullOptions, *, begun: bool = False) -> Work:
        """What is done of a pull each time that it begins or goes on."""
        times = itertools.count(int(begun))

        def work(tell: Callable[[Any], None], cancel: Cancel) -> Document:
            again = next(times) > 0
            return pull_model(
                options.model, self._paths, tell, cancel, limit=options.limit, begun=again
            )

        return work

    def _keep(self) -> None:
        with self._lock:
            if not self._closed:
                self._write(self._records())

    def _records(self) -> list[PullRecord]:
        return [
            PullRecord(
                id=job.id, options=self._options[job.subject], state=job.state, since=job.since
            )
            for job in self._jobs.list()
            if job.kind == "pull" and job.goes_on
        ]

    def _write(self, records: list[PullRecord]) -> None:
        if records == self._kept:
            return
        try:
            self._state.set_setting(_SETTING, msgspec.json.encode(records).decode())
            self._kept = records
        except ApplianceError as error:  # a full disk: the pull itself tells the operator
            log.warning("the record of pulls was not written: %s", error)


def read_records(text: str | None) -> list[PullRecord]:
    """The pulls of a record; none where there is none that can be read."""
    try:
        return from_json(text, list[PullRecord]) if text else []
    except msgspec.MsgspecError as error:
        log.warning("the record of pulls cannot be read: %s", error)
        return []


def recorded_pulls(state_file: Path) -> list[PullRecord]:
    """The pulls that have not ended, of a daemon that may not run; reads only."""
    if not state_file.exists():
        return []
    try:
        db = sqlite3.connect(f"file:{state_file}?mode=ro", uri=True)
        try:
            row = db.execute("SELECT value FROM settings WHERE key=?", (_SETTING,)).fetchone()
        finally:
            db.close()
    except sqlite3.DatabaseError:
        return []
    return read_records(row[0] if row else None)
