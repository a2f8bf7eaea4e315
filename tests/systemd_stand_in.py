"""`systemd-run` and `systemctl` for tests where no systemd runs: strict, with real processes.

`install` writes both programs into a directory for PATH. Each unit is a file beside them; a small
process watches over its main process, ends what that leaves behind, and writes down how it ended.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import sys
from pathlib import Path
from typing import Any

KNOWN = {
    "Type": "exec",
    "Restart": "no",
    "KillMode": "control-group",
    "TimeoutStopSec": "infinity",
    "OOMPolicy": "kill",
    "OOMScoreAdjust": r"-?\d+",
    "LimitNOFILE": r"\d+",
    "UMask": r"0\d{3}",
    "NoNewPrivileges": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "ProtectSystem": "full|strict",
    "ProtectKernelTunables": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "EnvironmentFile": "/.+",
    "StandardOutput": "append:/.+",
    "StandardError": "append:/.+",
    "MemoryMax": r"\d+",
    "CPUAffinity": r"\d+( \d+)*",
}
OF_SYSTEM = {key for key in KNOWN if key.startswith("Protect")}
NAME = re.compile(r"[A-Za-z0-9:_.\\-]+")


def install(directory: Path) -> Path:
    """Write the programs; they keep their units in `directory`/units."""
    (directory / "units").mkdir(parents=True)
    for name in ("systemd-run", "systemctl"):
        program = directory / name
        program.write_text(
            f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(__file__)} "
            f'{shlex.quote(str(directory / "units"))} {name} "$@"\n'
        )
        program.chmod(0o755)
    return directory


def properties_of(directory: Path, name: str) -> dict[str, str]:
    """What a unit was started with."""
    found: dict[str, str] = json.loads((directory / "units" / name).read_text())["properties"]
    return found


def end_for_memory(directory: Path, name: str) -> None:
    """What the kernel does to a unit that takes more than it may."""
    path = directory / "units" / name
    path.with_name(f".{name}.oom").touch()
    os.kill(json.loads(path.read_text())["ExecMainPID"], signal.SIGKILL)


def main(units: Path, program: str, arguments: list[str]) -> None:
    if arguments == ["--version"]:
        print("systemd 252 (252.1)")
        return
    if ("--user" in arguments) != (os.geteuid() != 0):
        sys.exit("Failed to connect to bus: the wrong systemd")
    arguments = [word for word in arguments if word != "--user"]
    (run if program == "systemd-run" else control)(units, arguments)


def run(units: Path, arguments: list[str]) -> None:
    border = arguments.index("--")
    options, argv = arguments[:border], arguments[border + 1 :]
    flags = [word for word in options if "=" not in word]
    name = next(word[7:] for word in options if word.startswith("--unit="))
    properties = dict(word[11:].split("=", 1) for word in options if word.startswith("--property="))
    if flags != ["--quiet", "--no-ask-password"] or not NAME.fullmatch(name):
        sys.exit(f"bad options: {options}")
    for key, value in properties.items():
        if not re.fullmatch(KNOWN.get(key, "(?!)"), value):
            sys.exit(f"Unknown assignment: {key}={value}")
    if os.geteuid() != 0 and OF_SYSTEM & set(properties):
        sys.exit("a user's units cannot be protected so")
    if (units / name).exists():
        sys.exit(f"Failed to start transient service unit: Unit {name}.service already exists.")
    environment = read_environment(Path(properties["EnvironmentFile"]))
    if not Path(argv[0]).is_absolute() or not os.access(argv[0], os.X_OK):
        sys.exit(f"Failed to find executable {argv[0]}")
    watch(units / name, properties, [argv[0], *map(filled, argv[1:])], environment)


def filled(word: str) -> str:
    """A `$` in a word begins a variable; two are one."""
    if re.search(r"(?<!\$)\$(\$\$)*(?!\$)", word):
        sys.exit(f"a variable in {word}")
    return word.replace("$$", "$")


def read_environment(path: Path) -> dict[str, str]:
    """By the rules of systemd.exec(5), double quotes only; not for others to read."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        sys.exit(f"{path} is open to others")
    pairs = re.findall(r'^(\w+)="((?:[^"\\]|\\.)*)"\n', path.read_text(), re.MULTILINE | re.DOTALL)
    if "".join(f'{key}="{value}"\n' for key, value in pairs) != path.read_text():
        sys.exit(f"cannot read {path}")
    return {key: re.sub(r'\\(["\\`$])', r"\1", value) for key, value in pairs}


