"""Looks at a model file's header in a process without rights.

`python -m appliance.weights.inspector NAME LANGUAGE`: the file is standard input, already open; the
name decides the format. Before the first byte is read the process gives up its rights: files,
network, other processes, memory above a limit (see `sandbox`). Prints one JSON object:
`{"split": [number, count] | null}`, or `{"error": …, "hint": …, "code": …}`.
"""

from __future__ import annotations

import json
import os
import sys

from appliance.catalog.gguf import GgufHeader, read_header
from appliance.core.errors import ApplianceError, VerificationFailed
from appliance.core.i18n import _, say, use_default_language
from appliance.weights.safetensors import check_safetensors
from appliance.weights.sandbox import give_up_rights
from appliance.weights.template import objection

_EVERYTHING = "{% set a = ['\\n', 1, 2.5] %}{% for b in a %}{{ b | tojson }}{% break %}{% endfor %}"


def main() -> None:
    """Inspect standard input under the name given."""
    objection(_EVERYTHING)  # imports what it needs while we may still read where that is
    use_default_language(sys.argv[2])
    too_large = _("its header asks for too much memory")  # reads the translations, likewise
    size = os.fstat(0).st_size
    give_up_rights()
    try:
        print(json.dumps({"split": _inspect(sys.argv[1], size)}))  # noqa: T201
    except ApplianceError as error:
        print(json.dumps({"error": str(error), "hint": str(error.hint), "code": error.code}))  # noqa: T201
    except (MemoryError, RecursionError):
        print(json.dumps({"error": too_large, "code": "BAD-HEADER"}))  # noqa: T201


def _inspect(name: str, size: int) -> list[int] | None:
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


if __name__ == "__main__":
    main()
