"""What fetching weights costs: against curl and hf, over fast and slow lines, under kills.

    python benchmarks/weights.py [--size-mib 1024] [--rounds 3] [--kills 1000] [--lines]
                                 [--work DIR] [--hf PATH/TO/hf]

The hub is a process of its own on loopback, so client and server share this machine's cores. curl,
aria2c and hf check nothing but the length; "verified" means SHA-256 of every byte against the
listing, and a digest of every chunk. Everybody takes a turn in every round; figures are medians.
`--lines` also races over simulated long lines (as root; see `benchmarks/link.py`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from hub import LoopbackHub
from link import CONTENT, SERVER, Line, enter, namespaces, shaper

from appliance.catalog.models import Catalogue
from appliance.core.progress import Cancel
from appliance.core.reference import parse_reference
from appliance.weights.adopt import hash_file
from appliance.weights.chunks import blocks_of
from appliance.weights.pull import pull, request_for
from appliance.weights.store import Store

MIB = 1 << 20
REPO = "bench/model"
NAME = "model.safetensors"
KILL_MIB = 128


def serve(root: str, address: str, bps: str, connection_bps: str) -> None:
    """Be the hub until standard input ends."""
    limits = [float(text) or None for text in (bps, connection_bps)]
    place = Path(root)
    bound = "127.0.0.1" if address == "127.0.0.1" else "0.0.0.0"
    with LoopbackHub(place, address=bound, bps=limits[0], connection_bps=limits[1]) as hub:
        hub.sha256(hub.root / REPO / NAME)
        if address != "127.0.0.1":
            hub.cdn = f"http://{CONTENT}:{hub.port}"  # another host, as with real hubs
        print(f"http://{address}:{hub.port}", flush=True)
        sys.stdin.read()


@contextmanager
def hub_over(
    root: Path,
    bps: float = 0,
    connection_bps: float = 0,
    *,
    address: str = "127.0.0.1",
    namespace: str | None = None,
) -> Iterator[str]:
    """A hub process; its address, also in HF_ENDPOINT."""
    prefix = ["ip", "netns", "exec", namespace] if namespace else []
    argv = [*prefix, sys.executable, __file__, "--serve"]
    argv += [str(root), address, str(bps), str(connection_bps)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        url = process.stdout.readline().strip()
        os.environ.update(HF_ENDPOINT=url, HF_HUB_DISABLE_XET="1", NO_PROXY="*")
        yield url
        process.stdin.close()


def make_model(root: Path, size: int) -> str:
    """A safetensors file of this size in a repository; its SHA-256."""
    path = root / REPO / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}})
    digest = hashlib.sha256()
    with path.open("wb") as stream:
        for part in _parts(header.encode(), size):
            digest.update(part)
            stream.write(part)
    return digest.hexdigest()


def _parts(header: bytes, size: int) -> Iterator[bytes]:
    """The file piece by piece: a child's peak memory starts with its parent's."""
    noise = random.Random(1).randbytes(MIB)
    yield len(header).to_bytes(8, "little") + header
    for number in range(size // MIB):
        yield number.to_bytes(8, "big") + noise[8:]


Contender = list[str] | Callable[[], None]


def timed(contender: Contender, namespace: str | None) -> tuple[float, float]:
    """Seconds and peak memory in MiB of a command, or of our work in a process of its own.

    Ours is forked off with everything imported, as in the daemon, which is there already.
    """
    began = time.monotonic()
    if callable(contender):
        pid = os.fork()
        if pid == 0:
            _work(contender, namespace)
    else:
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        void = subprocess.DEVNULL
        pid = subprocess.Popen([*prefix, *contender], stdout=void, stderr=void).pid
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{contender} failed with {status}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def _work(work: Callable[[], None], namespace: str | None) -> NoReturn:
    code = 1
    try:
        if namespace:
            enter(namespace)
        work()
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def do_pull(store: str) -> None:
    """Pull the benchmark's model."""
    request = request_for(parse_reference(f"hf:{REPO}"), Catalogue((), ""))
    pull(request, Store(Path(store), floor_bytes=0))


