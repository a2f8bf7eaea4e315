"""A command as an administrator would keep it: shell, Compose, Podman quadlet, systemd unit."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Literal

from appliance.core.errors import UsageError
from appliance.core.i18n import say
from appliance.engines.command import EngineCommand

Form = Literal["shell", "compose", "quadlet", "unit"]
FROM_VENDOR = "IMAGE-FROM-VENDOR"
"""Stands where an image must be put in that only the vendor hands out."""

_STOP_S = 60
_PLAIN = re.compile(r"[\w@+=:,./-]+")


def shown(command: EngineCommand, name: str, form: Form) -> str:
    """The command in one of the forms; `name` is what container or service are called.

    Raises `UsageError` for a container's form of what runs in none.
    """
    if command.kind == "process" and form in ("compose", "quadlet"):
        raise UsageError(
            say("{engine} runs as a process here, in no container", engine=command.engine),
            hint=say("take --form shell or --form unit"),
            code="NO-CONTAINER",
        )
    writers = {
        "shell": _shell,
        "compose": _compose,
        "quadlet": _quadlet,
        "unit": _unit,
    }
    files = [] if form == "shell" else _files_to_write(command)
    return "\n".join([*_remarks(command), *files, *writers[form](command, name)]) + "\n"


def container_argv(command: EngineCommand, name: str, program: str = "docker") -> list[str]:
    """`docker run …` (or `podman run …`) for a command that runs in a container."""
    argv = [program, "run", "--rm", f"--name={name}", *_run_options(command)]
    return [*argv, command.image or FROM_VENDOR, *_split(command)[1]]


def _split(command: EngineCommand) -> tuple[list[str], list[str]]:
    """The entrypoint that replaces the image's, and the words it is given."""
    own = 0 if command.container.image_entrypoint else 1
    return command.argv[:own], command.argv[own:]


def _run_options(command: EngineCommand) -> Iterator[str]:
    options = command.container
    yield from ("--pull=never", "--network=host")
    yield from (f"--entrypoint={program}" for program in _split(command)[0])
    for flag, value in (
        ("--runtime", options.runtime),
        ("--ipc", options.ipc),
        ("--shm-size", options.shm_size),
        ("--user", options.user),
        ("--cpuset-cpus", _cpu_list(command)),
    ):
        if value:
            yield f"{flag}={value}"
    if options.privileged:
        yield "--privileged"
    yield from (f"--group-add={group}" for group in options.group_add)
    yield from (f"--cap-add={capability}" for capability in options.cap_add)
    yield from (f"--security-opt={option}" for option in options.security_opt)
    yield from (f"--ulimit={name}={value}" for name, value in options.ulimits.items())
    yield from (f"--device={device}" for device in command.devices)
    yield from (f"--volume={mount}" for mount in command.mounts)
    yield from (f"--env={name}={value}" for name, value in command.env.items())


def _cpu_list(command: EngineCommand) -> str:
    return ",".join(map(str, command.cpus))


def _remarks(command: EngineCommand) -> Iterator[str]:
    yield from (f"# {note}" for note in command.notes)
    if command.container.privileged:
        yield f"# privileged: {command.container.privileged}"


def _files_to_write(command: EngineCommand) -> Iterator[str]:
    """What the engine reads at its start, where the form itself cannot write it."""
    for path, text in command.files.items():
        yield f"# before the start, write {path}:"
        yield from (f"#   {line}".rstrip() for line in text.strip().splitlines())


def _shell(command: EngineCommand, name: str) -> Iterator[str]:
    for path, text in command.files.items():
        yield f"mkdir -p {shlex.quote(path.rpartition('/')[0])}"
        yield f"cat > {shlex.quote(path)} <<'END'\n{text.strip()}\nEND"
    if command.kind == "container":
        argv = container_argv(command, name)
        image = argv.index(command.image or FROM_VENDOR)
        yield _continued(argv[:image]) + f" \\\n    {_continued(argv[image:])}"
        return
    yield from (f"export {key}={shlex.quote(value)}" for key, value in command.env.items())
    pin = ["taskset", "--cpu-list", _cpu_list(command)] if command.cpus else []
    yield _continued([*pin, *command.argv])


def _continued(argv: list[str]) -> str:
    """A command line with each option on a line of its own."""
    text = ""
    for number, word in enumerate(argv):
        starts_option = word.startswith("-") and number > 0
        text += (" \\\n    " if starts_option else " ") + shlex.quote(word)
    return text.strip()


