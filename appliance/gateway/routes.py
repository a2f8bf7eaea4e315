"""The routes file: which workers serve which model. The node writes it, the gateway reads it.

A model that should be served but has no ready worker stays in the file with an empty list: its
requests wait. A model that is not in the file is unknown.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from appliance.core.documents import from_json, to_json
from appliance.core.files import write_atomically
from appliance.core.inventory import Document
from appliance.core.paths import private_directory

FILE_NAME = "routes.json"
_log = logging.getLogger(__name__)


class Worker(Document, frozen=True, kw_only=True):
    """One replica that is ready to answer at `url` (`http://127.0.0.1:PORT`, no path)."""

    id: str
    url: str


class ModelRoute(Document, frozen=True, kw_only=True):
    """A model under its id and its other names.

    `coming`: a worker is being started or exchanged in order, which takes as long as it takes.
    """

    id: str
    aliases: list[str] = []
    workers: list[Worker] = []
    coming: bool = False


class RouteTable(Document, frozen=True, kw_only=True):
    """Everything that can be asked for."""

    version: int = 1
    models: list[ModelRoute] = []

    def find(self, name: str) -> ModelRoute | None:
        """The model with this id, else the one with this alias."""
        by_id = (model for model in self.models if model.id == name)
        by_alias = (model for model in self.models if name in model.aliases)
        return next(by_id, None) or next(by_alias, None)


def write_routes(state: Path, table: RouteTable) -> None:
    """Put `table` in force at once. `state` is the state directory."""
    write_atomically(private_directory(state) / FILE_NAME, to_json(table, indent=2).encode())


class Routes:
    """The routes file of `state` as it is now; a file that cannot be read leaves the last table."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE_NAME
        self._seen: tuple[int, int, int] | None = None
        self._table = RouteTable()

    def current(self) -> RouteTable:
        """The table in force. A look at the file's status, and a read only when it changed."""
        seen = self._fingerprint()
        if seen != self._seen:
            self._seen = seen
            self._read()
        return self._table

    def _fingerprint(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self) -> None:
        try:
            self._table = from_json(self._path.read_bytes(), RouteTable)
        except FileNotFoundError:
            self._table = RouteTable()
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("routes file not readable, keeping the last one: %s", error)
