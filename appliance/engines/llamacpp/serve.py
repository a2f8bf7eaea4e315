"""The prebuilt engine: llama.cpp's own server in a process of its own.

`python -m appliance.engines.llamacpp.serve --model FILE --alias NAME --port N --context N …`

It listens on 127.0.0.1 alone, opens no other connection, logs to stderr without the text of any
conversation, and ends on TERM. Memory matters: import nothing here that the engine does not need.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from appliance.engines.llamacpp.threads import numa_nodes, usable_threads

if TYPE_CHECKING:
    from xllamacpp import CommonParams

LOOPBACK = "127.0.0.1"
_HTTP_THREADS = 64
"""They only wait. With fewer, a crowd that queues for a slot also keeps probes waiting."""
_LOG_DRAINS_S = 0.2


def main(argv: list[str] | None = None) -> None:
    """Load the model, serve it until TERM or INT."""
    options = _parser().parse_args(argv)
    import xllamacpp

    try:
        server = xllamacpp.Server(parameters(options))
    except RuntimeError as error:
        _give_up(why_it_failed(options.model, options.port) or str(error))
    _wait_for_the_end(server)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="appliance-llama", description=__doc__)
    parser.add_argument("--model", required=True, help="GGUF file, of a split one the first part")
    parser.add_argument("--alias", required=True, help="the name clients ask for")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int, required=True, help="tokens of one conversation")
    parser.add_argument("--slots", type=int, default=1, help="conversations at a time")
    parser.add_argument("--kv-type", default="f16", help="element type of the cache")
    parser.add_argument("--ubatch", type=int, default=512, help="tokens computed in one go")
    parser.add_argument("--threads", type=int, help="default: the physical cores at hand")
    parser.add_argument("--prompt-cache-mib", type=int, default=512, help="idle prompts in RAM")
    return parser


def parameters(options: argparse.Namespace) -> CommonParams:
    """The command line as llama.cpp's parameters. What is not set here is llama.cpp's default.

    The batch is one micro-batch, so that a long prompt of one person holds up the others, and the
    answer to a probe, no longer than that. Fitting is off: the plan has already decided.
    """
    import xllamacpp as llama

    params = llama.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames = [LOOPBACK]
    params.port = options.port
    params.n_ctx = options.context * options.slots
    params.n_parallel = options.slots
    params.n_batch = params.n_ubatch = options.ubatch
    params.cache_type_k = params.cache_type_v = _cache_type(options.kv_type)
    threads = options.threads or usable_threads()
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    if numa_nodes() > 1:
        params.numa = llama.ggml_numa_strategy.GGML_NUMA_STRATEGY_DISTRIBUTE
    params.n_threads_http = _HTTP_THREADS + 2 * options.slots
    params.cache_ram_mib = options.prompt_cache_mib
    params.use_jinja = True
    params.reasoning_format = llama.common_reasoning_format.COMMON_REASONING_FORMAT_DEEPSEEK
    params.endpoint_metrics = True
    params.fit_params = False
    params.offline = True
    params.ui = False
    params.cors_origins, params.cors_origins_explicit = f"http://{LOOPBACK}", True
    return params


def _cache_type(name: str) -> Any:
    import xllamacpp as llama

    kind = getattr(llama.ggml_type, f"GGML_TYPE_{name.upper()}", None)
    if kind is None:
        _give_up(f"no such cache type: {name}")
    return kind


def why_it_failed(model: str, port: int) -> str | None:
    """A cause that can be seen from outside; llama.cpp itself tells callers only that it failed."""
    path = Path(model)
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                return f"not a GGUF file: {path}"
    except OSError as error:
        return f"cannot read the model {path}: {error.strerror}"
    try:
        with socket.socket() as probe:  # as the server binds: connections of before are no reason
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
    except OSError as error:
        return f"cannot listen on {LOOPBACK}:{port}: {error.strerror}"
    return None


def _give_up(why: str) -> NoReturn:
    """Say why as the log's last line. llama.cpp writes its log from a thread of its own that cannot
    be waited for: it gets a moment, and then no more to write to.
    """
    time.sleep(_LOG_DRAINS_S)
    log = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.write(log, f"error: {why}\n".encode())
    sys.exit(1)


def _wait_for_the_end(server: Any) -> NoReturn:
    """Hold `server` until a signal. Its destructor would wait for answers that are being made;
    whoever sends the signal has already waited for those it cares about.
    """
    asked = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    asked.wait()
    print(f"ended on request, {server.listening_address}", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(0)


if __name__ == "__main__":
    main()
