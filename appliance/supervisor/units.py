"""Engines as transient systemd units, where systemd runs: limits, hardening, and its journal of how
they ended.

The unit is the engine's alone and is never restarted by systemd: back-off and diagnosis are ours.
It is known again by its main process, as any other engine is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from appliance.core.errors import ApplianceError, NeedsRights
from appliance.core.i18n import say
from appliance.supervisor import process
from appliance.supervisor.identity import Identity, Mark, Marked, Seen
from appliance.supervisor.limits import OOM_SCORE, memory_limit_bytes
from appliance.supervisor.table import entry_of

_OLDEST = 243
"""The first systemd with all that is asked for here (`OOMPolicy=`)."""

_RUNNING = Path("/run/systemd/system")
_LINGER = Path("/var/lib/systemd/linger")
_PROC = Path("/proc")
_SERVICE = re.compile(r"/([^/]+)\.service(?=/|$)")
_CALL_S = 30.0
_KILL_WAIT_S = 10.0
_POLL_S = 0.05
_ENDED = ("inactive", "failed")

_PROPERTIES = (
    "Type=exec",
    "Restart=no",
    "KillMode=control-group",
    "TimeoutStopSec=infinity",
    "OOMPolicy=kill",
    f"OOMScoreAdjust={OOM_SCORE}",
    "LimitNOFILE=65536",
    "UMask=0077",
    "NoNewPrivileges=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
)
_OF_SYSTEM = (
    "ProtectSystem=full",
    "ProtectKernelTunables=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
)
"""What a user's own systemd has no right to.

Nothing that closes devices, where the cards are (`ProtectClock=` does, too: it implies a
`DeviceAllow=`), or that forbids kernel modules: CUDA loads its own at the first use of a card.
"""


@cache
def available() -> bool:
    """Whether a systemd keeps units for us here that outlive this daemon and its user's login."""
    if sys.platform != "linux" or not _RUNNING.is_dir() or not shutil.which("systemd-run"):
        return False
    if os.geteuid() != 0 and not _lingers():
        return False
    told = _call("systemctl", "--version").stdout
    version = re.search(r"systemd (\d+)", told)
    return version is not None and int(version[1]) >= _OLDEST


def _lingers() -> bool:
    """Whether the user's own systemd runs without a login."""
    import pwd

    with contextlib.suppress(KeyError):
        return (_LINGER / pwd.getpwuid(os.geteuid()).pw_name).exists()
    return False


def start(command: process.Startable, log_path: Path, mark: Mark) -> Identity:
    """Start an engine as a unit of its own. Raises what `running.start` does."""
    program = shutil.which(command.argv[0])
    if program is None:
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command.argv[0])
        raise process.cannot_start(command, missing)
    try:
        process.write_files(command.files)
        _prepare_log(log_path)
        environment = _write_environment(mark, {**os.environ, **command.env, **mark.env})
    except OSError as error:
        raise process.cannot_start(command, error) from error
    _forget(mark.name)
    words = [word.replace("$", "$$") for word in command.argv[1:]]  # systemd would fill them in
    options = [f"--property={value}" for value in _properties(command, log_path, environment)]
    started = _call(
        "systemd-run", *_scope(), "--quiet", "--no-ask-password", f"--unit={mark.name}",
        *options, "--", program, *words,
    )  # fmt: skip
    environment.unlink(missing_ok=True)
    if started.returncode:
        raise _refused(started.stderr)
    return _identity(mark.name, command.port)


def attend(identity: Identity, log_path: Path) -> None:
    """A unit writes its log itself."""


def alive(identity: Identity) -> bool:
    """Whether the unit's main process still runs."""
    return process.alive(identity)


def exit_status(identity: Identity) -> int | None:
    """How the unit ended, a signal as a negative number.

    `None` while it runs, and for one that ended well: systemd forgets it at once.
    """
    told = _told(identity)
    if told is None:
        return None
    status = int(told["ExecMainStatus"])
    return status if told["ExecMainCode"] == "1" else -status


def memory_killed(identity: Identity) -> bool | None:
    """Whether the kernel killed it for lack of memory (its own limit's, or the server's).

    Not every systemd is told: one that was killed and that does not say so may have been.
    """
    told = _told(identity)
    if told is None:
        return None
    killed = told["ExecMainStatus"] == str(int(signal.SIGKILL)) and told["ExecMainCode"] != "1"
    return told["Result"] == "oom-kill" or (None if killed else False)


def seen(identity: Identity) -> Seen | None:
    """What the unit's main process was started with."""
    return process.seen(identity)


