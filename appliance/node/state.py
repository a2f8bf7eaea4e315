"""What one server's daemon must not forget: SQLite, written through before anything is said.

`synchronous=FULL` with WAL: a change that a caller was told about survives a power cut
(https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from appliance.core.disk_faults import foreseen
from appliance.core.documents import from_json
from appliance.core.errors import ApplianceError
from appliance.core.i18n import Text, say
from appliance.core.inventory import Document, Severity
from appliance.core.status import ReplicaState
from appliance.node.wishes import Event
from appliance.ops.deployment import Deployment
from appliance.supervisor.identity import Identity

log = logging.getLogger(__name__)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deployments (
    id TEXT PRIMARY KEY, document BLOB NOT NULL, wanted INTEGER NOT NULL, created TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS replicas (id TEXT PRIMARY KEY, deployment TEXT NOT NULL, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, severity TEXT NOT NULL,
    code TEXT NOT NULL, subject TEXT NOT NULL, text BLOB NOT NULL);
"""  # noqa: E501
_MOST_EVENTS = 10_000
_VERSION = 1
_DISPLACED = "displaced."


class ReplicaRecord(Document, frozen=True, kw_only=True):
    """One engine process as it was last known."""

    id: str
    work: Deployment
    """What the process was started for."""
    identity: Identity | None = None
    port: int | None = None
    state: ReplicaState = "starting"
    reason: Text | None = None
    since: str = ""
    restarts: int = 0

    @property
    def cards(self) -> list[str]:
        """Ids of the cards it runs on."""
        return self.work.replica_cards().get(self.id, self.work.cards)


class WantedDeployment(Document, frozen=True, kw_only=True):
    """A deployment and whether it should run."""

    deployment: Deployment
    wanted: bool


class State:
    """The daemon's memory. Safe to use from several threads; one writer at a time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._path = path
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise self._broken(error) from error
        try:
            self._open()
        except sqlite3.Error as error:
            self._db.close()
            raise self._broken(error) from error
        except ApplianceError:
            self._db.close()
            raise

    def _open(self) -> None:
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > _VERSION:
            raise ApplianceError(
                say("{path} was written by a newer appliance", path=self._path),
                hint=say("update this appliance"),
                code="STATE-NEWER",
            )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA user_version={_VERSION}")

    def _broken(self, error: sqlite3.Error) -> ApplianceError:
        return foreseen(error, self._path) or ApplianceError(
            say("cannot use the state at {path}: {error}", path=self._path, error=error),
            hint=say("check the rights there, or move the file away to begin afresh"),
            code="STATE-BROKEN",
        )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def setting(self, key: str) -> str | None:
        """A value kept over restarts."""
        rows = self._run("SELECT value FROM settings WHERE key=?", key)
        return str(rows[0][0]) if rows else None

    def set_setting(self, key: str, value: str) -> None:
        """Keep a value over restarts."""
        self._run("INSERT OR REPLACE INTO settings VALUES (?, ?)", key, value)

    def want(self, deployment: Deployment) -> None:
        """Remember that `deployment` should run."""
        raw = msgspec.json.encode(deployment)
        self._run(
            "INSERT INTO deployments VALUES (?, ?, 1, ?) "
            "ON CONFLICT(id) DO UPDATE SET document=excluded.document, wanted=1",
            deployment.id,
            raw,
            now(),
        )

    def unwant(self, deployment_id: str | None = None) -> None:
        """Remember that a deployment, or all, should not run."""
        self._run("UPDATE deployments SET wanted=0 WHERE ?1 IS NULL OR id=?1", deployment_id)

    def deployments(self) -> list[WantedDeployment]:
        """All that were ever wanted here, oldest first."""
        rows = self._run("SELECT document, wanted FROM deployments ORDER BY rowid")
        return [
            WantedDeployment(deployment=from_json(raw, Deployment), wanted=bool(wanted))
            for raw, wanted in rows
        ]

    def keep_displaced(self, deployment: Deployment) -> None:
        """Remember what ran before a card was taken from it, for when the card is back."""
        self.set_setting(_DISPLACED + deployment.id, msgspec.json.encode(deployment).decode())

    def displaced(self) -> list[Deployment]:
        """Deployments that run in another way for as long as a card is held."""
        rows = self._run("SELECT value FROM settings WHERE key GLOB ?", f"{_DISPLACED}*")
        return [from_json(value, Deployment) for (value,) in rows]

    def forget_displaced(self, deployment_id: str) -> None:
        """The deployment is now what somebody wished anew, or what it was before."""
        self._run("DELETE FROM settings WHERE key=?", _DISPLACED + deployment_id)

    def save_replica(self, record: ReplicaRecord) -> None:
        """Remember a replica."""
        raw = msgspec.json.encode(record)
        self._run(
            "INSERT OR REPLACE INTO replicas VALUES (?, ?, ?)", record.id, record.work.id, raw
        )

    def replicas(self) -> list[ReplicaRecord]:
        """All known replicas."""
        rows = self._run("SELECT document FROM replicas ORDER BY id")
        return [from_json(raw, ReplicaRecord) for (raw,) in rows]

    def record(self, severity: Severity, code: str, subject: str, text: Text) -> None:
        """Add to the history; the oldest events go when there are too many.

        A history that cannot be written (a full disk) stops nothing.
        """
        event = (now(), severity, code, subject, msgspec.json.encode(text))
        try:
            with self._lock:
                self._run("INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?)", *event)
                self._run(
                    "DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?",
                    _MOST_EVENTS,
                )
        except ApplianceError as error:
            log.warning("not in the history: %s %s %s: %s", code, subject, text, error)

    def events(self, after: int = 0, most: int = 500) -> list[Event]:
        """The newest events past number `after`, oldest first, in the current language."""
        rows = self._run(
            "SELECT * FROM (SELECT * FROM events WHERE number>? ORDER BY number DESC LIMIT ?) "
            "ORDER BY number",
            after,
            most,
        )
        return [
            Event(
                number=number,
                time=time,
                severity=severity,
                code=code,
                subject=subject,
                text=str(from_json(raw, Text)),
            )
            for number, time, severity, code, subject, raw in rows
        ]


def now() -> str:
    """The time in RFC 3339, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_TO_SEE_TO = """
SELECT 1 FROM deployments WHERE wanted=1
UNION SELECT 1 FROM replicas WHERE json_extract(document, '$.identity.pid') IS NOT NULL
"""


def anything_to_see_to(path: Path) -> bool:
    """Whether the state at `path` wants something to run, or something may still run that nobody
    wants; reads only, no daemon needed.
    """
    if not path.exists():
        return False
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return bool(db.execute(_TO_SEE_TO).fetchone())
        finally:
            db.close()
    except sqlite3.DatabaseError:
        return False
