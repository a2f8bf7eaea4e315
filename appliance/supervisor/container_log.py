"""What an engine in a container says, written to our own log as it is said.

The container engine keeps a little of it too, bounded, which bridges the time without a daemon.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from appliance.core.errors import ApplianceError
from appliance.supervisor.container_engine import Gone, connected
from appliance.supervisor.identity import Identity

_RETRY_S = 1.0
_LAST_WORDS_S = 3.0
_Key = tuple[str | None, str | None, str]
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d) ")
_followers: dict[_Key, _Follower] = {}
_table = threading.Lock()


def follow(identity: Identity, log_path: Path, *, since: float | None = None) -> None:
    """Begin to write the container's output to `log_path`, from `since` (seconds since 1970)."""
    key = _key(identity)
    with _table:
        before = _followers.get(key)
        if before is None or not before.is_alive():
            _followers[key] = _Follower(identity, log_path, since)
            _followers[key].start()


def settled(identity: Identity) -> None:
    """Return when all that an ended container said is in the log, or a little later."""
    with _table:
        follower = _followers.pop(_key(identity), None)
    if follower:
        follower.join(_LAST_WORDS_S)


def _key(identity: Identity) -> _Key:
    """The name alone is not enough: the next container of a replica has it, too."""
    return identity.where, identity.name, identity.started


class _Follower(threading.Thread):
    def __init__(self, identity: Identity, log_path: Path, since: float | None) -> None:
        super().__init__(name=f"log-of-{(identity.name or '')[:12]}", daemon=True)
        self._identity = identity
        self._log_path = log_path
        self._since = since
        self._last = b""
        self._at_last = 0

    def run(self) -> None:
        """Write until the container has ended; a restart of its engine is waited out."""
        while True:
            try:
                with connected(self._identity.where) as api:
                    running = _runs(api, self._identity)
                    self._write(api)
                if not running:
                    return
            except Gone:
                return
            except ApplianceError:
                pass
            threading.Event().wait(_RETRY_S)

    def _write(self, api: Any) -> None:
        with self._log_path.open("ab", buffering=0) as file:
            for stamp, text in self._news(api):
                file.write(text)
                self._at_last = self._at_last + 1 if stamp == self._last else 1
                self._last, self._since = stamp, _seconds(stamp) or self._since

    def _news(self, api: Any) -> Iterator[tuple[bytes, bytes]]:
        """Pieces with their times, but for those that an earlier connection brought.

        Podman tells times in whole seconds, so that many pieces have the same.
        """
        last, known = self._last, self._at_last
        stream = api.logs(
            self._identity.name, stream=True, follow=True, timestamps=True, since=self._since
        )
        for frame in stream:
            match = _STAMP.match(frame)
            stamp = match[0] if match else self._last
            if stamp < last or (stamp == last and known > 0):
                known -= stamp == last
                continue
            yield stamp, frame[match.end() :] if match else frame


def _runs(api: Any, identity: Identity) -> bool:
    return bool(api.inspect_container(identity.name)["State"]["Running"])


def _seconds(stamp: bytes) -> float | None:
    match = _STAMP.match(stamp)
    if match is None:
        return None
    whole = datetime.fromisoformat((match[1] + match[3].replace(b"Z", b"+00:00")).decode())
    return whole.timestamp() + float(match[2] or 0)
