"""Docker or Podman on this server, spoken to at its own socket.

Podman answers Docker's API at a socket of its own (`podman.socket`). Only Unix sockets count: what
runs in containers must listen on this server's loopback.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.core.errors import ApplianceError, NeedsRights, Unreachable
from appliance.core.i18n import say

_SYSTEM = ("/run/docker.sock", "/run/podman/podman.sock")
_OF_USER = ("docker.sock", "podman/podman.sock")
_TIMEOUT_S = 60
REFUSED = "CONTAINER-REFUSED"


class Gone(ApplianceError):
    """No such container or image."""

    code = "NOT-THERE"


def sdk() -> Any:
    """Docker's own library; it takes its time to import."""
    import docker  # type: ignore[import-untyped]

    return docker


def sockets() -> list[str]:
    """Paths of the sockets of container engines here, the preferred one first.

    `DOCKER_HOST` alone where it is set; else a user's own engine before the server's. Raises
    `ApplianceError` (`DOCKER-HOST-ELSEWHERE`) when it names another server.
    """
    if named := os.environ.get("DOCKER_HOST"):
        return [_local(named)]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = [f"{runtime}/{name}" for name in _OF_USER] if runtime and os.getuid() else []
    return [path for path in [*own, *_SYSTEM] if Path(path).is_socket()]


def _local(named: str) -> str:
    if named.startswith("unix://"):
        return named.removeprefix("unix://")
    raise ApplianceError(
        say("DOCKER_HOST is {host}: engines must run on this very server", host=named),
        hint=say("unset DOCKER_HOST, or set it to a socket (unix:///run/docker.sock)"),
        code="DOCKER-HOST-ELSEWHERE",
    )


@contextmanager
def connected(where: str | None = None) -> Iterator[Any]:
    """A client (`docker.APIClient`) of the engine at `where`, else of the first that answers.

    Raises `Unreachable` (`NO-CONTAINER-ENGINE`) where none does, `NeedsRights` where none lets us.
    What goes wrong inside becomes an error of ours as well, `Gone` for what is not there.
    """
    client = _first([where] if where else sockets())
    try:
        with refusals():
            yield client
    finally:
        client.close()


def _first(paths: list[str]) -> Any:
    fault: ApplianceError | None = None
    for path in paths:
        try:
            return _client(path)
        except ApplianceError as error:
            fault = fault or error
    raise fault or Unreachable(
        say("there is no container engine on this server"),
        hint=say(
            "install Docker, or Podman with its socket (`systemctl enable --now podman.socket`)"
        ),
        code="NO-CONTAINER-ENGINE",
    )


def _client(path: str) -> Any:
    if not Path(path).exists():
        raise _silent(path, "there is no such socket")
    if not os.access(path, os.R_OK | os.W_OK):
        raise NeedsRights(
            say("this user may not use the container engine at {path}", path=path),
            hint=say("add the user to the socket's group (`docker`), log in anew, try again"),
            code="CONTAINER-RIGHTS",
        )
    try:
        client = sdk().APIClient(base_url=f"unix://{path}", version="auto", timeout=_TIMEOUT_S)
    except sdk().errors.DockerException as error:
        raise _silent(path, error) from error
    client.trust_env = False
    client.where = path
    return client


def podman_version(api: Any) -> tuple[int, ...] | None:
    """The version of Podman, whose own number is among its components; `None` for Docker."""
    for component in api.version().get("Components") or []:
        if "podman" in str(component.get("Name", "")).lower():
            numbers = re.findall(r"\d+", str(component.get("Version", "")))
            return tuple(int(number) for number in numbers[:2])
    return None


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the engine refuses, and its silence, into errors of ours."""
    import requests

    errors = sdk().errors
    try:
        yield
    except errors.NotFound as error:
        raise Gone(str(error.explanation or error)) from error
    except errors.APIError as error:
        raise refused(str(error.explanation or error)) from error
    except (errors.DockerException, requests.RequestException) as error:
        raise _silent("", error) from error


def refused(why: str) -> ApplianceError:
    """The error of a container that the engine will not run, with what to install."""
    hint = next((hint for words, hint in _HINTS if words in why.lower()), None)
    return ApplianceError(
        say("the container engine refuses: {why}", why=why.strip()[:400]),
        hint=hint or say("compare `appliance engines show` with the engine's manual"),
        code=REFUSED,
    )


_HINTS = (
    ("could not select device driver", say("install the vendor's container toolkit")),
    ("cdi", say("install the vendor's container toolkit and let it write its CDI file")),
    ("runtime", say("install the vendor's container runtime, then restart the container engine")),
    ("no space left", say("free space where the container engine keeps its images")),
    ("no such file or directory", say("load the card's driver, then try again")),
)


def _silent(path: str, error: object) -> ApplianceError:
    if "Permission denied" in str(error):
        return NeedsRights(
            say("this user may not use the container engine: {why}", why=str(error)[:200]),
            hint=say("add the user to the socket's group (`docker`), log in anew, try again"),
            code="CONTAINER-RIGHTS",
        )
    return Unreachable(
        say("the container engine does not answer: {why}", why=f"{path} {error}".strip()[:300]),
        hint=say("start it (`systemctl start docker` or `podman.socket`)"),
        code="NO-CONTAINER-ENGINE",
    )