def _compose(command: EngineCommand, name: str) -> Iterator[str]:
    options = command.container
    yield from ("services:", f"  {name}:")
    yield from _pairs(
        {
            "image": command.image or FROM_VENDOR,
            "pull_policy": "never",
            "network_mode": "host",
            "restart": "unless-stopped",
            "stop_grace_period": f"{_STOP_S}s",
            "runtime": options.runtime,
            "ipc": options.ipc,
            "shm_size": options.shm_size,
            "user": options.user,
            "cpuset": _cpu_list(command) or None,
            "privileged": True if options.privileged else None,
        }
    )
    yield from _list("group_add", options.group_add)
    yield from _list("cap_add", options.cap_add)
    yield from _list("security_opt", options.security_opt)
    if options.ulimits:
        yield "    ulimits:"
        yield from (f"      {key}: {value}" for key, value in options.ulimits.items())
    yield from _list("devices", command.devices)
    yield from _list("volumes", command.mounts)
    if command.env:
        yield "    environment:"
        yield from (f"      {key}: {_scalar(value)}" for key, value in command.env.items())
    yield from _list("entrypoint", _split(command)[0])
    yield from _list("command", _split(command)[1])


def _pairs(values: Mapping[str, object]) -> Iterator[str]:
    for key, value in values.items():
        if value is not None:
            yield f"    {key}: {_scalar(value)}"


def _list(key: str, values: list[str]) -> Iterator[str]:
    if values:
        yield f"    {key}:"
        yield from (f"      - {_scalar(value)}" for value in values)


def _scalar(value: object) -> str:
    """JSON is YAML; a `$` would be a variable to Compose."""
    return json.dumps(value, ensure_ascii=False).replace("$", "$$")


def _quadlet(command: EngineCommand, name: str) -> Iterator[str]:
    options = command.container
    yield from ("[Unit]", f"Description={name}, {command.engine}", "", "[Container]")
    yield f"Image={command.image or FROM_VENDOR}"
    yield from (f"ContainerName={name}", "Pull=never", "Network=host")
    yield from (f"Entrypoint={program}" for program in _split(command)[0])
    yield f"Exec={_words(_split(command)[1])}"
    yield from (f"Environment={_words([f'{key}={value}'])}" for key, value in command.env.items())
    yield from (f"AddDevice={device}" for device in command.devices)
    yield from (f"Volume={mount.replace('%', '%%').replace('$', '$$')}" for mount in command.mounts)
    yield from (f"GroupAdd={group}" for group in options.group_add)
    yield from (f"AddCapability={capability}" for capability in options.cap_add)
    yield from (f"Ulimit={key}={value}" for key, value in options.ulimits.items())
    if options.shm_size:
        yield f"ShmSize={options.shm_size}"
    if options.user:
        yield f"User={options.user}"
    if extra := _podman_only(command):
        yield f"PodmanArgs={_words(extra)}"
    yield from ("", "[Service]", "Restart=always", f"TimeoutStopSec={_STOP_S}", "")
    yield from ("[Install]", "WantedBy=default.target")


def _podman_only(command: EngineCommand) -> list[str]:
    """Options that quadlet files have no key for."""
    keyless = ("--runtime=", "--ipc=", "--privileged", "--security-opt=", "--cpuset-cpus=")
    return [option for option in _run_options(command) if option.startswith(keyless)]


def _unit(command: EngineCommand, name: str) -> Iterator[str]:
    in_container = command.kind == "container"
    argv = container_argv(command, name) if in_container else command.argv
    after = "docker.service" if in_container else "network.target"
    yield from ("[Unit]", f"Description={name}, {command.engine}", f"After={after}")
    if in_container:
        yield f"Wants={after}"
    yield from ("", "[Service]")
    if not in_container:
        yield from (f"Environment={_word(f'{k}={v}')}" for k, v in command.env.items())
        if command.cpus:
            yield f"CPUAffinity={_cpu_list(command)}"
    if in_container:  # `docker run` may be killed without its container, which keeps the name
        yield f"ExecStartPre=-docker rm --force {name}"
    yield f"ExecStart={_words(argv)}"
    if in_container:
        yield f"ExecStop=docker stop -t {_STOP_S} {name}"
    yield from ("Restart=always", "RestartSec=1", "OOMScoreAdjust=500", "KillMode=mixed")
    yield f"TimeoutStopSec={_STOP_S}"
    if not in_container:
        yield from ("NoNewPrivileges=true", "PrivateTmp=true", "ProtectSystem=full")
    yield from ("", "[Install]", "WantedBy=multi-user.target")


def _words(argv: list[str]) -> str:
    return " ".join(_word(word).replace("$", "$$") for word in argv)


def _word(text: str) -> str:
    """One word by the rules of systemd.syntax(7); `%` would be a specifier."""
    text = text.replace("%", "%%")
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
