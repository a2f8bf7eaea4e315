"""The daemon behind a command, and the jobs it carries."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from appliance.cli.diagnostics import note
from appliance.cli.options import Settings
from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.paths import find_paths

if TYPE_CHECKING:
    from appliance.node.client import NodeClient

_NETWORK = (
    "HF_ENDPOINT",
    "HF_TOKEN",
    "MODELSCOPE_ENDPOINT",
    "MODELSCOPE_API_TOKEN",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


@contextmanager
def daemon_client(settings: Settings) -> Iterator[NodeClient]:
    """A client of the daemon, which is started if need be; `-v` tells where its log is."""
    from appliance.node.start import daemon_log, ensure_daemon

    paths = find_paths()
    if settings.verbosity > 0:
        note(say("the daemon's log is {path}", path=daemon_log(paths)), settings)
    with ensure_daemon(paths) as client:
        yield client


def note_unheard(client: NodeClient, settings: Settings) -> None:
    """Say which settings of the network here the daemon, which fetches, was started without."""
    import psutil

    pid = client.status().daemon.pid
    try:
        theirs = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return
    names = [name for name in _NETWORK if _set(os.environ, name) not in ("", _set(theirs, name))]
    if names:
        text = say(
            "the daemon fetches, and it was started without the {names} set here: end it with "
            "`kill {pid}` (engines go on) and run this again, or set it in the systemd unit",
            names=", ".join(names),
            pid=pid,
        )
        note(text, settings)


def _set(environment: Mapping[str, str], name: str) -> str:
    """A setting of the network; those of proxies are spelled in lower case, too, which wins."""
    lower = environment.get(name.lower(), "") if name.endswith("_PROXY") else ""
    return lower or environment.get(name, "")


@contextmanager
def following(
    client: NodeClient,
    messages: Iterator[dict[str, Any]],
    on_pause: Callable[[], None] = lambda: None,
) -> Iterator[Iterator[dict[str, Any]]]:
    """What a job tells. Ctrl-C ends the job, not just the words."""
    job_ids: list[str] = []

    def told() -> Iterator[dict[str, Any]]:
        for message in messages:
            if message.get("schema") == "appliance.job/1":
                job_ids.append(message["id"])
                if message["state"] == "paused":
                    on_pause()
            else:
                yield message

    try:
        yield told()
    except KeyboardInterrupt:
        for job_id in job_ids:
            with suppress(ApplianceError):
                client.cancel_job(job_id)
        raise
