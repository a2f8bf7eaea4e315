from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_server import Tools, is_running

from appliance.core.errors import UsageError
from appliance.hardware import runner
from appliance.hardware.runner import LiveRunner, ReplayRunner, run_tool

Eventually = Callable[[Callable[[], bool]], bool]


def test_what_a_tool_prints(tools: Tools) -> None:
    tools.prints("smi", "out\n", stderr="err\n", exit_status=9)
    answer = LiveRunner().ask("smi", "-q")
    assert answer is not None
    assert (answer.exit, answer.stdout, answer.stderr) == (9, "out\n", "err\n")
    assert answer.argv == ("smi", "-q")


def test_a_tool_that_is_not_there(tools: Tools) -> None:
    assert LiveRunner().ask("smi") is None
    (tools.directory / "smi").write_bytes(b"\x7fELF is no program")
    (tools.directory / "smi").chmod(0o755)
    assert LiveRunner().ask("smi") is None


def test_surroundings_of_a_tool(tools: Tools) -> None:
    tools.script("smi", "/bin/cat; /bin/pwd; echo $LC_ALL; echo kept > left.json")
    before = Path.cwd()
    answer = LiveRunner().ask("smi")
    assert answer is not None
    directory, locale = answer.stdout.split()
    assert locale == "C"
    assert directory != str(before)
    assert not Path(directory).exists()
    assert answer.files == {"left.json": "kept\n"}


def test_killed_by_a_signal_is_told_as_a_shell_would(tools: Tools) -> None:
    tools.script("smi", "kill -SEGV $$")
    answer = LiveRunner().ask("smi")
    assert answer is not None
    assert answer.exit == 128 + 11


STUBBORN = """
trap '' TERM INT HUP
echo said before
(trap '' TERM; echo $$ >> {pids}; exec /bin/sleep 600) &
/bin/sh -c 'set -m; /bin/sleep 600 & echo $! >> {pids}; wait' &
echo $! >> {pids}
while :; do /bin/sleep 600; done
"""


def test_a_tool_that_hangs_forks_and_ignores_signals(
    tools: Tools, tmp_path: Path, eventually: Eventually
) -> None:
    pids = tmp_path / "pids"
    tools.script("smi", STUBBORN.format(pids=pids))
    answer = LiveRunner(deadline_s=6.0, budget_s=6.0).ask("smi")
    assert answer is not None
    assert answer.exit is None
    assert answer.stdout == "said before\n"
    started = [int(word) for word in pids.read_text().split()]
    assert len(started) >= 2
    assert eventually(lambda: not any(is_running(pid) for pid in started))


def test_a_child_that_holds_the_pipe_holds_nobody(
    tools: Tools, tmp_path: Path, eventually: Eventually
) -> None:
    pids = tmp_path / "pids"
    tools.script("smi", f"/bin/sleep 600 &\necho $! > {pids}\necho done")
    answer = LiveRunner(deadline_s=30).ask("smi")
    assert answer is not None
    assert (answer.exit, answer.stdout) == (0, "done\n")
    assert eventually(lambda: not is_running(int(pids.read_text())))


def test_a_tool_that_closes_its_output_and_stays(tools: Tools) -> None:
    tools.script("smi", "exec >&- 2>&-\nexec /bin/sleep 600")
    answer = LiveRunner(deadline_s=0.3).ask("smi")
    assert answer is not None
    assert answer.exit is None


def test_endless_output_is_kept_in_bounds(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "OUTPUT_LIMIT", 100_000)
    tools.script("smi", "while :; do echo 0123456789012345678901234567890123456789; done")
    answer = LiveRunner(deadline_s=0.5).ask("smi")
    assert answer is not None
    assert answer.exit is None
    assert len(answer.stdout) <= 100_000 + 65536


def test_a_wedged_program_is_asked_once(tools: Tools) -> None:
    tools.script("smi", "exec /bin/sleep 600")
    live = LiveRunner(deadline_s=0.2, budget_s=10)
    answers = [live.ask("smi", option) for option in ("-q", "-L", "-x")]
    assert [answer and answer.exit for answer in answers] == [None, None, None]
    assert all(answer is not None for answer in answers)
    assert len(tools.calls()) == 1


def test_the_budget_is_for_all_questions(tools: Tools) -> None:
    for name in ("a", "b", "c"):
        tools.script(name, "exec /bin/sleep 600")
    live = LiveRunner(deadline_s=5, budget_s=0.3)
    started = time.monotonic()
    for name in ("a", "b", "c"):
        live.ask(name)
    assert time.monotonic() - started < 3
    assert len(tools.calls()) == 1


