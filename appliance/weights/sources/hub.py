"""What the model hubs have in common: a listing, and refusals."""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Callable
from urllib.parse import urlsplit

from appliance.core.errors import UsageError
from appliance.core.i18n import say
from appliance.core.reference import HubReference
from appliance.weights.faults import SourceFault, busy, gated, missing, not_the_file
from appliance.weights.http import Answer, Http
from appliance.weights.proxy import proxy_refused, refused_by_proxy
from appliance.weights.sources.base import Listing
from appliance.weights.sources.ranged import RangedSource

_PAUSES_S = (0.5, 1.0, 2.0)
_LONGEST_PAUSE_S = 300.0
"""Hubs count requests in windows of five minutes."""


class HubSource(RangedSource):
    """A repository of a hub over HTTP."""

    def __init__(self, http: Http, reference: HubReference) -> None:
        super().__init__(http, str(reference))
        self.reference = reference
        self._listing: Listing | None = None

    @abstractmethod
    def ask_listing(self) -> Listing:
        """Ask the hub what the repository holds."""

    def listing(self) -> Listing:
        """What the repository holds, asked once."""
        if self._listing is None:
            self._listing = self._insist(self.ask_listing)
        return self._listing

    def _insist(self, ask: Callable[[], Listing]) -> Listing:
        """Ask again where the hub is busy; a hub that cannot be reached is given up at once."""
        for pause_s in _PAUSES_S:
            try:
                return ask()
            except SourceFault as fault:
                if fault.error.code != "HUB-BUSY" or fault.wait_s > _LONGEST_PAUSE_S:
                    raise
                time.sleep(fault.wait_s or pause_s)
        return ask()

    def check_status(self, answer: Answer, what: str) -> None:
        """Raise the `SourceFault` that a status (and the hub's own error code) means."""
        host, code = urlsplit(answer.url).netloc, answer.headers.get("x-error-code", "")
        status = answer.status
        if status in (200, 206):
            return
        if not code and refused_by_proxy(answer.url, status):
            raise proxy_refused(host, status)
        if code == "GatedRepo" or (status in (401, 403) and not code and self.is_ours(answer.url)):
            raise gated(self.reference.repo, host)
        if code in ("RepoNotFound", "RevisionNotFound") or (status == 401 and code):
            raise missing(str(self.reference), host)
        if code == "EntryNotFound" or status in (404, 410):
            raise missing(what, self.label)
        if status == 416:
            raise not_the_file(host, say("it has less of the file than listed (416)"))
        raise busy(host, status, answer.wait_s())

    def is_ours(self, url: str) -> bool:
        """Whether an address is on the hub itself, not on a content network behind it."""
        return urlsplit(url).netloc == urlsplit(self.endpoint()).netloc

    @abstractmethod
    def endpoint(self) -> str:
        """Where the hub is."""

    def ask(self, url: str) -> tuple[Answer, object]:
        """One document of the hub's own API. Raises `SourceFault`."""
        answer, document = self.http.document(url, self.authorization())
        self.check_status(answer, str(self.reference))
        if document is None:
            host = urlsplit(answer.url).netloc
            raise not_the_file(host, say("its listing is not the hub's protocol"))
        return answer, document


def token_header(variable: str) -> dict[str, str]:
    """The bearer header of the token in the environment, nothing without one.

    Raises `SourceFault` for what cannot stand in a header, without showing it.
    """
    token = os.environ.get(variable, "").strip()
    if not (token.isascii() and token.isprintable()):
        error = UsageError(
            say("{variable} holds something that is no token", variable=variable),
            hint=say("set it to the token alone: one line, no other words"),
            code="BAD-TOKEN",
        )
        raise SourceFault(error, lasting=True)
    return {"Authorization": f"Bearer {token}"} if token else {}
