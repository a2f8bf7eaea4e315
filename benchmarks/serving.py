"""How fast engines serve people at the same time, side by side in one run.

    python benchmarks/serving.py MODEL.gguf
        [--users 8] [--answer 64] [--rounds 3] [--native] [--python-server PYTHON] [--sweep]

Each engine is started with the same total context and as many slots as people; the people begin at
once and ask one question after the other. Engines take turns, and each figure is the median of the
rounds, so that what else the machine does meets all alike. `--native` adds the llama.cpp that was
built here, `--python-server` the server of llama-cpp-python in that Python (with
`interrupt_requests` off: it answers one at a time), `--sweep` other settings of our own engine,
of which the fastest meet the engines as we start them once more, in a final: the best of many
figures is partly luck, and luck does not come twice.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from appliance.core.loopback import free_port
from appliance.engines.build import command_for
from appliance.engines.llamacpp.threads import usable_threads
from appliance.engines.request import EngineRequest
from appliance.supervisor.probe import ready

CONTEXT = 2048
FINALISTS = 3
SAYS = re.compile(rb'content": ?"')
"""A piece of an answer, or of the thought before it."""
FINAL_ROUNDS = 5
QUESTIONS = (
    "Explain how a hospital triages patients in an emergency department.",
    "Describe the water cycle for a pupil of ten years.",
    "Write a short story about a lighthouse keeper and a storm.",
    "What should one check before repairing an electric kettle?",
    "Summarize the causes of the first industrial revolution.",
    "Give a recipe for vegetable soup with quantities.",
    "How does a bicycle stay upright while it moves?",
    "Plan a day in an unknown city with a small child.",
)


class Contender(NamedTuple):
    """An engine with its settings."""

    name: str
    argv: list[str]
    env: dict[str, str]
    port: int


class Round(NamedTuple):
    """What one round of all people gave."""

    tokens_per_s: float
    first_token_s: float
    longest_gap_s: float


def ours(model: Path, users: int, recipe: str, name: str, **settings: object) -> Contender:
    port = free_port()
    request = EngineRequest(
        recipe=recipe,
        model_path=str(model),
        alias="bench",
        port=port,
        context=CONTEXT,
        slots=users,
        **settings,  # type: ignore[arg-type]
    )
    command = command_for(request)
    return Contender(name, command.argv, command.env, port)


def python_server(python: str, model: Path, users: int) -> Contender:
    port = free_port()
    options = {
        "--model": model,
        "--model_alias": "bench",
        "--host": "127.0.0.1",
        "--port": port,
        "--n_ctx": CONTEXT,
        "--n_threads": usable_threads(),
        "--n_threads_batch": usable_threads(),
        "--interrupt_requests": "False",
    }
    argv = [python, "-m", "llama_cpp.server", *(str(v) for pair in options.items() for v in pair)]
    return Contender("llama_cpp.server (Python)", argv, {}, port)


def recipes(options: argparse.Namespace) -> list[tuple[str, str]]:
    native = [("llama.cpp-native-cpu", "native")] if options.native else []
    return [("llama.cpp-prebuilt-cpu", "prebuilt"), *native]


def as_started(options: argparse.Namespace) -> list[Contender]:
    return [ours(options.model, options.users, *recipe) for recipe in recipes(options)]


def swept(options: argparse.Namespace) -> Iterator[Contender]:
    model, users = options.model, options.users
    plain = ours(model, users, "llama.cpp-prebuilt-cpu", "prebuilt, waiting threads spin")
    yield plain._replace(env={})
    threads = sorted({1, max(1, usable_threads() // 2), usable_threads(), os.cpu_count() or 1})
    for (recipe, label), count, ubatch, kv in itertools.product(
        recipes(options), threads, (128, 512), ("f16", "q8_0")
    ):
        name = f"{label}, {count} threads, ubatch {ubatch}, {kv}"
        yield ours(model, users, recipe, name, threads=count, ubatch=ubatch, kv_type=kv)


@contextmanager
def serving(contender: Contender, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            contender.argv, env={**os.environ, **contender.env}, stdout=output, stderr=output
        )
    try:
        while not ready(contender.port, "bench", timeout_s=300).ok:
            if process.poll() is not None:
                raise SystemExit(f"{contender.name} ended:\n{log.read_text()[-800:]}")
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


Results = dict[str, list[Round]]


class Person(threading.Thread):
    """Asks, reads the stream, asks again."""

    def __init__(self, port: int, number: int, asks: int, answer: int) -> None:
        super().__init__()
        self.port, self.number, self.asks, self.answer = port, number, asks, answer
        self.tokens = 0
        self.first: list[float] = []
        self.gaps: list[float] = []

    def run(self) -> None:
        for ask in range(self.asks):
            question = QUESTIONS[(self.number + ask) % len(QUESTIONS)]
            self._ask(f"{question} (person {self.number}, question {ask})")

    def _ask(self, question: str) -> None:
        body = {
            "model": "bench",
            "messages": [{"role": "user", "content": question}],
            "max_tokens": self.answer,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        began = last = time.monotonic()
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        pieces = 0
        for line in connection.getresponse():
            if not SAYS.search(line):
                continue
            now = time.monotonic()
            if pieces == 0:
                self.first.append(now - began)
            else:
                self.gaps.append(now - last)
            last = now
            pieces += 1
        self.tokens += pieces
        connection.close()


def one_round(port: int, users: int, asks: int, answer: int) -> Round:
    people = [Person(port, number, asks, answer) for number in range(users)]
    began = time.monotonic()
    for person in people:
        person.start()
    for person in people:
        person.join()
    spent = time.monotonic() - began
    return Round(
        sum(person.tokens for person in people) / spent,
        statistics.median(first for person in people for first in person.first),
        max((gap for person in people for gap in person.gaps), default=0.0),
    )


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line) / 1024


def speed(results: list[Round]) -> float:
    return statistics.median(result.tokens_per_s for result in results)


def compare(field: Sequence[Contender], options: argparse.Namespace, rounds_each: int) -> Results:
    rounds: dict[str, list[Round]] = {contender.name: [] for contender in field}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(rounds_each):
            for contender in field[:: 1 if number % 2 else -1]:
                with serving(contender, Path(scratch) / "log") as process:
                    result = one_round(contender.port, options.users, options.asks, options.answer)
                    memory[contender.name] = resident_mib(process.pid)
                rounds[contender.name].append(result)
                print(f"  {contender.name}: {result.tokens_per_s:.1f}", file=sys.stderr)
    print_table(rounds, memory)
    return rounds


def print_table(rounds: Results, memory: dict[str, float]) -> None:
    best = max(map(speed, rounds.values()))
    print("| engine | tokens/s in all | of the best | first token s | longest gap s | RSS MiB |")
    print("|---|---|---|---|---|---|")
    for name, results in rounds.items():
        first = statistics.median(r.first_token_s for r in results)
        gap = statistics.median(r.longest_gap_s for r in results)
        print(
            f"| {name} | {speed(results):.1f} | {speed(results) / best:.2f} "
            f"| {first:.2f} | {gap:.2f} | {memory[name]:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--asks", type=int, default=2, help="questions of each person in a round")
    parser.add_argument("--answer", type=int, default=64, help="tokens of one answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--native", action="store_true")
    parser.add_argument("--python-server", metavar="PYTHON")
    parser.add_argument("--sweep", action="store_true")
    options = parser.parse_args()
    field = as_started(options)
    if options.python_server:
        field.append(python_server(options.python_server, options.model, options.users))
    others = list(swept(options)) if options.sweep else []
    results = compare([*field, *others], options, options.rounds)
    if options.sweep:
        others.sort(key=lambda contender: speed(results[contender.name]), reverse=True)
        print("\nThe final:\n")
        compare([*as_started(options), *others[:FINALISTS]], options, FINAL_ROUNDS)


if __name__ == "__main__":
    main()