class NoHash:
    """Stands in for any hash and looks at nothing."""

    def __init__(self, _: bytes = b"") -> None:
        self.name = "none"

    def update(self, _: object) -> None:
        """Nothing."""

    def copy(self) -> NoHash:
        """The same."""
        return self

    def digest(self) -> bytes:
        """What a chunk is recorded with."""
        return bytes(32)

    def hexdigest(self) -> str:
        """What the listing says, whatever came."""
        return os.environ["EXPECTED_SHA256"]


def do_pull_unverified(store: str) -> None:
    """The same pull, with every hash left out."""
    from appliance.weights import frontier, transfer

    vars(frontier)["hashlib"] = SimpleNamespace(sha256=NoHash)
    for module in (frontier, transfer):
        vars(module)["chunk_hash"] = NoHash
    frontier.Frontier._extend = lambda self, whole, index: whole  # type: ignore[method-assign]
    do_pull(store)


def contenders(url: str, work: Path, hf: str | None) -> dict[str, Contender]:
    """What fetches the same file."""
    address = f"{url}/{REPO}/resolve/main/{NAME}"
    out = str(work / "out")
    store = str(work / "store")
    commands: dict[str, Contender] = {
        "curl": ["curl", "-sSfL", "-o", out, address],
        "curl, then sha256sum": [
            *("sh", "-c", f"curl -sSfL -o {out} {address} && sha256sum {out}")
        ],
        "appliance, verified": partial(do_pull, store),
        "appliance, hashes left out": partial(do_pull_unverified, store),
    }
    if shutil.which("aria2c"):
        commands["aria2c -x8"] = ["aria2c", "-q", "-x8", "-d", str(work), "-o", "out", address]
    if hf:
        commands["hf download"] = [hf, "download", REPO, NAME, "--local-dir", str(work / "hf")]
    return commands


def race(
    title: str,
    root: Path,
    work: Path,
    options: argparse.Namespace,
    *,
    client: str | None = None,
    **hub: Any,
) -> None:
    """Everybody fetches the file in turn, some rounds; a table of medians."""
    size = (root / REPO / NAME).stat().st_size
    took: dict[str, list[tuple[float, float]]] = {}
    with hub_over(root, **hub) as url:
        for _ in range(options.rounds):
            for name, contender in contenders(url, work, options.hf).items():
                shutil.rmtree(work, ignore_errors=True)
                work.mkdir(parents=True)
                took.setdefault(name, []).append(timed(contender, client))
    shutil.rmtree(work)
    print(f"\n{title}\n| client | s | MiB/s | peak MiB |\n|---|---|---|---|")
    for name, results in took.items():
        seconds, memory = (statistics.median(column) for column in zip(*results, strict=True))
        print(f"| {name} | {seconds:.2f} | {size / seconds / MIB:.0f} | {memory:.0f} |", flush=True)
    pairs = zip(took["appliance, verified"], took["appliance, hashes left out"], strict=True)
    ratio = statistics.median(one[0] / other[0] for one, other in pairs)
    print(f"verified takes {ratio:.3f} of the time without hashes", flush=True)


LINES = (
    Line(rate_gbit=10, delay_ms=0.5, loss=0.0001),
    Line(rate_gbit=1, delay_ms=20, loss=0.0005),
)


def long_lines(root: Path, work: Path, options: argparse.Namespace) -> None:
    """The race over lines that are long and lossy."""
    for line in LINES:
        title = (
            f"{line.rate_gbit:g} Gbit/s, {2 * line.delay_ms:g} ms there and back, "
            f"{line.loss:.2%} of packets lost ({shaper()})"
        )
        with namespaces(line) as (server, client):
            race(title, root, work, options, client=client, namespace=server, address=SERVER)


