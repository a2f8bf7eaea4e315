"""The real vLLM, where `APPLIANCE_TEST_VLLM` names a Python that has it."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from appliance_box import Appliance, ask, wait_for
from tiny_safetensors import build_parrot

from appliance.core.loopback import free_port
from appliance.engines.metrics import scrape
from appliance.ops.conversation import Finish, Message, stream_chat
from appliance.supervisor.identity import Identity
from appliance.supervisor.loading import furthest
from appliance.supervisor.probe import ready
from appliance.supervisor.process import alive, start, stop
from appliance.supervisor.table import members_of

PYTHON = os.environ.get("APPLIANCE_TEST_VLLM", "")
LOAD_S = 900.0
THOUGHT, ANSWER = "The user greets me.", "Good day to you, from a small model."
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="APPLIANCE_TEST_VLLM names no Python with vLLM"),
]


@dataclass
class VLLM:
    """The module, not `vllm serve`: the processors' wheel has no command that starts."""

    model: Path
    log: Path
    port: int = field(default_factory=free_port)
    env: dict[str, str] = field(
        default_factory=lambda: {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
    )
    files: dict[str, str] = field(default_factory=dict)
    cpus: tuple[int, ...] = ()

    @property
    def argv(self) -> list[str]:
        words = f"--served-model-name parrot --host 127.0.0.1 --port {self.port}"
        words += " --max-model-len 2048 --max-num-seqs 8 --reasoning-parser deepseek_r1"
        module = [PYTHON, "-m", "vllm.entrypoints.openai.api_server"]
        return [*module, "--model", str(self.model), *words.split()]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[VLLM, Identity]]:
    directory = tmp_path_factory.mktemp("vllm")
    model = build_parrot("qwen2", directory / "parrot", f"{THOUGHT}</think>{ANSWER}")
    command = VLLM(model, directory / "log")
    identity = start(command, command.log)
    try:
        wait_for(lambda: ready(command.port, "parrot").ok or not alive(identity), 300)
        assert alive(identity), command.log.read_text(errors="replace")[-3000:]
        yield command, identity
    finally:
        stop(identity, grace_s=10)


def test_thought_and_answer_are_told_apart(engine: tuple[VLLM, Identity]) -> None:
    *pieces, end = stream_chat(engine[0].port, [Message("user", "Hello")], model="parrot")

    assert isinstance(end, Finish)
    assert (end.reason, end.tokens) == ("stop", 14)
    said = dict.fromkeys(("reasoning", "answer"), "")
    for piece in pieces:
        assert not isinstance(piece, Finish)
        said[piece.kind] += piece.text
    assert said == {"reasoning": THOUGHT, "answer": ANSWER}


def test_its_counters_move(engine: tuple[VLLM, Identity]) -> None:
    before = scrape(engine[0].port)
    list(stream_chat(engine[0].port, [Message("user", "Hello")], model="parrot"))
    after = scrape(engine[0].port)

    assert before is not None
    assert after is not None
    assert (after.requests_running, after.requests_waiting, after.kv_used_pct) == (0, 0, 0.0)
    assert (after.tokens_total or 0) - (before.tokens_total or 0) == 14
    assert (after.prompt_tokens_total or 0) > (before.prompt_tokens_total or 0)
    assert (after.steps_total or 0) > (before.steps_total or 0)


def test_its_log_tells_how_far_it_is(engine: tuple[VLLM, Identity]) -> None:
    lines = engine[0].log.read_text(errors="replace").replace("\r", "\n").splitlines()

    assert {80.0, 98.0} <= {furthest([line]) for line in lines}


def test_its_children_end_though_its_server_was_killed(engine: tuple[VLLM, Identity]) -> None:
    identity = engine[1]
    os.kill(identity.pid, signal.SIGKILL)
    wait_for(lambda: not alive(identity))

    stop(identity, grace_s=0.5)

    assert [entry for entry in members_of(identity.pid) if not entry.dead] == []


def installed_in(home: Path) -> None:
    """Let the appliance of `home` find the Python with vLLM as if it had installed it."""
    place = home / "data/engines/environments/vllm-cpu/e2e"
    place.mkdir(parents=True)
    for inside in Path(PYTHON).parent.parent.iterdir():
        (place / inside.name).symlink_to(inside)
    note = place / "environment.json"
    note.unlink(missing_ok=True)
    note.write_text(
        '{"schema":"appliance.environment/1","environment":"vllm-cpu","key":"e2e","version":"0",'
        '"python":"3","packages":1,"bytes":1,"seconds":1,"served":true}'
    )
    (place.parent / "current").symlink_to(place.name)


def flags_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def test_a_model_of_the_site_s_own_is_planned_served_and_brought_back(
    appliance: Appliance, tmp_path: Path
) -> None:
    installed_in(appliance.home)
    ours = build_parrot("llama", tmp_path / "ours", f"{THOUGHT}</think>{ANSWER}")
    name = f"file:{ours}"
    assert appliance.run("models", "pull", name).returncode == 0
    plan = appliance.json("plan", name, "--users", "3")
    choice = plan["choices"][0]
    assert (choice["recipe"], choice["form"]["model_class"]) == ("vllm-cpu", "distill")

    up = appliance.run("up", "--model", name, "--users", "3", "--yes", "--json", timeout_s=LOAD_S)

    assert up.returncode == 0, up.stderr
    served = json.loads(up.stdout)
    assert served["proof"]["answer"] == ANSWER
    first = appliance.replica()
    flags = flags_of(first["pid"])
    (memory,) = choice["memory"]["per_card"]
    told = int(flags[flags.index("--kv-cache-memory-bytes") + 1])
    assert told == math.ceil(memory["kv_mib"]) << 20

    end = end_of_stream(served)
    assert '"finish_reason":"stop"' in end

    os.kill(first["pid"], signal.SIGKILL)
    wait_for(lambda: appliance.replica()["pid"] not in (None, first["pid"]))
    wait_for(lambda: appliance.replica()["state"] in ("ready", "busy"), LOAD_S)
    assert ask(served["endpoint"], served["key"], model=served["deployment"]).status_code == 200

    assert appliance.run("down").returncode == 0
    assert appliance.processes() == {}


def end_of_stream(served: dict[str, Any]) -> str:
    """What a client of the gateway gets, up to the end."""
    body = {"stream": True, "max_tokens": 200}
    reply = ask(served["endpoint"], served["key"], model=served["deployment"], **body)
    assert reply.text.rstrip().endswith("data: [DONE]")
    return reply.text
