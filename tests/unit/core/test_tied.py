"""What is tied to a process goes with it, however that ends."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from appliance.core.tied import tied
from appliance.supervisor.table import entry_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a promise of Linux alone")
PARENT = """
import subprocess, sys
from appliance.core.tied import tied
CHILD = "import time; print('up', flush=True); time.sleep(300)"
child = subprocess.Popen(tied([sys.executable, "-c", CHILD]), stdout=subprocess.PIPE, text=True)
assert child.stdout.readline() == "up\\n"
print(child.pid, flush=True)
input()
"""


def test_it_is_killed_with_whoever_started_it() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    pid = int(parent.stdout.readline())

    parent.kill()
    parent.communicate()

    deadline = time.monotonic() + 10
    while (entry := entry_of(pid)) and not entry.dead:
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.02)


def test_it_is_the_very_program() -> None:
    done = subprocess.run(tied(["/bin/echo", "a b"]), capture_output=True, text=True, check=True)

    assert done.stdout == "a b\n"
