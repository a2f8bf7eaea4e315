from __future__ import annotations

import signal
from pathlib import Path

import pytest
from fake_engines import Command, until
from hypothesis import given
from hypothesis import strategies as st

from appliance.supervisor.diagnosis import (
    _entries,
    _patterns,
    diagnose,
    known,
    oom_kills,
    way_of_death,
)
from appliance.supervisor.process import alive, exit_status, start

SAID = {
    "MODEL-MISSING": [
        "E gguf_init_from_file: failed to open GGUF file 'm.gguf' (No such file or directory)",
        "error: cannot read the model /srv/m.gguf: No such file or directory",
    ],
    "MODEL-NOT-READABLE": [
        "error: cannot read the model /srv/m.gguf: Permission denied",
        "PermissionError: [Errno 13] Permission denied: '/srv/m/model-00001.safetensors'",
    ],
    "PORT-TAKEN": [
        "0.00.001 E srv start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 80",
        "OSError: [Errno 98] Address already in use",
        "error: cannot listen on 127.0.0.1:80: Address already in use",
        "[ERROR] mindie: port 1025 is already in use",
    ],
    "ARCHITECTURE-UNKNOWN": [
        "error loading model architecture: unknown model architecture: 'deepseek41'",
        "ValueError: Model architectures ['DeepseekV41ForCausalLM'] are not supported for now.",
    ],
    "DRIVER-MISMATCH": [
        "CUDA driver version is insufficient for CUDA runtime version",
        "Failed to initialize NVML: Driver/library version mismatch",
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        "RuntimeError: HIP error: invalid device function",
        "MUSA: system has unsupported display driver / musa driver combination",
        "The NVIDIA driver on your system is too old (found version 12020).",
        "/lib64/libc.so.6: version `GLIBC_2.34' not found (required by libtorch_npu.so)",
        "ImportError: libtorch_npu.so: undefined symbol: aclrtMallocAlign32",
    ],
    "LIBRARY-MISSING": [
        "error while loading shared libraries: libcudart.so.12: cannot open shared object",
        "ImportError: libascendcl.so: cannot open shared object file: No such file or directory",
        "ModuleNotFoundError: No module named 'acl'",
    ],
    "PACKAGE-MISSING": [
        "ModuleNotFoundError: No module named 'torch_npu'",
        "importlib.metadata.PackageNotFoundError: No package metadata was found for triton",
        "ImportError: cannot import name 'Qwen2Tokenizer' from 'transformers'",
    ],
    "CARD-UNREACHABLE": [
        "ggml_cuda_init: failed to initialize CUDA: no CUDA-capable device is detected",
        "CUDA error: uncorrectable ECC error encountered",
        "Queue error - HSA_STATUS_ERROR_HARDWARE_EXCEPTION: An HSAIL operation raised one",
        "Memory access fault by GPU node-2 (Agent handle: 0x55d) on address 0x7f00.",
        "MTGPU:(Error): 56377:  PID 1747 experienced error Guilty Lockup (0x1)",
        "RuntimeError: The Inner error is reported as above. error code is 507015, aicore error",
    ],
    "CARD-MEMORY": [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "cuda_buffer_type_alloc_buffer: allocating 40.00 MiB: cudaMalloc failed: out of memory",
        "ValueError: No available memory for the cache blocks.",
        "RuntimeError: NPU out of memory. Tried to allocate 22.00 MiB (NPU 0; 60.97 GiB total)",
        "RuntimeError: MUSA out of memory.",
        "RuntimeError: HIP out of memory. Tried to allocate 256.00 MiB.",
        "ValueError: Free memory on device (3.1/79.1 GiB) on startup is less than desired GPU "
        "memory utilization (0.9, 71.2 GiB).",
        "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
        "[llm] [ERROR] : Warmup failed, because of model inference out of memory",
    ],
    "HOST-MEMORY": [
        "E llama_kv_cache: failed to allocate buffer for kv cache",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "MemoryError",
    ],
    "MODEL-CORRUPT": [
        "E gguf_init_from_reader: invalid magic characters: 'impo', expected 'GGUF'",
        "error: not a GGUF file: /srv/m.gguf",
        "tensor 'blk.3.ffn_up.weight' data is not within the file bounds",
        "SafetensorError: Error while deserializing header: MetadataIncompleteBuffer",
    ],
    "OPERATOR-UNSUPPORTED": [
        "Could not run 'aten::_fused_x' with arguments from the 'MUSA' backend.",
        "ggml-cuda.cu:88: GGML_ASSERT(ne00 % 32 == 0) failed",
        "ggml_cuda_op_mul_mat: MUSA error: operation not supported",
        "ValueError: fp8 quantization is currently not supported in musa",
    ],
    "PROCESSOR-UNSUPPORTED": ["Illegal instruction (core dumped)"],
    "SETTING-REFUSED": ["api_server.py: error: unrecognized arguments: --engram-config"],
}
INFO = ["I srv init: loading model", "I slot release: id  1 | task 0 | stop processing"]


