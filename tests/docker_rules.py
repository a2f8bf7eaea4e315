"""What Docker would refuse to create, and what the appliance has no business to ask for."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

CONFIG_KEYS = {"Image", "Entrypoint", "Cmd", "Env", "User", "Labels", "Tty", "HostConfig"}
HOST_KEYS: dict[str, type | tuple[type, ...]] = {
    "NetworkMode": str,
    "RestartPolicy": dict,
    "AutoRemove": bool,
    "Privileged": bool,
    "OomScoreAdj": int,
    "Memory": int,
    "CpusetCpus": str,
    "IpcMode": str,
    "ShmSize": int,
    "Runtime": str,
    "GroupAdd": list,
    "CapAdd": list,
    "SecurityOpt": list,
    "Ulimits": list,
    "Devices": list,
    "DeviceRequests": list,
    "Mounts": list,
    "LogConfig": dict,
}
CAPABILITIES = {"SYS_PTRACE", "SYS_NICE", "IPC_LOCK"}
ULIMITS = {"memlock", "nofile", "stack", "nproc"}
RUNTIMES = {"runc", "nvidia", "habana", "mthreads", "iluvatar"}


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check_config(config: dict[str, Any], images: Collection[str], *, cdi: bool) -> None:
    """Refuse what Docker, or a careful person, would not run."""
    _only(set(config), CONFIG_KEYS)
    if config["Image"] not in images:
        raise Refusal(404, f"No such image: {config['Image']}")
    entrypoint = config.get("Entrypoint", ["the image's"])
    _all_strings(entrypoint, config["Cmd"], config["Env"])
    if len(entrypoint) != 1 or any("=" not in line for line in config["Env"]):
        raise Refusal(400, "bad entrypoint or environment")
    host = config["HostConfig"]
    _only(set(host), set(HOST_KEYS))
    for key, value in host.items():
        if not isinstance(value, HOST_KEYS[key]):
            raise Refusal(400, f"{key} must be {HOST_KEYS[key]}")
    if host["NetworkMode"] != "host" or host["RestartPolicy"] != {"Name": "no"}:
        raise Refusal(400, "the host's network, and no restarts")
    if host.get("IpcMode") == "host" and "ShmSize" in host:
        raise Refusal(500, "cannot set shmsize when running in the host IPC namespace")
    _check_cards(host, cdi=cdi)
    _check_limits(host)


def _check_cards(host: dict[str, Any], *, cdi: bool) -> None:
    for mount in host.get("Mounts", []):
        _only(set(mount), {"Type", "Source", "Target", "ReadOnly"})
        if mount["Type"] != "bind" or not Path(mount["Source"]).is_absolute():
            raise Refusal(400, f"bad mount {mount}")
        if not Path(mount["Source"]).exists():
            raise Refusal(400, f"bind source path does not exist: {mount['Source']}")
        if Path(mount["Source"]).is_socket() or mount["Source"] in ("/", "/run", "/var/run"):
            raise Refusal(400, "a container must not reach the container engine")
    for device in host.get("Devices", []):
        _only(set(device), {"PathOnHost", "PathInContainer", "CgroupPermissions"})
        if not Path(device["PathOnHost"]).exists():
            raise Refusal(500, f"error gathering device information: {device['PathOnHost']}")
    for request in host.get("DeviceRequests", []):
        _only(set(request), {"Driver", "DeviceIDs", "Capabilities"})
        if request["Driver"] == "cdi" and not cdi:
            raise Refusal(500, 'could not select device driver "cdi"')
        if not request["DeviceIDs"]:
            raise Refusal(400, "no devices asked for")


def _check_limits(host: dict[str, Any]) -> None:
    if host.get("Runtime", "runc") not in RUNTIMES:
        raise Refusal(400, f"unknown or invalid runtime name: {host['Runtime']}")
    _only({name.upper() for name in host.get("CapAdd", [])}, CAPABILITIES)
    for limit in host.get("Ulimits", []):
        _only(set(limit), {"Name", "Soft", "Hard"})
        _only({limit["Name"]}, ULIMITS)
        if not isinstance(limit["Soft"], int) or not isinstance(limit["Hard"], int):
            raise Refusal(400, "ulimits are numbers")
    cpus = host.get("CpusetCpus", "0")
    if not set(map(int, cpus.split(","))) <= set(range(os.cpu_count() or 1)):
        raise Refusal(400, f"Requested CPUs are not available: {cpus}")
    if host.get("Memory", 6 << 20) < 6 << 20:
        raise Refusal(400, "Minimum memory limit allowed is 6MB")


def _only(given: set[str], known: set[str]) -> None:
    if given - known:
        raise Refusal(400, f"unknown: {', '.join(sorted(given - known))}")


def _all_strings(*lists: list[Any]) -> None:
    if not all(isinstance(word, str) for words in lists for word in words):
        raise Refusal(400, "words must be strings")
