"""Ranges over one HTTP/2 connection against HTTP/1.1 connections of their own, from nginx.

    python benchmarks/http2.py [--size-mib 256] [--rounds 3]       (needs nginx and openssl)

Both are httpx, as in `appliance.weights.http`; the medians decided what is used for what.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

MIB = 1 << 20
CONFIGURATION = """
daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error.log;
events {{ worker_connections 128; }}
http {{
  access_log off; client_body_temp_path {place}/b; proxy_temp_path {place}/p;
  fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
  server {{ listen 127.0.0.1:{port} ssl http2; root {place}/files;
            ssl_certificate {place}/site.pem; ssl_certificate_key {place}/site.key; }}
}}
"""


@contextlib.contextmanager
def nginx(place: Path, size: int) -> Iterator[str]:
    """An nginx that offers HTTP/2 over TLS; the address of a file of this size."""
    (place / "files").mkdir()
    with (place / "files/model").open("wb") as stream:
        stream.truncate(size)
    place.chmod(0o755)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", f"{place}/site.key", "-out", f"{place}/site.pem"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (place / "nginx.conf").write_text(CONFIGURATION.format(place=place, port=port))
    with subprocess.Popen(["nginx", "-p", str(place), "-c", f"{place}/nginx.conf"]) as server:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
        yield f"https://localhost:{port}/model"
        server.terminate()


def fetch(url: str, place: Path, size: int, ranges: int, *, http2: bool) -> tuple[float, int]:
    """Seconds for the file in so many ranges at once, and how many of them broke off."""
    trust = ssl.create_default_context(cafile=f"{place}/site.pem")
    part = size // ranges

    def one(number: int) -> bool:
        wanted = {"Range": f"bytes={number * part}-{(number + 1) * part - 1}"}
        try:
            with client.stream("GET", url, headers=wanted) as answer:
                return sum(map(len, answer.iter_raw())) == part
        except httpx.TransportError:
            return False

    with (
        httpx.Client(http2=http2, verify=trust, trust_env=False, timeout=60) as client,
        ThreadPoolExecutor(ranges) as pool,
    ):
        began = time.monotonic()
        broken = ranges - sum(pool.map(one, range(ranges)))
        return time.monotonic() - began, broken


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    size = options.size_mib * MIB
    print("| ranges at once | HTTP/1.1 | HTTP/2 |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name, nginx(Path(name), size) as url:
        for ranges in (1, 4, 8):
            cells = []
            for http2 in (False, True):
                runs = [
                    fetch(url, Path(name), size, ranges, http2=http2) for _ in range(options.rounds)
                ]
                broken = sum(count for _, count in runs)
                seconds = statistics.median(seconds for seconds, _ in runs)
                cells.append(
                    f"{broken} of {ranges * options.rounds} broke off"
                    if broken
                    else f"{size / MIB / seconds:.0f} MiB/s"
                )
            print(f"| {ranges} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
