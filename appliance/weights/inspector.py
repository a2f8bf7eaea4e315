"""Looks at a model file's header in a process without rights.

`python -m appliance.weights.inspector NAME`: the file is standard input, already open; the name
decides the format. Before the first byte is read the process gives up all it can: other users'
files, new processes, writing, memory above a limit. Prints one JSON object:
`{"split": [number, count] | null}`, or `{"error": …, "hint": …, "code": …}`.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys

from appliance.catalog.gguf import GgufHeader, read_header
from appliance.core.errors import ApplianceError, VerificationFailed
from appliance.core.i18n import say
from appliance.weights.safetensors import check_safetensors
from appliance.weights.template import objection

MEMORY_BYTES = 512 << 20
CPU_S = 60
_NOBODY = 65534
_EVERYTHING = "{% set a = ['\\n', 1, 2.5] %}{% for b in a %}{{ b | tojson }}{% break %}{% endfor %}"
_PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    """Inspect standard input under the name given."""
    objection(_EVERYTHING)  # imports what it needs while we may still read where that is
    give_up_rights()
    try:
        print(json.dumps({"split": _inspect(sys.argv[1])}))  # noqa: T201
    except ApplianceError as error:
        print(json.dumps({"error": str(error), "hint": str(error.hint), "code": error.code}))  # noqa: T201
    except (MemoryError, RecursionError):
        print(json.dumps({"error": "its header asks for too much memory", "code": "BAD-HEADER"}))  # noqa: T201


def _inspect(name: str) -> list[int] | None:
    size = os.fstat(0).st_size

    def read_at(offset: int, length: int) -> bytes:
        return os.pread(0, length, offset)

    if name.lower().endswith(".safetensors"):
        check_safetensors(read_at, size)
        return None
    header = read_header(read_at, size)
    _check_template(header)
    return [header.split.number + 1, header.split.count] if header.split else None


def _check_template(header: GgufHeader) -> None:
    why = objection(header.chat_template) if header.chat_template else None
    if why is not None:
        raise VerificationFailed(
            say("not a usable GGUF file: {why}", why=why),
            hint=say("use a GGUF file from a publisher you trust"),
            code="BAD-TEMPLATE",
        )


def give_up_rights() -> None:
    """Keep what is open, lose the rest; there is no way back."""
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(limit, (value, value))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


if __name__ == "__main__":
    main()
