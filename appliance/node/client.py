"""Talking to the node daemon over its Unix socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from appliance.core.documents import KindT, from_json
from appliance.core.errors import ApplianceError, Unreachable, error_from_document
from appliance.core.history import History
from appliance.core.i18n import current_language, say
from appliance.core.inventory import Inventory
from appliance.core.loopback import no_tls
from appliance.core.paths import Paths
from appliance.core.sample import Sample
from appliance.core.status import JobStatus, Status
from appliance.core.topology import Topology
from appliance.node.wishes import (
    Event,
    LogLines,
    PullOptions,
    Shared,
    ShareOptions,
    TuneOptions,
    UpOptions,
)

_STOP_S = 120.0
_SILENCE_S = 60.0  # a stream has an empty line every few seconds at least


class NodeClient:
    """One server's daemon. Every call raises `Unreachable` when it does not answer."""

    def __init__(self, paths: Paths, *, timeout_s: float = 10.0) -> None:
        self.paths = paths
        transport = httpx.HTTPTransport(uds=str(paths.node_socket), verify=no_tls())
        self._http = httpx.Client(
            base_url="http://node",
            transport=transport,
            timeout=timeout_s,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> NodeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def status(self) -> Status:
        """Daemon, listeners, deployments and cards."""
        return self._get("/status", Status)

    def inventory(self) -> Inventory:
        """The inventory the daemon works with."""
        return self._get("/inventory", Inventory)

    def sample(self, *, processes: bool = False) -> Sample:
        """The newest readings, on request with the processes on the cards."""
        return self._get("/sample", Sample, params={"processes": 1} if processes else None)

    def history(self, card: str, span: str) -> History:
        """What a card (or `host`, or `all`) did over `1m`, `1h`, `1d` or `30d`."""
        return self._get("/history", History, params={"card": card, "span": span})

    def topology(self) -> Topology:
        """How the cards are linked; takes seconds where vendors' tools are slow."""
        return self._get("/topology", Topology, timeout=_STOP_S)

    def events(self, after: int = 0) -> list[Event]:
        """What happened since the event number `after`, oldest first."""
        return self._get("/events", list[Event], params={"after": after})

    def logs(self, deployment: str, lines: int = 200) -> list[str]:
        """The last lines of the engine's log."""
        path = f"{_deployment(deployment)}/log"
        return self._get(path, LogLines, params={"lines": lines}).lines

    def follow_logs(self, deployment: str, lines: int = 50) -> Iterator[str]:
        """The log from `lines` back, then for ever."""
        path = f"{_deployment(deployment)}/log/follow"
        for message in self._stream("GET", path, {"lines": lines}):
            yield str(message["line"])

    def up(self, options: UpOptions) -> Iterator[dict[str, Any]]:
        """Do the main job; yields `phase`, `note` and progress documents, last the up/1."""
        yield from self._stream("POST", "/up", body=msgspec.to_builtins(options))

    def pull(self, options: PullOptions) -> Iterator[dict[str, Any]]:
        """Fetch a model; yields progress/1 documents, last the pull/1."""
        yield from self._stream("POST", "/pull", body=msgspec.to_builtins(options))

    def tune(self, deployment: str, options: TuneOptions) -> Iterator[dict[str, Any]]:
        """Measure settings and keep the best; yields `Trial`s and at last the `Tune`."""
        return self._stream(
            "POST", f"{_deployment(deployment)}/tune", body=msgspec.to_builtins(options)
        )

    def down(self, deployment: str | None = None, *, now: bool = False) -> None:
        """Stop a deployment, or everything of ours, the daemon too.

        Running answers get a minute to end, unless it has to be `now`.
        """
        path = f"{_deployment(deployment)}/stop" if deployment else "/stop"
        self._request("POST", path, params={"now": int(now)}, timeout=_STOP_S)

    def hold_card(self, card: str, reason: str) -> None:
        """Take a card out of service, until it is released."""
        self._request("POST", f"/cards/{quote(card, safe='')}/hold", json={"reason": reason})

    def release_card(self, card: str) -> None:
        """Let a held card be used again."""
        self._request("POST", f"/cards/{quote(card, safe='')}/release")

    def jobs(self) -> list[JobStatus]:
        """Long work: what is under way or paused, and what ended lately."""
        return self._get("/jobs", list[JobStatus])

    def pause_job(self, job_id: str) -> None:
        """Stop a pull at its next safe point; it keeps its bytes, over restarts too."""
        self._request("POST", f"/jobs/{job_id}/pause")

    def resume_job(self, job_id: str) -> None:
        """Go on with a paused pull."""
        self._request("POST", f"/jobs/{job_id}/resume")

    def cancel_job(self, job_id: str) -> None:
        """End a job at its next safe point; the same work asked for again goes on from there."""
        self._request("POST", f"/jobs/{job_id}/cancel")

    def share(self, options: ShareOptions) -> Shared:
        """Share the store with other appliances, or no longer."""
        body = msgspec.to_builtins(options)
        return from_json(self._request("POST", "/share", json=body).content, Shared)

    def restart(self, deployment: str) -> None:
        """Stop a deployment's engines and start them afresh."""
        self._request("POST", f"{_deployment(deployment)}/restart", timeout=_STOP_S)

    def _get(self, path: str, kind: type[KindT], **options: Any) -> KindT:
        raw = self._request("GET", path, **options).content
        try:
            return from_json(raw, kind)
        except msgspec.MsgspecError as error:
            raise _other_version(error) from error

    def _headers(self) -> dict[str, str]:
        return {"Accept-Language": current_language()}

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, headers=self._headers(), **options)
        except httpx.TransportError as error:
            raise daemon_down(error) from error
        if response.status_code >= 400:
            raise _error_of(response.text)
        return response

    def _stream(
        self, method: str, path: str, params: dict[str, Any] | None = None, body: Any = None
    ) -> Iterator[dict[str, Any]]:
        try:
            with self._http.stream(
                method, path, params=params, json=body, headers=self._headers(), timeout=_SILENCE_S
            ) as response:
                if response.status_code >= 400:
                    raise _error_of(response.read().decode())
                for line in response.iter_lines():
                    if line.strip():
                        yield _message(line)
        except httpx.TransportError as error:
            raise daemon_down(error) from error


def _deployment(name: str) -> str:
    return f"/deployments/{quote(name, safe='')}"


def _other_version(error: Exception) -> ApplianceError:
    return ApplianceError(
        say("the appliance daemon is of another version: {error}", error=error),
        hint=say("end the daemon's process; the next command starts one of this version"),
        code="DAEMON-VERSION",
    )


def daemon_down(error: Exception) -> Unreachable:
    """The error of a daemon that does not answer."""
    return Unreachable(
        say("the appliance daemon does not answer ({error})", error=type(error).__name__),
        hint=say("start it with `appliance up`, or look at `appliance status`"),
        code="DAEMON-DOWN",
    )


def _message(line: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(line)
    if "error" in message:
        raise error_from_document(message["error"])
    return message


def _error_of(text: str) -> ApplianceError:
    try:
        return error_from_document(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return ApplianceError(text.strip()[:300])
