from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

BUILD = """
import os, pathlib, sys
from appliance.cli.ending import ended_by_signals
from appliance.core.errors import Interrupted
from appliance.core.progress import Cancel
from appliance.engines.native import compile
argv = ["sh", "-c", "echo $$ > begun; mv begun pid; exec sleep 60"]
try:
    with ended_by_signals():
        compile._run(argv, os.environ, pathlib.Path("log"), compile._no_step, Cancel())
except Interrupted as error:
    sys.exit(str(error.hint))
"""


def begun(place: Path) -> int:
    deadline = time.monotonic() + 30
    while not (place / "pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int((place / "pid").read_text())


def told(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    return process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_build_that_is_ended_leaves_no_compiler_behind(
    number: signal.Signals, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", BUILD]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        compiler = begun(tmp_path)
        process.send_signal(number)
        assert process.wait(20) != 0
        assert "nothing was changed; the same command begins anew" in told(process)

    with pytest.raises(ProcessLookupError):
        os.kill(compiler, 0)
