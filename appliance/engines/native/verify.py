"""A build is good when it serves: it is started the way it will be, and asked something."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.loopback import no_tls
from appliance.core.progress import Cancel
from appliance.engines.build import command_for
from appliance.engines.recipes import load_recipes
from appliance.engines.request import EngineRequest

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
            command.argv,
            env={**os.environ, **command.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait(process, port, log, cancel)
        _ask(port, log)
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
    raise _broken(log)


def _ask(port: int, log: Path) -> None:
    import httpx

    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    try:
        answer = httpx.post(url, json=_PROMPT, timeout=_ANSWER_S, trust_env=False, verify=no_tls())
        if answer.is_success and answer.json()["usage"]["completion_tokens"] > 0:
            return
    except (httpx.TransportError, ValueError, KeyError, TypeError):
        pass
    raise _broken(log)


def _broken(log: Path) -> ApplianceError:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return ApplianceError(
        say("the new build does not serve: {why}", why=lines[-1][:300] if lines else ""),
        hint=say("the build before stays in use; the log is {log}", log=log),
        code="BUILD-BROKEN",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
