"""The prebuilt engine as a process: what it answers, where it listens, how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from real_engine import RealEngine, free_port, request_for, running, self_test_model

from appliance.engines.build import command_for
from appliance.engines.metrics import Meter, scrape

CAPITAL = "What is the capital city of France? Answer with one word."


@pytest.fixture(scope="module")
def model() -> Path:
    path = self_test_model()
    if path is None:
        pytest.skip("the self-test model cannot be fetched here")
    return path


@pytest.fixture(scope="module")
def engine(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEngine]:
    log = tmp_path_factory.mktemp("engine") / "log"
    with running(request_for(model, free_port()), log) as engine:
        yield engine


def test_it_answers_under_its_alias(engine: RealEngine) -> None:
    answer = engine.chat(CAPITAL, max_tokens=12)

    assert answer["model"] == "self-test"
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert [model["id"] for model in engine.get("/v1/models").json()["data"]] == ["self-test"]


def test_every_conversation_gets_the_context_that_was_asked_for(engine: RealEngine) -> None:
    assert [slot["n_ctx"] for slot in engine.get("/slots").json()] == [1024, 1024]


def test_it_listens_on_loopback_alone_and_calls_nobody(engine: RealEngine) -> None:
    with ThreadPoolExecutor(3) as people:
        answers = [people.submit(engine.chat, "Tell me a story.", max_tokens=60) for _ in range(3)]
        seen = set()
        while not all(answer.done() for answer in answers):
            seen.update(psutil.Process(engine.process.pid).net_connections(kind="all"))
            time.sleep(0.02)

    assert {c.laddr.ip for c in seen if c.family != socket.AF_UNIX} == {"127.0.0.1"}
    assert {c.laddr.port for c in seen if c.status == psutil.CONN_LISTEN} == {engine.port}
    assert {c.laddr.port for c in seen if c.status == "ESTABLISHED"} == {engine.port}


def test_conversations_run_side_by_side_and_the_next_one_waits(engine: RealEngine) -> None:
    with ThreadPoolExecutor(3) as people:
        answers = [people.submit(engine.chat, f"Count to {n}.", max_tokens=150) for n in range(3)]
        seen = set()
        while not all(answer.done() for answer in answers):
            if metrics := scrape(engine.port):
                seen.add((metrics.requests_running, metrics.requests_waiting))

    assert (2, 1) in seen
    assert all(answer.result()["choices"] for answer in answers)


def test_a_crowd_keeps_no_probe_waiting(engine: RealEngine) -> None:
    with ThreadPoolExecutor(24) as people:
        answers = [people.submit(engine.chat, "Hello", max_tokens=20) for _ in range(24)]
        waited = 0
        while not all(answer.done() for answer in answers):
            assert engine.get("/health").is_success
            if metrics := scrape(engine.port, timeout_s=20):
                waited = max(waited, metrics.requests_waiting or 0)

    assert waited > 12


def test_tokens_are_counted_while_they_are_made(engine: RealEngine) -> None:
    before = scrape(engine.port)
    meter = Meter(engine.port)
    meter.read()
    with ThreadPoolExecutor(1) as people:
        answer = people.submit(engine.chat, "Tell me a story.", max_tokens=200, ignore_eos=True)
        growth, speeds = [], []
        while not answer.done():
            if (metrics := meter.read()) and metrics.requests_running:
                growth.append(metrics.tokens_total)
                speeds.append(metrics.decode_tps)
            time.sleep(0.1)
    after = scrape(engine.port)

    assert before is not None
    assert after is not None
    assert before.tokens_total is not None
    assert after.tokens_total == before.tokens_total + 200
    assert len(set(growth)) > 3, "not only at the end"
    assert any(speed and speed > 0 for speed in speeds)
    assert after.requests_running == 0


def test_the_log_tells_nothing_that_was_said(engine: RealEngine) -> None:
    said = engine.chat("My secret is xylophone-4711.", max_tokens=10)
    answer = said["choices"][0]["message"]["content"]

    log = engine.log.read_text()
    assert "xylophone" not in log
    assert answer not in log


def test_no_web_page_of_another_site_may_read_its_answers(engine: RealEngine) -> None:
    allowed = engine.get("/v1/models").headers.get("access-control-allow-origin")

    assert allowed != "*"


def test_a_second_engine_serves_the_same_file(
    engine: RealEngine, model: Path, tmp_path: Path
) -> None:
    with running(request_for(model, free_port(), kv_type="q8_0", slots=1), tmp_path / "log") as two:
        assert "Paris" in str(two.chat(CAPITAL, max_tokens=12))
        assert engine.get("/health").is_success


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_asked(model: Path, tmp_path: Path, number: signal.Signals) -> None:
    with running(request_for(model, free_port()), tmp_path / "log") as engine:
        engine.process.send_signal(number)
        assert engine.process.wait(20) == 0
        assert not _listens(engine.port)


def test_it_ends_in_the_middle_of_an_answer(model: Path, tmp_path: Path) -> None:
    with running(request_for(model, free_port()), tmp_path / "log") as engine:
        threading.Thread(target=_ask_and_be_left, args=(engine,), daemon=True).start()
        while not ((metrics := scrape(engine.port)) and metrics.requests_running):
            time.sleep(0.02)
        engine.process.terminate()
        assert engine.process.wait(20) == 0


def test_a_taken_port_is_the_last_thing_it_says(model: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, last = fail(model, port, tmp_path)

    assert status == 1
    assert last == f"error: cannot listen on 127.0.0.1:{port}: Address already in use"


def test_two_engines_never_share_a_port(engine: RealEngine, model: Path, tmp_path: Path) -> None:
    status, last = fail(model, engine.port, tmp_path)

    assert status == 1
    assert last.endswith("Address already in use")


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.gguf"

    assert fail(path, free_port(), tmp_path) == (
        1,
        f"error: cannot read the model {path}: No such file or directory",
    )


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "page.gguf"
    path.write_text("<html>403</html>")

    assert fail(path, free_port(), tmp_path) == (1, f"error: not a GGUF file: {path}")


def test_a_model_that_was_cut_short(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.gguf"
    with model.open("rb") as whole:
        path.write_bytes(whole.read(60_000_000))

    status, last = fail(path, free_port(), tmp_path)
    assert status == 1
    assert last.startswith("error: ")
    assert "not within the file bounds" in (tmp_path / "failed").read_text()


def test_more_memory_than_it_may_have(model: Path, tmp_path: Path) -> None:
    request = request_for(model, free_port(), context=131_072, slots=64)

    status, last = fail_with(
        ["sh", "-c", 'ulimit -v 6000000; exec "$@"', "sh", *command_for(request).argv], tmp_path
    )
    assert status == 1
    assert last.startswith("error: ")
    assert "failed to allocate" in (tmp_path / "failed").read_text()


def fail(model: Path, port: int, tmp_path: Path) -> tuple[int, str]:
    """Exit status and last line of an engine that cannot start."""
    return fail_with(command_for(request_for(model, port)).argv, tmp_path)


def fail_with(argv: list[str], tmp_path: Path) -> tuple[int, str]:
    with (tmp_path / "failed").open("wb") as log:
        status = subprocess.run(argv, stdout=log, stderr=log, timeout=60, check=False).returncode
    return status, (tmp_path / "failed").read_text().splitlines()[-1]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ask_and_be_left(engine: RealEngine) -> None:
    with suppress(httpx.TransportError):
        engine.chat("Tell me a very long story.", max_tokens=900, ignore_eos=True)
