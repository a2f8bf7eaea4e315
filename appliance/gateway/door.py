"""Who may ask: the outer of the gateway's two layers."""

from __future__ import annotations

import logging
import sqlite3

from starlette.types import ASGIApp, Receive, Scope, Send

from appliance.core.i18n import Text, say
from appliance.gateway.keys import KeyStore, Role
from appliance.gateway.metrics import Metrics
from appliance.gateway.openai import error_response

_OPEN = frozenset({"/health"})
_ROLES: dict[str, frozenset[Role]] = {"/metrics": frozenset({"metrics", "admin"})}
_TALKERS: frozenset[Role] = frozenset({"user", "admin"})
_log = logging.getLogger(__name__)


class Door:
    """Lets a request through to `app` when its key may do what it asks for.

    Revoking takes effect with the next request: every one is held against the key store itself.
    """

    def __init__(self, app: ASGIApp, keys: KeyStore, metrics: Metrics) -> None:
        self._app = app
        self._keys = keys
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 401, 403 or (the key store is broken) 503."""
        if (
            scope["type"] != "http"
            or scope["path"] in _OPEN
            or await self._may(scope, receive, send)
        ):
            await self._app(scope, receive, send)

    async def _may(self, scope: Scope, receive: Receive, send: Send) -> bool:
        refusal = self._refusal(scope)
        if refusal is None:
            return True
        status, code, message = refusal
        self._metrics.refused[status] += 1
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        await error_response(status, code, message, headers)(scope, receive, send)
        return False

    def _refusal(self, scope: Scope) -> tuple[int, str, Text] | None:
        key = _bearer(scope)
        if key is None:
            return 401, "missing_api_key", say("send a key as `Authorization: Bearer KEY`")
        try:
            record = self._keys.check(key)
        except sqlite3.Error as error:
            _log.error("the key store does not answer: %s", error)
            return 503, "keys_unreadable", say("keys cannot be checked now")
        if record is None:
            return 401, "invalid_api_key", say("this key is unknown or revoked")
        if record.role not in _ROLES.get(scope["path"], _TALKERS):
            return 403, "forbidden", say("a key of role {role} may not do this", role=record.role)
        return None


def _bearer(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            return key.strip() if scheme.lower() == "bearer" and key.strip() else None
    return None
