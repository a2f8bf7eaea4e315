"""What people asked of each model, as the gateway counted it."""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict, deque
from pathlib import Path

import httpx
import msgspec

from appliance.core.loopback import no_tls

_EVERY_S = 2.0
_PATIENCE_S = 0.5
_WINDOW_S = 60.0
_LINE = re.compile(
    r"appliance_gateway_(?P<name>requests_total|first_byte_seconds_sum|first_byte_seconds_count)"
    r'\{model="(?P<model>(?:[^"\\]|\\.)*)"[^}]*\} (?P<value>\S+)'
)


class ModelTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """Requests answered since the gateway started; seconds to the first byte in the last minute."""

    requests: int
    first_token_s: float | None


class _Counted(msgspec.Struct, frozen=True):
    at: float
    waits: float
    seconds: float


class Traffic:
    """Asks the gateway over its socket, every two seconds at most; a silent one tells nothing."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket), verify=no_tls()),
            base_url="http://gateway",
            timeout=_PATIENCE_S,
            trust_env=False,
        )
        self._past: defaultdict[str, deque[_Counted]] = defaultdict(deque)
        self._known: dict[str, ModelTraffic] = {}
        self._asked_at = -_EVERY_S
        self._lock = threading.Lock()

    def close(self) -> None:
        """Leave the socket."""
        self._http.close()

    def read(self) -> dict[str, ModelTraffic]:
        """By model id."""
        with self._lock:
            now = time.monotonic()
            if now - self._asked_at >= _EVERY_S:
                self._asked_at = now
                self._known = self._take(self._page(), now)
            return self._known

    def _page(self) -> str:
        if not self._socket.exists():
            return ""
        try:
            return self._http.get("/metrics").text
        except httpx.HTTPError:
            return ""

    def _take(self, page: str, now: float) -> dict[str, ModelTraffic]:
        counted: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        for line in page.splitlines():
            if match := _LINE.fullmatch(line):
                counted[match["model"]][match["name"]] += float(match["value"])
        return {model: self._of(model, numbers, now) for model, numbers in counted.items()}

    def _of(self, model: str, numbers: defaultdict[str, float], now: float) -> ModelTraffic:
        newest = _Counted(
            now, numbers["first_byte_seconds_count"], numbers["first_byte_seconds_sum"]
        )
        past = self._past[model]
        if past and past[-1].waits > newest.waits:
            past.clear()  # another gateway, counting from 0
        past.append(newest)
        while past[0].at < now - _WINDOW_S and len(past) > 1:
            past.popleft()
        waits = newest.waits - past[0].waits
        seconds = (newest.seconds - past[0].seconds) / waits if waits > 0 else None
        return ModelTraffic(requests=int(numbers["requests_total"]), first_token_s=seconds)
