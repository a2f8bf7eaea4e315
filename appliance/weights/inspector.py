"""Looks at a model file's header in a process without rights.

`python -m appliance.weights.inspector NAME NUMBER`: the file is open under that number and whole
once standard input has ended. The name decides the format: `*.jinja` is a chat template alone,
`*.json` a document that may hold some. Before the first byte is read the process gives up its
rights: files, network, other processes, memory above a limit (see `sandbox`). Prints one `Verdict`
as JSON.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from itertools import islice

import msgspec

from appliance.catalog.gguf import GgufHeader, read_header
from appliance.core.errors import ApplianceError, VerificationFailed
from appliance.core.i18n import Text, say
from appliance.weights.model_facts import MAX_DOCUMENT_BYTES, MAX_TEMPLATES, templates_in
from appliance.weights.safetensors import check_safetensors
from appliance.weights.sandbox import give_up_rights
from appliance.weights.template import MAX_TEMPLATE_BYTES, objection

_EVERYTHING = "{% set a = ['\\n', 1, 2.5] %}{% for b in a %}{{ b | tojson }}{% break %}{% endfor %}"


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What there is to object to, if anything, and which part of which split set the file is."""

    error: Text | str | None = None
    hint: Text | str = ""
    code: str = "BAD-HEADER"
    split: tuple[int, int] | None = None

    @staticmethod
    def read(raw: bytes) -> Verdict:
        """The verdict as it was printed. Raises `ValueError` for what none of ours would print.

        Whatever the file made of the process, its texts must not be able to harm their reader.
        """
        verdict = msgspec.json.decode(raw, type=Verdict)
        if not (_is_plain(verdict.error) and _is_plain(verdict.hint)):
            raise ValueError("a text with placeholders that nobody fills")
        return verdict


def _is_plain(text: Text | str | int | float | None) -> bool:
    """Whether every placeholder is a bare name that has a value."""
    if not isinstance(text, Text):
        return True
    rest = re.sub(r"\{(\w+)\}", lambda name: "{" * (name[1] not in text.values), text.template)
    return not set(rest) & set("{}") and all(map(_is_plain, text.values.values()))


def main() -> None:
    """Inspect what is open under the number given, as a file of the name given."""
    name, file = sys.argv[1], int(sys.argv[2])
    objection(_EVERYTHING)  # imports what it needs while we may still read where that is
    sys.stdin.buffer.read()
    size = os.fstat(file).st_size
    give_up_rights()
    print(msgspec.json.encode(_verdict(name, file, size)).decode())  # noqa: T201


def _verdict(name: str, file: int, size: int) -> Verdict:
    try:
        return Verdict(split=_inspect(name, file, size))
    except ApplianceError as error:
        return Verdict(error=error.what, hint=error.hint, code=error.code)
    except (MemoryError, RecursionError):
        return Verdict(error=say("its header asks for too much memory"))


def _inspect(name: str, file: int, size: int) -> tuple[int, int] | None:
    def read_at(offset: int, length: int) -> bytes:
        return os.pread(file, length, offset)

    if name.lower().endswith(".safetensors"):
        check_safetensors(read_at, size)
        return None
    if name.lower().endswith(".jinja"):
        _check_template(_document(read_at, size, MAX_TEMPLATE_BYTES).decode(errors="replace"))
        return None
    if name.lower().endswith(".json"):
        _check_templates(_document(read_at, size, MAX_DOCUMENT_BYTES))
        return None
    header = read_header(read_at, size)
    _check_gguf_template(header)
    return (header.split.number + 1, header.split.count) if header.split else None


def _document(read_at: Callable[[int, int], bytes], size: int, most: int) -> bytes:
    if size > most:
        raise _refused(say("it has {size} bytes of at most {most}", size=size, most=most))
    return read_at(0, size)


def _check_templates(raw: bytes) -> None:
    """The templates of a document, which is read as engines do, to see in it what they see."""
    try:
        values = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise _refused(say("it is damaged ({why})", why=error)) from error
    if not isinstance(values, dict):
        raise _refused(say("it is damaged ({why})", why=type(values).__name__))
    templates = list(islice(templates_in(values), MAX_TEMPLATES + 1))
    if len(templates) > MAX_TEMPLATES:
        raise _refused(say("it has too many chat templates"))
    for template in templates:
        _check_template(template)


def _refused(why: Text) -> VerificationFailed:
    hint = say("fetch it again, or use the files of a publisher you trust")
    return VerificationFailed(why, hint=hint, code="BAD-DOCUMENT")


def _check_template(template: str) -> None:
    why = objection(template)
    if why is not None:
        hint = say("use a model from a publisher you trust")
        raise VerificationFailed(why, hint=hint, code="BAD-TEMPLATE")


def _check_gguf_template(header: GgufHeader) -> None:
    why = objection(header.chat_template) if header.chat_template else None
    if why is not None:
        raise VerificationFailed(
            say("not a usable GGUF file: {why}", why=why),
            hint=say("use a GGUF file from a publisher you trust"),
            code="BAD-TEMPLATE",
        )


if __name__ == "__main__":
    main()