def watch(
    unit: Path, properties: dict[str, str], argv: list[str], environment: dict[str, str]
) -> None:
    """Start it, and let a process of its own wait for its end."""
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        if not os.read(told, 1):
            sys.exit("Failed to start")
        return
    os.setsid()
    detach(properties["StandardOutput"].removeprefix("append:"))
    main_pid = os.fork()
    if main_pid == 0:
        os.setsid()
        os.umask(int(properties["UMask"], 8))
        if "CPUAffinity" in properties:
            os.sched_setaffinity(0, map(int, properties["CPUAffinity"].split()))
        os.execve(argv[0], argv, {"PATH": "/usr/bin:/bin", **environment})
    record: dict[str, Any] = {"ExecMainPID": main_pid, "properties": properties}
    write(unit, {**record, "ActiveState": "active", "Result": "success"})
    os.write(tell, b"1")
    os.close(tell)
    ending = os.waitstatus_to_exitcode(os.waitpid(main_pid, 0)[1])
    kill(main_pid, signal.SIGKILL)
    if ending in (0, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT):
        unit.unlink(missing_ok=True)  # it ended well: forgotten at once
        return
    oom = unit.with_name(f".{unit.name}.oom").exists()
    result = "oom-kill" if oom else "exit-code" if ending > 0 else "signal"
    write(unit, {**record, "ActiveState": "failed", "Result": result, "ending": ending})


def detach(log: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def write(unit: Path, record: dict[str, Any]) -> None:
    fresh = unit.with_name(f".{unit.name}.new")
    fresh.write_text(json.dumps(record))
    fresh.replace(unit)


def control(units: Path, arguments: list[str]) -> None:
    verb, *rest = arguments
    options = [word for word in rest if word.startswith("-")]
    (name,) = [word.removesuffix(".service") for word in rest if not word.startswith("-")]
    unit = units / name
    record = json.loads(unit.read_text()) if unit.exists() else None
    if verb == "show":
        show(record, options)
    elif record is None:
        sys.exit(f"Unit {name}.service not loaded.")
    elif verb == "stop" and options == ["--no-block"]:
        kill(record["ExecMainPID"], signal.SIGTERM, signal.SIGCONT)
    elif verb == "kill" and options == ["--signal=KILL"]:
        kill(record["ExecMainPID"], signal.SIGKILL)
    elif verb == "reset-failed" and record["ActiveState"] == "failed":
        unit.unlink()
    else:
        sys.exit(f"unexpected: {arguments}")


def show(record: dict[str, Any] | None, options: list[str]) -> None:
    (wanted,) = options
    ending = (record or {}).get("ending", 0)
    values = {
        "LoadState": "loaded" if record else "not-found",
        "ActiveState": record["ActiveState"] if record else "inactive",
        "Result": record["Result"] if record else "success",
        "ExecMainPID": record["ExecMainPID"] if record else 0,
        "ExecMainCode": 0 if not record or "ending" not in record else 1 if ending > 0 else 2,
        "ExecMainStatus": abs(ending),
    }
    for key in wanted.removeprefix("--property=").split(","):
        print(f"{key}={values[key]}")


def kill(pid: int, *numbers: signal.Signals) -> None:
    """All of its session, as a control group has it."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
            if session == pid:
                for number in numbers:
                    os.kill(int(entry.name), number)
        except (OSError, ValueError):
            continue


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
