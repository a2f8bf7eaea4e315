"""Engines in containers, kept by Docker or Podman, which outlive us as any process does.

A container has the name and the label of its replica, so that a second one cannot be, and is let at
the cards, at the model (read only) and at the network of the host, where it listens on loopback. It
is never given a container engine's socket, and restarts are ours alone.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from appliance.core.errors import ApplianceError, Unreachable
from appliance.core.i18n import say
from appliance.supervisor import process
from appliance.supervisor.container_engine import (
    Gone,
    connected,
    podman_version,
    refusals,
    sdk,
    sockets,
)
from appliance.supervisor.container_images import require
from appliance.supervisor.container_log import follow, settled
from appliance.supervisor.identity import Identity, Mark, Marked, Seen
from appliance.supervisor.limits import OOM_SCORE, memory_limit_bytes
from appliance.supervisor.table import entry_of

LABEL = "appliance.replica"
PORT_LABEL = "appliance.port"
_LOG_OPTIONS = {"max-size": "16m", "max-file": "2"}
_PODMAN_WITH_CDI = (5, 4)
_NVIDIA_CDI = "nvidia.com/gpu="
_KILLED = 128 + signal.SIGKILL
_SELINUX = Path("/sys/fs/selinux/enforce")


class Options(Protocol):
    """How a container is let at cards and memory."""

    @property
    def runtime(self) -> str | None: ...  # noqa: D102
    @property
    def ipc(self) -> str | None: ...  # noqa: D102
    @property
    def shm_size(self) -> str | None: ...  # noqa: D102
    @property
    def user(self) -> str | None: ...  # noqa: D102
    @property
    def group_add(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def cap_add(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def security_opt(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def ulimits(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def privileged(self) -> str | None: ...  # noqa: D102
    @property
    def image_entrypoint(self) -> bool: ...  # noqa: D102


class Contained(process.Startable, Protocol):
    """What a container needs of an engine's command."""

    @property
    def image(self) -> str | None: ...  # noqa: D102
    @property
    def devices(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def mounts(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def container(self) -> Options: ...  # noqa: D102


def start(command: Contained, log_path: Path, mark: Mark) -> Identity:
    """Start an engine in a container. Raises what `running.start` does."""
    _require_paths(command)
    with connected() as api:
        _require_podman(command, api)
        image = require(api, command.image)
        process.write_files(command.files)
        _clear(api, mark)
        body = body_of(command, mark, image, api)
        made = api.create_container_from_config(body, mark.name)["Id"]
        try:
            with refusals():
                api.start(made)
        except ApplianceError:
            api.remove_container(made, force=True, v=True)
            raise
        identity = _identity(api, made, command.port)
    follow(identity, log_path)
    return identity


def attend(identity: Identity, log_path: Path) -> None:
    """Follow the container's log from where the last daemon left off."""
    follow(identity, log_path, since=log_path.stat().st_mtime if log_path.exists() else None)


def alive(identity: Identity) -> bool:
    """Whether the container runs; one whose engine does not answer is not taken for dead."""
    if identity.started:
        return process.alive(identity)
    try:
        state = _state(identity)
    except ApplianceError:
        return True
    return bool(state and state["Running"])


def exit_status(identity: Identity) -> int | None:
    """How the container ended, once its last words are in the log."""
    settled(identity)
    state = _state_if_told(identity)
    return int(state["ExitCode"]) if state and not state["Running"] else None


def memory_killed(identity: Identity) -> bool | None:
    """Whether the container was ended for lack of memory.

    Not every engine notes it: one that was killed and that does not say so may have been.
    """
    state = _state_if_told(identity)
    if state is None or state["Running"]:
        return None
    return bool(state["OOMKilled"]) or (None if state["ExitCode"] == _KILLED else False)


def seen(identity: Identity) -> Seen | None:
    """What the container was made with."""
    try:
        with connected(identity.where) as api:
            told = api.inspect_container(identity.name)
    except ApplianceError:
        return None
    host = told["HostConfig"]
    requests = [name for one in host.get("DeviceRequests") or [] for name in _cdi_names(one)]
    return Seen(
        argv=[told["Path"], *told["Args"]],
        env=dict(line.split("=", 1) for line in told["Config"]["Env"]),
        image=told["Config"]["Image"],
        devices=[*(one["PathOnHost"] for one in host.get("Devices") or []), *requests],
        mounts=[_as_volume(one) for one in told["Mounts"] if one["Type"] == "bind"],
    )


def _cdi_names(request: Mapping[str, Any]) -> Iterator[str]:
    """What `_requests` was given."""
    of_nvidia = request["Driver"] == "nvidia"
    yield from (f"{_NVIDIA_CDI}{name}" if of_nvidia else name for name in request["DeviceIDs"])


def _as_volume(mount: Mapping[str, Any]) -> str:
    return f"{mount['Source']}:{mount['Destination']}" + ("" if mount["RW"] else ":ro")


def stop(identity: Identity, *, grace_s: float) -> int | None:
    """Stop the container and remove it."""
    try:
        with connected(identity.where) as api:
            api.stop(identity.name, timeout=math.ceil(grace_s))
            settled(identity)
            status = api.inspect_container(identity.name)["State"]["ExitCode"]
            api.remove_container(identity.name, force=True, v=True)
    except Gone:
        return None
    except Unreachable:
        if identity.started:  # what is left of it goes when it, or a daemon, starts again
            return process.stop(identity, grace_s=grace_s)
        raise
    return int(status)


def marked(state: Path) -> list[Marked]:
    """Containers of the appliance at `state`, ended ones too, as far as their engines answer."""
    found: list[Marked] = []
    for where in sockets():
        try:
            with connected(where) as api:
                found += _marked_at(api, f"{state.resolve()}:")
        except ApplianceError:
            continue
    return found


def _marked_at(api: Any, prefix: str) -> Iterator[Marked]:
    for row in api.containers(all=True, filters={"label": LABEL}):
        label = row["Labels"].get(LABEL, "")
        if label.startswith(prefix):
            port = int(row["Labels"].get(PORT_LABEL, 0))
            yield Marked(label.removeprefix(prefix), _identity(api, row["Id"], port))


def _identity(api: Any, container: str, port: int) -> Identity:
    """`started` is empty where the kernel does not show us the container's process."""
    pid = int(api.inspect_container(container)["State"]["Pid"])
    entry = entry_of(pid) if pid else None
    return Identity(
        pid=pid,
        started=entry.started if entry else "",
        port=port,
        kept_as="container",
        name=container,
        where=api.where,
    )


def _state(identity: Identity) -> dict[str, Any] | None:
    try:
        with connected(identity.where) as api:
            state: dict[str, Any] = api.inspect_container(identity.name)["State"]
            return state
    except Gone:
        return None


def _state_if_told(identity: Identity) -> dict[str, Any] | None:
    try:
        return _state(identity)
    except ApplianceError:
        return None


def _clear(api: Any, mark: Mark) -> None:
    """End what has the replica's name still; nothing else could have it."""
    with suppress(Gone), refusals():
        api.stop(mark.name, timeout=1)
        api.remove_container(mark.name, force=True, v=True)


def _require_paths(command: Contained) -> None:
    wanted = [*(d for d in command.devices if d.startswith("/")), *map(_source, command.mounts)]
    missing = [path for path in wanted if not Path(path).exists()]
    if missing:
        raise ApplianceError(
            say("the engine needs what is not on this server: {paths}", paths=", ".join(missing)),
            hint=say("install and load the card's driver (`appliance detect`)"),
            code="DEVICE-MISSING",
        )


def body_of(command: Contained, mark: Mark, image: str, api: Any) -> dict[str, Any]:
    """What the engine's API is asked to create (Docker Engine API, `ContainerCreate`)."""
    own = 0 if command.container.image_entrypoint else 1
    return {
        "Image": image,
        **({"Entrypoint": list(command.argv[:1])} if own else {}),
        "Cmd": list(command.argv[own:]),
        "Env": [f"{name}={value}" for name, value in command.env.items()],
        "User": command.container.user or "",
        "Labels": {LABEL: mark.text, PORT_LABEL: str(command.port)},
        "Tty": False,
        "HostConfig": _host_config(command, api),
    }


def _host_config(command: Contained, api: Any) -> dict[str, Any]:
    options = command.container
    named = [device for device in command.devices if not device.startswith("/")]
    paths = [device for device in command.devices if device.startswith("/")]
    values = {
        "NetworkMode": "host",
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "Privileged": options.privileged is not None,
        "OomScoreAdj": OOM_SCORE,
        "Memory": memory_limit_bytes(),
        "CpusetCpus": ",".join(map(str, command.cpus)),
        "IpcMode": options.ipc,
        "ShmSize": sdk().utils.parse_bytes(options.shm_size) if options.shm_size else None,
        "Runtime": options.runtime,
        "GroupAdd": list(options.group_add),
        "CapAdd": list(options.cap_add),
        "SecurityOpt": _security(options),
        "Ulimits": [_ulimit(name, value) for name, value in options.ulimits.items()],
        "Devices": [_device(path) for path in paths],
        "DeviceRequests": _requests(named, api),
        "Mounts": [_mount(mount) for mount in command.mounts],
        "LogConfig": {"Type": "json-file", "Config": _LOG_OPTIONS},
    }
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def _security(options: Options) -> list[str]:
    """With SELinux enforcing, a container reads our directories only unlabelled."""
    enforcing = _SELINUX.exists() and _SELINUX.read_text().strip() == "1"
    return [*options.security_opt, *(["label=disable"] if enforcing else [])]


def _device(path: str) -> dict[str, str]:
    return {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}


def _require_podman(command: Contained, api: Any) -> None:
    """Refuse what Podman would silently leave out: the engine would start without its cards.

    Podman's Docker API takes CDI names since 5.4 (containers/podman 25171), and no runtime.
    """
    version = podman_version(api)
    if version is None:
        return
    by_name = [device for device in command.devices if not device.startswith("/")]
    if command.container.runtime or (by_name and version < _PODMAN_WITH_CDI):
        raise ApplianceError(
            say(
                "Podman {version} cannot hand these cards to a container over its socket",
                version=".".join(map(str, version)),
            ),
            hint=say("use Docker; for NVIDIA's cards Podman 5.4 or newer will do as well"),
            code="PODMAN-WITHOUT-CARDS",
        )


def _requests(named: Sequence[str], api: Any) -> list[dict[str, Any]]:
    """Cards by their CDI names; of NVIDIA's also where the engine knows no CDI yet."""
    if not named:
        return []
    if api.info().get("CDISpecDirs") or podman_version(api):
        return [{"Driver": "cdi", "DeviceIDs": list(named)}]
    indexes = [name.removeprefix(_NVIDIA_CDI) for name in named if name.startswith(_NVIDIA_CDI)]
    return [{"Driver": "nvidia", "DeviceIDs": indexes, "Capabilities": [["gpu"]]}]


def _mount(mount: str) -> dict[str, Any]:
    source, target, read_only = _parts(mount)
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}


def _source(mount: str) -> str:
    return _parts(mount)[0]


def _parts(mount: str) -> tuple[str, str, bool]:
    """`SOURCE:TARGET[:ro]`, as Docker's command line takes it."""
    read_only = mount.endswith(":ro")
    source, _, target = mount.removesuffix(":ro").rpartition(":")
    return source, target, read_only


def _ulimit(name: str, value: str) -> dict[str, Any]:
    return {"Name": name, "Soft": int(value), "Hard": int(value)}