def hashing(root: Path) -> None:
    """SHA-256 of a file, and with the digests of its chunks, against openssl; processor time."""
    path = root / REPO / NAME
    digest_of(path)  # into the page cache
    whole = rate_of(lambda: sha256_of(path), path)
    both = rate_of(lambda: hash_file(path, lambda size: None, Cancel()), path)
    out = subprocess.run(
        ["openssl", "speed", "-seconds", "2", "-bytes", "1048576", "sha256"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    openssl = float(out.split()[-1].rstrip("k")) / 1e3
    print(
        f"\nSHA-256: {whole:.0f} MB/s, openssl speed {openssl:.0f} MB/s ({whole / openssl:.0%}); "
        f"with digests of chunks {both:.0f} MB/s"
    )


def rate_of(work: Callable[[], object], path: Path) -> float:
    """Megabytes of a file for each second of processor time."""
    began = time.process_time()
    work()
    return path.stat().st_size / (time.process_time() - began) / 1e6


def sha256_of(path: Path) -> str:
    """As a pull computes it: from the page cache, block by block."""
    digest = hashlib.sha256()
    for block in blocks_of(path, 0, path.stat().st_size):
        digest.update(block)
    return digest.hexdigest()


def sent(url: str) -> int:
    """Bytes of files that left the hub so far."""
    with urllib.request.urlopen(f"{url}/_sent") as answer:
        return int(answer.read())


def reaches(child: BaseProcess, url: str, goal: int) -> bool:
    """Wait until the hub has sent so much; whether the child still runs then."""
    while child.is_alive() and sent(url) < goal:
        child.join(0.002)
    return child.is_alive()


def kills(root: Path, work: Path, count: int) -> None:
    """Kill pulls at random moments, go on, and look at every result."""
    expected = make_model(root, KILL_MIB * MIB)
    fork = multiprocessing.get_context("fork")
    chance = random.Random(2)
    killed = files = torn = refetched = worst = 0
    with hub_over(root) as url:
        while killed < count:
            shutil.rmtree(work, ignore_errors=True)
            before, kills_here = sent(url), 0
            while True:
                child = fork.Process(target=do_pull, args=(str(work),))
                child.start()
                if not reaches(child, url, sent(url) + chance.randrange(KILL_MIB * MIB // 3)):
                    break
                os.kill(child.pid or 0, signal.SIGKILL)
                child.join()
                kills_here += 1
                placed = list(work.glob(f"models/*/{NAME}"))
                torn += any(digest_of(path) != expected for path in placed)
            torn += [digest_of(path) for path in work.glob(f"models/*/{NAME}")] != [expected]
            torn += len(list((work / "blobs").iterdir())) != 1
            extra = sent(url) - before - (root / REPO / NAME).stat().st_size
            killed, files, refetched = killed + kills_here, files + 1, refetched + extra
            worst = max(worst, extra // max(1, kills_here))
    print(
        f"\nkills: {killed} of pulls of {KILL_MIB} MiB, {files} files finished, {torn} torn or "
        f"left over; sent again {refetched / max(1, killed) / MIB:.1f} MiB a kill on average "
        f"(in socket buffers included), {worst / MIB:.1f} MiB in the worst file"
    )
    shutil.rmtree(work, ignore_errors=True)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main() -> None:
    """Run what the arguments ask for."""
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--hf", default=shutil.which("hf"))
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(dir=options.work))
    root, work = place / "hub", place / "work"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        if options.size_mib:
            os.environ["EXPECTED_SHA256"] = make_model(root, options.size_mib * MIB)
            hashing(root)
            race("loopback, as fast as it goes", root, work, options)
            race("a line of 1 Gbit/s", root, work, options, bps=119 * MIB)
            title = "a line of 1 Gbit/s, 20 MiB/s a connection"
            race(title, root, work, options, bps=119 * MIB, connection_bps=20 * MIB)
            if options.lines:
                long_lines(root, work, options)
        if options.kills:
            kills(root, work, options.kills)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