def stop(identity: Identity, *, grace_s: float) -> int | None:
    """Stop the unit: TERM to all of it, up to `grace_s` seconds, KILL."""
    name = identity.name or ""
    if not _is_that(identity, _show(name)):
        return None
    _call("systemctl", *_scope(), "stop", "--no-block", name)
    if not _ended(name, grace_s):
        _call("systemctl", *_scope(), "kill", "--signal=KILL", name)
        if not _ended(name, _KILL_WAIT_S):
            raise process.unkillable(identity.pid)
    status = exit_status(identity)
    _forget(name)
    return status


def marked(state: Path) -> list[Marked]:
    """Processes of the appliance at `state` that a unit of ours holds."""
    return list(_of_units(process.marked(state)))


def _of_units(found: list[Marked]) -> Iterator[Marked]:
    import msgspec

    for one in found:
        name = _unit_of(one.identity.pid)
        if name and name.startswith("appliance-"):
            identity = msgspec.structs.replace(one.identity, kept_as="unit", name=name)
            yield Marked(one.replica, identity)


def _unit_of(pid: int) -> str | None:
    try:
        groups = (_PROC / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return None
    names = [name for group in groups for name in _SERVICE.findall(group)[-1:]]
    return names[-1] if names else None


def _properties(command: process.Startable, log_path: Path, environment: Path) -> Iterator[str]:
    yield from _PROPERTIES
    if not _scope():
        yield from _OF_SYSTEM
    yield f"EnvironmentFile={environment}"
    yield from (f"StandardOutput=append:{log_path}", f"StandardError=append:{log_path}")
    if limit := memory_limit_bytes():
        yield f"MemoryMax={limit}"
    if command.cpus:
        yield f"CPUAffinity={' '.join(map(str, command.cpus))}"


def _prepare_log(log_path: Path) -> None:
    log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    log_path.touch(mode=0o600)


def _write_environment(mark: Mark, environment: Mapping[str, str]) -> Path:
    """Keep it in a file of ours: a unit's `Environment=` is there for every user to read."""
    path = mark.state / "units" / f"{mark.name}.env"
    lines = [f'{name}="{_escaped(value)}"' for name, value in environment.items() if _plain(name)]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return path


def _plain(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None


def _escaped(value: str) -> str:
    return re.sub(r'(["\\`$])', r"\\\1", value)


def _identity(name: str, port: int) -> Identity:
    """A unit that ended at once has no process; it is asked by its name."""
    pid = int(_show(name).get("ExecMainPID") or 0)
    entry = entry_of(pid) if pid else None
    started = entry.started if entry else "gone"
    return Identity(pid=pid, started=started, port=port, kept_as="unit", name=name)


def _told(identity: Identity) -> Mapping[str, str] | None:
    """What systemd knows of an engine that has ended; it takes a moment to notice."""
    deadline = time.monotonic() + 2.0
    while True:
        shown = _show(identity.name or "")
        if not _is_that(identity, shown):
            return None
        if shown["ActiveState"] in _ENDED:
            return shown
        if process.alive(identity) or time.monotonic() > deadline:
            return None
        time.sleep(_POLL_S)


def _is_that(identity: Identity, shown: Mapping[str, str]) -> bool:
    """Whether the unit is still the run of the engine that we mean."""
    there = shown.get("LoadState") == "loaded"
    return there and shown.get("ExecMainPID") == str(identity.pid)


def _ended(name: str, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while True:
        shown = _show(name)
        if shown.get("LoadState") != "loaded" or shown["ActiveState"] in _ENDED:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)


def _show(name: str) -> dict[str, str]:
    wanted = "LoadState,ActiveState,Result,ExecMainPID,ExecMainCode,ExecMainStatus"
    shown = _call("systemctl", *_scope(), "show", f"--property={wanted}", f"{name}.service")
    return dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)


def _forget(name: str) -> None:
    """End and drop what has the name still, so that it can be used again."""
    shown = _show(name)
    if shown.get("LoadState") == "loaded":
        if shown["ActiveState"] not in _ENDED:
            _call("systemctl", *_scope(), "kill", "--signal=KILL", name)
            _ended(name, _KILL_WAIT_S)
        _call("systemctl", *_scope(), "reset-failed", name)


def _refused(why: str) -> ApplianceError:
    kind = NeedsRights if "denied" in why.lower() or "authentication" in why.lower() else None
    return (kind or ApplianceError)(
        say("systemd does not start the engine: {why}", why=why.strip()[:300]),
        hint=say("see `journalctl -xe`"),
        code="ENGINE-NOT-STARTED",
    )


def _scope() -> list[str]:
    return [] if os.geteuid() == 0 else ["--user"]


def _call(*argv: str) -> subprocess.CompletedProcess[str]:
    """One short question or order; a systemd that does not answer counts as a refusal."""
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 1, "", f"{argv[0]}: no answer")
