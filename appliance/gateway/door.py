"""Who may ask: the outer of the gateway's two layers."""

from __future__ import annotations

import asyncio
import logging
import sqlite3

from starlette.types import ASGIApp, Receive, Scope, Send

from appliance.core.i18n import Text, say
from appliance.gateway.keys import KeyStore, Role
from appliance.gateway.metrics import Metrics
from appliance.gateway.openai import error_response
from appliance.gateway.request import REVOKED

_OPEN = frozenset({"/health"})
_ROLES: dict[str, frozenset[Role]] = {"/metrics": frozenset({"metrics", "admin"})}
_TALKERS: frozenset[Role] = frozenset({"user", "admin"})
_LOOK_AGAIN_S = 2.0
_SERVICE_UNAVAILABLE = 503
Refusal = tuple[int, str, Text]
_log = logging.getLogger(__name__)


class Door:
    """Lets a request through to `app` when its key may do what it asks for.

    Revoking takes effect with the next request, because every one is held against the key store
    itself; and on answers that are still running within seconds.
    """

    def __init__(self, app: ASGIApp, keys: KeyStore, metrics: Metrics) -> None:
        self._app = app
        self._keys = keys
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 401, 403 or (the key store is broken) 503."""
        if scope["type"] != "http" or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
        elif refusal := self._refusal(scope):
            await self._refuse(refusal, scope, receive, send)
        else:
            await self._pass(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it through, and tell it through the scope should its key be revoked meanwhile."""
        scope[REVOKED] = asyncio.Event()
        watching = asyncio.create_task(self._watch(scope))
        try:
            await self._app(scope, receive, send)
        finally:
            watching.cancel()

    async def _watch(self, scope: Scope) -> None:
        while True:
            await asyncio.sleep(_LOOK_AGAIN_S)
            refusal = self._refusal(scope)
            if refusal and refusal[0] != _SERVICE_UNAVAILABLE:
                scope[REVOKED].set()
                return

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        status, code, message = refusal
        self._metrics.refused[status] += 1
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        await error_response(status, code, message, headers)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        key = _bearer(scope)
        if key is None:
            return 401, "missing_api_key", say("send a key as `Authorization: Bearer KEY`")
        try:
            record = self._keys.check(key)
        except sqlite3.Error as error:
            _log.error("the key store does not answer: %s", error)
            return _SERVICE_UNAVAILABLE, "keys_unreadable", say("keys cannot be checked now")
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