def _time_out_often(tools: Tools, times: int) -> None:
    tools.script("smi", "trap '' TERM\n/bin/sleep 600 &\nexec /bin/sleep 600")
    program = str(tools.directory / "smi")
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(run_tool, program, ("smi",), 0.02) for _ in range(times)]
    answers = [job.result() for job in jobs]
    assert all(answer is not None and answer.exit is None for answer in answers)
    sleepers = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/environ")
        if _belongs_to(path, tools.directory)
    ]
    assert sleepers == []


def _belongs_to(environ: Path, directory: Path) -> bool:
    try:
        mine = f"PATH={directory}".encode() in environ.read_bytes()
    except OSError:
        return False
    return mine and environ.parent.name != str(os.getpid())


def test_timeouts_leave_nothing_behind(tools: Tools) -> None:
    _time_out_often(tools, 40)


@pytest.mark.slow
def test_a_thousand_timeouts_leave_nothing_behind(tools: Tools) -> None:
    _time_out_often(tools, 1000)


# -- captures ----------------------------------------------------------------------------------


def _capture(
    directory: Path, *commands: dict[str, object], schema: str = "appliance.capture/1"
) -> Path:
    directory.mkdir(exist_ok=True)
    manifest = {"schema": schema, "host": "server", "time": "2026-01-02T03:04:05Z"}
    (directory / "manifest.json").write_text(json.dumps(manifest | {"commands": list(commands)}))
    return directory


def test_a_capture_answers_exactly(tmp_path: Path) -> None:
    capture = _capture(
        tmp_path / "c",
        {"argv": ["smi", "-q"], "exit": 15, "stdout": "out.txt", "stderr": None, "seconds": 0.4},
        {"argv": ["smi", "-L"], "exit": None, "stdout": None},
        {"argv": ["other"], "exit": 127, "stdout": None},
    )
    (capture / "out.txt").write_text("text")
    replay = ReplayRunner(capture)
    answer = replay.ask("smi", "-q")
    assert answer is not None
    assert (answer.exit, answer.stdout, answer.stderr, answer.seconds) == (15, "text", "", 0.4)
    killed = replay.ask("smi", "-L")
    assert killed is not None
    assert killed.exit is None
    assert replay.ask("smi") is None
    assert replay.ask("smi", "-q", "-x") is None
    assert replay.ask("other") is None
    assert (replay.installed("smi"), replay.installed("other")) == (True, False)
    assert replay.installed("third") is None


@pytest.mark.parametrize(
    "printed",
    [b"\xef\xbb\xbf| 0 | 43 C |\n", b"\x1b[1;31m| 0 |\x1b[0m 43 C |\x1b[K\n", b"| 0 | 43 C |\r\n"],
)
def test_what_terminals_and_editors_add_is_taken_off(tmp_path: Path, printed: bytes) -> None:
    capture = _capture(tmp_path / "c", {"argv": ["smi"], "exit": 0, "stdout": "out.txt"})
    (capture / "out.txt").write_bytes(printed)
    answer = ReplayRunner(capture).ask("smi")
    assert answer is not None
    assert answer.stdout == "| 0 | 43 C |\n"


@pytest.mark.parametrize(
    "manifest",
    [
        None, "", "{", "[]", "{}", '{"schema": "appliance.capture/2", "commands": []}',
        '{"schema": "appliance.capture/1"}', '{"schema": "appliance.capture/1", "commands": [{}]}',
        '{"schema": "appliance.capture/1", "commands": [{"argv": "smi"}]}', "\x00\xff",
    ],
)  # fmt: skip
def test_what_is_no_capture(tmp_path: Path, manifest: str | None) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_bytes(manifest.encode("latin-1"))
    with pytest.raises(UsageError) as caught:
        ReplayRunner(tmp_path)
    assert caught.value.code == "BAD-CAPTURE"
    assert str(caught.value.hint)


def test_a_capture_cannot_reach_outside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    capture = _capture(tmp_path / "c", {"argv": ["smi"], "exit": 0, "stdout": "../secret"})
    with pytest.raises(UsageError, match="outside"):
        ReplayRunner(capture).ask("smi")


def test_a_file_that_the_manifest_names_and_is_not_there(tmp_path: Path) -> None:
    capture = _capture(tmp_path / "c", {"argv": ["smi"], "exit": 0, "stdout": "gone.txt"})
    with pytest.raises(UsageError):
        ReplayRunner(capture).ask("smi")
