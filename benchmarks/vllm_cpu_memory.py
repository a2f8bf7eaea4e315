"""What vLLM on the processor takes beside weights and cache: models of random weights, measured.

    python benchmarks/vllm_cpu_memory.py PYTHON_WITH_VLLM DIRECTORY [FLAGS OF VLLM]

For each shape a Qwen2 in BF16 is written into DIRECTORY, served with a cache of 512 MiB and asked
four long questions at once, while the private and shared memory (no file pages) of all its
processes is added up ten times a second. Prints one line of CSV for each.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import tiny_models
import tiny_safetensors

from appliance.core.loopback import free_port
from appliance.engines.command import EngineCommand
from appliance.supervisor.identity import Identity
from appliance.supervisor.probe import ready
from appliance.supervisor.process import alive, start, stop
from appliance.supervisor.table import members_of

CACHE_MIB = 512
LIMIT_S = 1500
TOKENS = 64
PLAIN_VOCABULARY = tiny_models._base_vocabulary


class Shape(NamedTuple):
    """A Qwen2 with heads of 64 elements, two of them for keys and values."""

    layers: int
    hidden: int
    feed_forward: int
    vocab: int
    context: int
    slots: int


SHAPES = [
    Shape(4, 256, 1024, 2_000, 2048, 4),
    Shape(24, 896, 4864, 2_000, 2048, 4),
    Shape(24, 896, 4864, 150_000, 2048, 4),
    Shape(24, 896, 4864, 150_000, 2048, 32),
    Shape(24, 896, 4864, 150_000, 8192, 4),
    Shape(28, 1536, 8960, 2_000, 2048, 4),
    Shape(28, 1536, 8960, 150_000, 2048, 4),
]


def write(shape: Shape, directory: Path) -> Path:
    def words(special: Sequence[str] = ()) -> Iterator[str]:
        known = list(PLAIN_VOCABULARY(special))
        yield from known
        yield from (f"word{number}" for number in range(shape.vocab - len(known)))

    vars(tiny_models).update(
        LAYERS=shape.layers,
        HIDDEN=shape.hidden,
        HEADS=shape.hidden // 64,
        KV_HEADS=2,
        HEAD_DIM=64,
        FEED_FORWARD=shape.feed_forward,
        CONTEXT=shape.context,
        _base_vocabulary=words,
    )
    return tiny_safetensors.build_parrot("qwen2", directory, "Hello there, good day to you.")


def anonymous_mib(pid: int) -> float:
    """Private and shared memory, without pages of files, of a process and all below it."""
    total = 0
    for entry in members_of(pid):
        try:
            rollup = Path(f"/proc/{entry.pid}/smaps_rollup").read_text()
        except OSError:
            continue
        fields = {line.split(":")[0]: line.split()[1] for line in rollup.splitlines()[1:]}
        total += int(fields["Pss_Anon"]) + int(fields["Pss_Shmem"])
    return total / 1024


class Watch(threading.Thread):
    """The largest sum so far."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.done = pid, 0.0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.1):
            self.peak = max(self.peak, anonymous_mib(self.pid))


@contextmanager
def served(
    python: str, model: Path, shape: Shape, log: Path, flags: Sequence[str]
) -> Iterator[tuple[int, Identity]]:
    port = free_port()
    words = f"--model {model} --served-model-name m --host 127.0.0.1 --port {port}"
    words += f" --max-model-len {shape.context} --max-num-seqs {shape.slots}"
    words += f" --kv-cache-memory-bytes {CACHE_MIB << 20}"
    argv = [python, "-m", "vllm.entrypoints.openai.api_server", *words.split(), *flags]
    command = EngineCommand(
        engine="vLLM", argv=argv, port=port, env={"HF_HUB_OFFLINE": "1", "PATH": os.environ["PATH"]}
    )
    identity = start(command, log)
    try:
        yield port, identity
    finally:
        stop(identity, grace_s=10)


def ask(port: int, tokens: int) -> None:
    body = {"model": "m", "prompt": " the" * tokens, "max_tokens": TOKENS, "ignore_eos": True}
    httpx.post(f"http://127.0.0.1:{port}/v1/completions", json=body, timeout=600).raise_for_status()


def seconds_of(port: int, tokens: int) -> float:
    began = time.monotonic()
    ask(port, tokens)
    return time.monotonic() - began


def measure(python: str, shape: Shape, directory: Path, flags: Sequence[str]) -> str:
    model = write(shape, directory / "-".join(map(str, shape)))
    weights_mib = sum(path.stat().st_size for path in model.glob("*.safetensors")) / 2**20
    began = time.monotonic()
    with served(python, model, shape, directory / "log", flags) as (port, identity):
        watch = Watch(identity.pid)
        watch.start()
        while not ready(port, "m").ok:
            if not alive(identity) or time.monotonic() - began > LIMIT_S:
                raise SystemExit((directory / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.5)
        load_s, loading, idle = time.monotonic() - began, watch.peak, anonymous_mib(identity.pid)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: ask(port, shape.context // 5), range(4)))
        one_s = min(seconds_of(port, 8) for _ in range(3))
        watch.done.set()
        watch.join()
    known = weights_mib + CACHE_MIB
    figures = [
        weights_mib,
        loading - known,
        idle - known,
        watch.peak - known,
        load_s,
        TOKENS / one_s,
    ]
    return ",".join([*map(str, shape), *(f"{figure:.1f}" for figure in figures)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python")
    parser.add_argument("directory", type=Path)
    asked, flags = parser.parse_known_args()
    print(
        ",".join([*Shape._fields, "weights_mib", "loading_mib", "idle_mib", "peak_mib", "load_s"])
    )
    for shape in SHAPES:
        print(measure(asked.python, shape, asked.directory, flags), flush=True)


if __name__ == "__main__":
    main()
