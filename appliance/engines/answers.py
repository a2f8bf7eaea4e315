"""An engine is good when it answers: it is started the way it will be, and asked something."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from appliance.core.i18n import Text, say
from appliance.core.loopback import no_tls
from appliance.core.progress import Cancel
from appliance.core.tied import tied
from appliance.engines.command import EngineCommand
from appliance.engines.work import end

CHECK = "check"
"""The name under which an engine on trial serves its model."""
_ANSWER_S = 120.0
_QUESTION = {
    "model": CHECK,
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 8,
}


def fault_of(
    command: EngineCommand, log: Path, cancel: Cancel, *, start_s: float
) -> Text | str | None:
    """Why an engine started by `command` does not answer; `None` when it does.

    What it says goes to `log`, and the last line of that is the reason. It gets `start_s` seconds
    to be ready. Raises `Interrupted`; the engine is gone afterwards in any case.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            tied(command.argv),
            env={**os.environ, **command.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        if _is_ready(process, command, start_s, cancel) and _answers(command.port):
            return None
        status = process.poll()
    finally:
        end(process)
    return _why(last_line(log), status)


def _why(last_words: str, status: int | None) -> Text | str:
    if status == -signal.SIGILL or "Exec format error" in last_words:
        return say("it was made for another kind of processor")
    if status is not None and status < 0:
        name = signal.strsignal(-status) or str(-status)
        return say("it was ended by {signal}: {last}", signal=name, last=last_words)
    return last_words


def last_line(log: Path) -> str:
    """The last line that says something."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else ""


def _is_ready(
    process: subprocess.Popen[bytes], command: EngineCommand, start_s: float, cancel: Cancel
) -> bool:
    import httpx

    url = f"http://127.0.0.1:{command.port}{command.readiness}"
    deadline = time.monotonic() + start_s
    while time.monotonic() < deadline and process.poll() is None:
        cancel.check()
        try:
            if httpx.get(url, timeout=2, trust_env=False, verify=no_tls()).is_success:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    return False


def _answers(port: int) -> bool:
    import httpx

    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    try:
        answer = httpx.post(
            url, json=_QUESTION, timeout=_ANSWER_S, trust_env=False, verify=no_tls()
        )
        return answer.is_success and answer.json()["usage"]["completion_tokens"] > 0
    except (httpx.TransportError, ValueError, KeyError, TypeError):
        return False