@pytest.mark.parametrize(
    ("code", "line"), [(c, line) for c, lines in SAID.items() for line in lines]
)
def test_an_engines_words_have_a_cause(code: str, line: str) -> None:
    diagnosis = diagnose([*INFO, line, "I srv: cleaning up before exit..."], exit_status=1)

    assert diagnosis is not None
    assert diagnosis.code == code
    assert diagnosis.line == line
    assert str(diagnosis.what)
    assert str(diagnosis.hint)


def test_the_thing_it_happened_to_is_named() -> None:
    diagnosis = diagnose([SAID["ARCHITECTURE-UNKNOWN"][0]])

    assert str(diagnosis) == "this engine does not know the model's architecture: deepseek41"


def test_ordinary_lines_are_no_cause() -> None:
    assert diagnose(INFO * 50, exit_status=1) is None
    assert diagnose([], exit_status=0) is None
    assert diagnose([]) is None


@pytest.mark.parametrize(
    ("status", "memory_killed", "code"),
    [
        (-signal.SIGKILL, None, "MEMORY-KILLED"),
        (-signal.SIGKILL, True, "MEMORY-KILLED"),
        (-signal.SIGKILL, False, "ENGINE-KILLED"),
        (137, None, "MEMORY-KILLED"),
        (1, True, "MEMORY-KILLED"),
        (-signal.SIGBUS, None, "MODEL-CUT-SHORT"),
        (-signal.SIGILL, None, "PROCESSOR-UNSUPPORTED"),
        (-signal.SIGSEGV, False, "ENGINE-CRASHED"),
        (134, None, "ENGINE-CRASHED"),
    ],
)
def test_how_it_ended_speaks_where_the_log_does_not(
    status: int, memory_killed: bool | None, code: str
) -> None:
    diagnosis = diagnose(INFO, status, memory_killed=memory_killed)

    assert diagnosis is not None
    assert diagnosis.code == code


@pytest.mark.parametrize(
    ("code", "again", "way_out"),
    [
        ("PORT-TAKEN", "soon", None),
        ("ENGINE-KILLED", "soon", None),
        ("CARD-MEMORY", "slowly", "smaller"),
        ("MEMORY-KILLED", "slowly", "smaller"),
        ("LIBRARY-MISSING", "changed", None),
        ("PACKAGE-MISSING", "changed", None),
        ("OPERATOR-UNSUPPORTED", "changed", "other"),
    ],
)
def test_every_cause_says_what_another_try_is_worth(
    code: str, again: str, way_out: str | None
) -> None:
    diagnosis = known(code)

    assert (diagnosis.again, diagnosis.way_out) == (again, way_out)


def test_the_same_death_has_the_same_name() -> None:
    corrupt = diagnose([SAID["MODEL-CORRUPT"][0]])

    assert way_of_death(corrupt, 1) == "MODEL-CORRUPT"
    assert way_of_death(None, 7) == "exit 7"
    assert way_of_death(None, None) == "unknown"


def test_every_pattern_has_a_text_and_every_text_a_way_to_be_reached() -> None:
    by_signal = {"MEMORY-KILLED", "ENGINE-KILLED", "MODEL-CUT-SHORT", "ENGINE-CRASHED"}
    foreseen = {"MEMORY-FORESEEN"}

    assert {code for code, _ in _patterns()} | by_signal | foreseen == set(_entries())
    assert set(SAID) == {code for code, _ in _patterns()}


@given(st.lists(st.text(max_size=120), max_size=20), st.one_of(st.none(), st.integers(-70, 300)))
def test_no_log_and_no_status_is_too_strange(lines: list[str], status: int | None) -> None:
    diagnosis = diagnose(lines, status)

    assert diagnosis is None or diagnosis.code in _entries()


def test_a_process_that_the_kernel_ended_is_seen(tmp_path: Path) -> None:
    identity = start(Command(argv=["sh", "-c", "kill -BUS $$"]), tmp_path / "log")
    until(lambda: not alive(identity))

    diagnosis = diagnose([], exit_status(identity))
    assert diagnosis is not None
    assert diagnosis.code == "MODEL-CUT-SHORT"


def test_memory_kills_are_counted_where_the_kernel_counts_them(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("nr_free_pages 7\noom_kill 3\nballoon_inflate 0\n")

    assert oom_kills(vmstat) == 3
    assert oom_kills(tmp_path / "none") is None
