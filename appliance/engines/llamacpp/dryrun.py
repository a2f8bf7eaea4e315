"""llama.cpp's own figures for a model that is not loaded: asked of the engine in a child process.

A header (sparse file) is enough. A bad one, or an architecture that the engine does not know, can
end the child or hang it: it costs that child, at the latest after the deadline. Answers are kept by
question, because the engine's version and the header say all there is to say.
"""

from __future__ import annotations

import hashlib
import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from appliance.core.documents import prepare

DEADLINE_S = 10.0
_LONGEST_LINE = 1 << 20
_CHUNK = 1 << 16
_HASHED_BYTES = 16 << 20
_WORDS = {"unified": "unified", "swa-full": "swa_full"}
_PRINTED = re.compile(
    r"(?P<compute>compute buffer size) = +(?P<compute_mib>[\d.]+) MiB"
    r"|llama_kv_cache\w*: size = +(?P<cache_mib>[\d.]+) MiB"
    r"|llama_dsv4_comp_state: .*, size = +(?P<state_mib>[\d.]+) MiB"
    r"|Host +\| +[\d ]+= +(?P<model_mib>\d+) \+"
)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`context` is the tokens of all `slots` together."""

    context: int
    slots: int = 1
    kv_type: str = "f16"
    ubatch: int = 512
    flash_attention: bool = True
    unified: bool = False
    swa_full: bool = False


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """MiB as the engine printed them: cache of all slots (with states), compute buffers.

    As its server sets it up: one output for each slot, not for each token of a micro-batch.
    """

    kv_mib: float
    compute_mib: float
    engine: str


prepare(DryRun)


def engine_version() -> str | None:
    """The engine that is asked, with its version; `None` where it is not installed."""
    try:
        return f"xllamacpp {version('xllamacpp')}"
    except PackageNotFoundError:
        return None


def dry_run(
    header: Path, question: Question, *, cache: Path | None = None, deadline_s: float = DEADLINE_S
) -> DryRun | None:
    """What the engine says that `header` takes; `None` where it says nothing in time."""
    engine = engine_version()
    if engine is None:
        return None
    kept = cache / f"{_key(header, question, engine)}.json" if cache else None
    if kept and (known := _read(kept)):
        return known
    answer = _ask(header, question, engine, deadline_s)
    if kept and answer:
        _keep(kept, answer)
    return answer


def _ask(header: Path, question: Question, engine: str, deadline_s: float) -> DryRun | None:
    child = subprocess.Popen(
        _command(header, question),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        return _figures(_Lines(child, time.monotonic() + deadline_s), engine)
    finally:
        child.kill()
        child.wait()
        if child.stderr:
            child.stderr.close()


def _command(header: Path, question: Question) -> list[str]:
    flash = "on" if question.flash_attention else "off"
    return [
        sys.executable,
        "-m",
        "appliance.engines.llamacpp.dryrun_process",
        str(header),
        str(question.context),
        str(question.slots),
        question.kv_type,
        str(question.ubatch),
        flash,
        *(word for word, said in _WORDS.items() if getattr(question, said)),
    ]


class _Lines:
    """Lines of the child's log until it ends or the deadline passes."""

    def __init__(self, child: subprocess.Popen[bytes], until: float) -> None:
        assert child.stderr is not None  # noqa: S101 - it is a pipe
        self._stream = child.stderr.fileno()
        self._until = until
        self._rest = b""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        while b"\n" not in self._rest:
            if len(self._rest) > _LONGEST_LINE or not (chunk := self._read()):
                raise StopIteration
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace")

    def _read(self) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stream, selectors.EVENT_READ)
            left = self._until - time.monotonic()
            if left <= 0 or not selector.select(left):
                return b""
        return os.read(self._stream, _CHUNK)


def _figures(lines: _Lines, engine: str) -> DryRun | None:
    """The first sizing that the log holds, up to its summary line."""
    cache = compute = 0.0
    for line in lines:
        found = _PRINTED.search(line)
        if found is None:
            continue
        if found["model_mib"]:
            return DryRun(kv_mib=round(cache, 2), compute_mib=round(compute, 2), engine=engine)
        if found["compute_mib"]:
            compute += float(found["compute_mib"])
        else:
            cache += float(found["cache_mib"] or found["state_mib"])
    return None


def _key(header: Path, question: Question, engine: str) -> str:
    digest = hashlib.sha256(engine.encode())
    digest.update(msgspec.json.encode(question))
    with header.open("rb") as stream:
        digest.update(stream.read(_HASHED_BYTES))
    digest.update(str(header.stat().st_size).encode())
    return digest.hexdigest()


def _read(path: Path) -> DryRun | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=DryRun)
    except (OSError, msgspec.MsgspecError):
        return None


def _keep(path: Path, answer: DryRun) -> None:
    """Write the answer whole or not at all; a cache that cannot be written costs only time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
            stream.write(msgspec.json.encode(answer))
        Path(stream.name).replace(path)
    except OSError:
        return
