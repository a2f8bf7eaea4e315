"""Running CMake and the compiler, with progress and an end when asked."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.progress import Cancel
from appliance.engines.llamacpp.threads import usable_threads
from appliance.engines.native.backends import Backend
from appliance.engines.native.toolchain import Toolchain
from appliance.engines.work import run

PROGRAMS = ("llama-server", "llama-bench", "llama-fit-params", "ggml-rpc-server")
OnStep = Callable[[int, int], None]
"""Told how many steps of how many are done."""

_DEFINES = (
    "CMAKE_BUILD_TYPE=Release",
    "BUILD_SHARED_LIBS=OFF",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_BUILD_APP=OFF",
    "LLAMA_BUILD_TOOLS=ON",
    "LLAMA_BUILD_SERVER=ON",
    "LLAMA_BUILD_UI=OFF",
    "LLAMA_USE_PREBUILT_UI=OFF",  # it would be fetched while compiling
    "LLAMA_OPENSSL=OFF",
    "GGML_NATIVE=ON",
    "GGML_RPC=ON",
)
_STEP = re.compile(r"\[\s*(\d+)/(\d+)\]|\[\s*(\d+)%\]")
_FAULT = re.compile(r"\berror\b|FAILED", re.IGNORECASE)
_JOB_MIB = 2048
"""Memory that a compiler process may take; the CUDA ones do."""


def compile_llama_cpp(
    source: Path,
    work: Path,
    backend: Backend,
    targets: Sequence[str],
    toolchain: Toolchain,
    *,
    on_step: OnStep,
    cancel: Cancel,
) -> Path:
    """Compile in `work` and return the directory of the programs. What the compiler says goes to
    `work/build.log`. Raises `ApplianceError` (`BUILD-FAILED`) with the line that says why.
    """
    log = work / "build.log"
    env = {**os.environ, **toolchain.environment(backend)}
    out = work / "out"
    defines = [*_DEFINES, *backend.defines]
    if backend.arch_define and targets:
        defines.append(f"{backend.arch_define}={';'.join(targets)}")
    configure = ["cmake", "-S", str(source), "-B", str(out), "-G", toolchain.generator]
    _run([*configure, *(f"-D{define}" for define in defines)], env, log, _no_step, cancel)
    make = ["cmake", "--build", str(out), "--parallel", str(jobs()), "--target", *PROGRAMS]
    _run(["nice", "-n", "10", *make], env, log, on_step, cancel)
    return out / "bin"


def jobs() -> int:
    """Compilers at a time: one for each core, as far as memory lasts."""
    import psutil

    by_memory = psutil.virtual_memory().available // (_JOB_MIB * 1024 * 1024)
    return max(1, min(usable_threads(), int(by_memory)))


def step_of(line: str) -> tuple[int, int] | None:
    """Steps done and in all, from a line of Ninja ("[3/40] …") or Make ("[ 8%] …")."""
    match = _STEP.match(line)
    if match is None:
        return None
    done, total, percent = match.groups()
    return (int(percent), 100) if percent else (int(done), int(total))


def _no_step(_done: int, _total: int) -> None:
    """Configuring has no steps worth telling."""


def _run(
    argv: Sequence[str], env: Mapping[str, str], log: Path, on_step: OnStep, cancel: Cancel
) -> None:
    def on_line(line: str) -> None:
        if step := step_of(line):
            on_step(*step)

    if run(argv, env, log, on_line, cancel):
        raise _failed(log)


def _failed(log: Path) -> ApplianceError:
    why = cause_of(log.read_text(errors="replace").splitlines())
    return ApplianceError(
        say("llama.cpp did not compile: {why}", why=why[:300]),
        hint=say("the whole log is {log}", log=log),
        code="BUILD-FAILED",
    )


def cause_of(lines: Sequence[str]) -> str:
    """The line that says why; CMake says where first, and why on the lines after that."""
    for number, line in enumerate(lines):
        if line.startswith("CMake Error"):
            told = [text.strip() for text in lines[number + 1 : number + 6] if text.strip()]
            return " ".join(told[:3]) or line
        if _FAULT.search(line):
            return line.strip()
    return lines[-1].strip() if lines else ""
