"""Keys: random, stored as hashes, and in force the moment they are written.

A key has 256 random bits, so one SHA-256 is enough to store it: there is nothing to guess, and a
slow hash would only slow every request.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from appliance.core.disk_faults import foreseen
from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Document
from appliance.core.paths import private_directory

Role = Literal["user", "metrics", "admin"]
"""`user` talks to models, `metrics` reads /metrics, `admin` does both."""

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    role    TEXT NOT NULL,
    digest  BLOB NOT NULL UNIQUE,
    created TEXT NOT NULL,
    revoked TEXT
) STRICT, WITHOUT ROWID
"""


class NewKey(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.key/1"):
    """A key when it is made: the only time that `key` is known."""

    id: str
    name: str
    key: str
    role: Role = "user"


class KeyRecord(Document, frozen=True, kw_only=True):
    """What is kept about a key. Times are RFC 3339, UTC; `revoked` is `None` while it is good."""

    id: str
    name: str
    role: Role
    created: str
    revoked: str | None = None


class KeyStore:
    """The keys of one appliance, shared by its processes; safe to use from several threads.

    Every method reads or writes the database itself, so a change counts in all processes at once.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._database = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise foreseen(error, path) or ApplianceError(
                say("cannot open the keys in {path}: {error}", path=path, error=error),
                hint=say("check the rights and the free space there"),
                code="KEYS-UNREADABLE",
            ) from error

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def add(self, name: str, role: Role = "user") -> NewKey:
        """Make a key. Raises `UsageError` for a role or a name that cannot be."""
        if role not in get_args(Role):
            raise UsageError(
                say("no such role: {role}", role=role), hint=say("use user, metrics or admin")
            )
        if not name.strip() or not name.isprintable():
            raise UsageError(
                say("a key needs a readable name"), hint=say("name the person or the program")
            )
        new = NewKey(
            id=f"k{secrets.token_hex(4)}",
            name=name.strip(),
            key=f"sk-{secrets.token_urlsafe(32)}",
            role=role,
        )
        self._execute(
            "INSERT INTO keys (id, name, role, digest, created) VALUES (?, ?, ?, ?, ?)",
            new.id,
            new.name,
            new.role,
            _digest(new.key),
            _now(),
        )
        return new

    def list(self) -> Sequence[KeyRecord]:
        """All keys, revoked ones too, oldest first."""
        rows = self._execute(
            "SELECT id, name, role, created, revoked FROM keys ORDER BY created, id"
        )
        return [_record(row) for row in rows]

    def revoke(self, key_id: str) -> KeyRecord:
        """Make a key worthless; a second time changes nothing. Raises `UsageError` if unknown."""
        rows = self._execute(
            "UPDATE keys SET revoked = coalesce(revoked, ?) WHERE id = ?"
            " RETURNING id, name, role, created, revoked",
            _now(),
            key_id,
        )
        if not rows:
            raise UsageError(
                say("no such key: {id}", id=key_id),
                hint=say("see `appliance keys list`"),
                code="NO-SUCH-KEY",
            )
        return _record(rows[0])

    def check(self, key: str) -> KeyRecord | None:
        """The record of a good key; `None` for an unknown or revoked one."""
        rows = self._execute(
            "SELECT id, name, role, created, revoked FROM keys"
            " WHERE digest = ? AND revoked IS NULL",
            _digest(key),
        )
        return _record(rows[0]) if rows else None

    def _execute(self, statement: str, *values: object) -> Sequence[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()


def _open(path: Path) -> sqlite3.Connection:
    private_directory(path.parent)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    database = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    if version > _SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"written by a newer version ({version})")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    if version < _SCHEMA_VERSION:
        database.execute(_SCHEMA)
        database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    return database


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(row: tuple[Any, ...]) -> KeyRecord:
    key_id, name, role, created, revoked = row
    return KeyRecord(id=key_id, name=name, role=role, created=created, revoked=revoked)
