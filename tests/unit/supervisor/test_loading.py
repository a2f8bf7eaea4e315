from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.supervisor.loading import Loading, bytes_read, furthest, size_of

VLLM = "Loading safetensors checkpoint shards:  {pct}% Completed | 7/20 [00:10<00:20,  1.52s/it]"


@pytest.mark.parametrize(
    ("line", "pct"),
    [
        (VLLM.format(pct=35), 28.0),
        ("(Worker_TP0 pid=12) " + VLLM.format(pct=100), 80.0),
        ("Multi-thread loading shards:  50% Completed | 4/8 [00:10<00:10,  2.1s/it]", 40.0),
        ("INFO 11-25 loader.py:214] Loading weights took 7.79 seconds", 80.0),
        ("[2026-11-25 03:00:00 TP0] Load weight end. type=DeepseekV3ForCausalLM", 80.0),
        ("Capturing batches (avail_mem=5.25 GB):  50%|#####     | 4/8 [00:54<00:10]", 89.0),
        ("Capturing CUDA graphs (decode, FULL): 100%|##########| 35/35", 98.0),
        ("[INFO] [llm] loading model weight files 3/12", 20.0),
        ("Daemon start success!", 98.0),
        ("." * 40, 38.0),
        ("srv load_model: loading model '/srv/m.gguf'", None),
    ],
)
def test_an_engines_words_say_how_far_it_is(line: str, pct: float | None) -> None:
    assert furthest(["INFO something else", line]) == pct


def test_progress_never_goes_back_and_tells_what_is_left(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(f"{VLLM.format(pct=100)}\nan earlier start\n")
    loading = Loading(log, log.stat().st_size, None)
    loading.look(os.getpid())
    assert (loading.pct, loading.eta_s()) == (None, None)

    with log.open("a") as file:
        file.write(f"{VLLM.format(pct=10)}\r{VLLM.format(pct=50)}\r")
    loading.look(os.getpid())
    assert loading.pct == 40.0
    assert loading.eta_s(loading._began + 20.0) == 30.0

    with log.open("a") as file:
        file.write(f"\n{VLLM.format(pct=5)}\n")
    loading.look(os.getpid())
    assert loading.pct == 40.0


def test_a_silent_engine_is_judged_by_what_it_has_read(tmp_path: Path) -> None:
    def reads(pid: int, count: int) -> None:
        (tmp_path / str(pid)).mkdir(exist_ok=True)
        (tmp_path / str(pid) / "io").write_text(f"rchar: {count}\nwchar: 1\nread_bytes: 7\n")

    loading = Loading(tmp_path / "log", 0, 1000, proc=tmp_path)
    loading.look(os.getpid())
    assert loading.pct is None

    reads(os.getpid(), 250)
    loading.look(os.getpid())
    assert loading.pct == 25.0
    reads(os.getpid(), 5000)
    loading.look(os.getpid())
    assert loading.pct == 95.0, "read, but not yet ready"


def test_bytes_read_are_the_kernels(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"x" * 100_000)
    before = bytes_read(os.getpid())
    if before is None:
        pytest.skip("this kernel does not tell")
    file.read_bytes()

    after = bytes_read(os.getpid())
    assert after is not None
    assert after - before >= 100_000
    assert bytes_read(2**22 + 1) is None


def test_a_model_is_as_large_as_all_its_parts(tmp_path: Path) -> None:
    for number, size in ((1, 10), (2, 20)):
        (tmp_path / f"m-{number:05}-of-00002.gguf").write_bytes(b"x" * size)
    (tmp_path / "other.gguf").write_bytes(b"x" * 5)

    assert size_of(tmp_path / "m-00001-of-00002.gguf") == 30
    assert size_of(tmp_path / "other.gguf") == 5
    assert size_of(tmp_path) == 35
    assert size_of(tmp_path / "none.gguf") is None


@given(st.lists(st.text(max_size=200), max_size=20))
def test_no_log_is_too_strange(lines: list[str]) -> None:
    pct = furthest(lines)

    assert pct is None or 0 <= pct <= 100


def test_a_start_gets_on_by_what_it_reads_and_by_what_it_says(tmp_path: Path) -> None:
    def reads(count: int) -> None:
        (tmp_path / str(os.getpid())).mkdir(exist_ok=True)
        (tmp_path / str(os.getpid()) / "io").write_text(f"rchar: {count}\nread_bytes: 0\n")

    log = tmp_path / "log"
    log.touch()
    loading = Loading(log, 0, None, proc=tmp_path)
    loading.look(os.getpid())
    unknown = loading.progress

    found: list[int] = []
    for count, said in ((8, ""), (800, ""), (1 << 26, ""), (1 << 26, VLLM.format(pct=50))):
        reads(count)
        with log.open("a") as file:
            file.write(f"{said}\n")
        loading.look(os.getpid())
        found.append(loading.progress or 0)

    assert unknown is None
    assert found[0] == found[1], "whoever waits reads a little, too"
    assert found[1] < found[2] < found[3]


def test_a_rotated_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x" * 1000 + "\n")
    loading = Loading(log, log.stat().st_size, None)
    loading.look(os.getpid())

    log.write_text(f"{VLLM.format(pct=50)}\n")
    loading.look(os.getpid())

    assert loading.pct == 40.0
