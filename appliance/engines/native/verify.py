"""A build is good when it serves: it is started the way it will be, and asked something."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.core.i18n import Text, say
from appliance.core.loopback import no_tls
from appliance.core.progress import Cancel
from appliance.core.tied import tied
from appliance.engines.build import command_for
from appliance.engines.recipes import load_recipes
from appliance.engines.request import EngineRequest

BUILD_BROKEN = "BUILD-BROKEN"
_START_S = 120.0
_ANSWER_S = 120.0
_PROMPT = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


def verify(build: Path, backend: str, model: Path, log: Path, cancel: Cancel) -> None:
    """Serve `model` with `build`. Raises `ApplianceError` (`BUILD-BROKEN`) when no answer comes."""
    port = _free_port()
    request = EngineRequest(
        recipe=next(recipe.id for recipe in load_recipes() if recipe.build == backend),
        model_path=str(model),
        alias="check",
        port=port,
        context=512,
    )
    command = command_for(request, build=build)
    with log.open("wb") as output:
        process = subprocess.Popen(
            tied(command.argv),
            env={**os.environ, **command.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait(process, port, log, cancel)
        _ask(process, port, log)
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, cancel: Cancel) -> None:
    import httpx

    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        cancel.check()
        try:
            url = f"http://127.0.0.1:{port}/health"
            if httpx.get(url, timeout=2, trust_env=False, verify=no_tls()).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise _broken(log, process.poll())


def _ask(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import httpx

    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    try:
        answer = httpx.post(url, json=_PROMPT, timeout=_ANSWER_S, trust_env=False, verify=no_tls())
        if answer.is_success and answer.json()["usage"]["completion_tokens"] > 0:
            return
    except (httpx.TransportError, ValueError, KeyError, TypeError):
        pass
    raise _broken(log, process.poll())


def _broken(log: Path, status: int | None) -> ApplianceError:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return ApplianceError(
        say("the new build does not serve: {why}", why=_why(lines[-1] if lines else "-", status)),
        hint=say("the build before stays in use; the log is {log}", log=log),
        code=BUILD_BROKEN,
    )


def _why(last_words: str, status: int | None) -> Text | str:
    if status == -signal.SIGILL or "Exec format error" in last_words:
        return say("it was made for another kind of processor")
    if status is not None and status < 0:
        return say("it was ended by {signal}: {last}", signal=_name(status), last=last_words[:300])
    return last_words[:300]


def _name(status: int) -> str:
    return signal.strsignal(-status) or str(-status)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
