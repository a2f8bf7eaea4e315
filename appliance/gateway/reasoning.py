"""Reasoning under one name, whichever engine answers.

DeepSeek's own API and most engines call it `reasoning_content`; vLLM by now calls it `reasoning`
(https://docs.vllm.ai/en/latest/features/reasoning_outputs.html). People's programs meet both kinds
of engine behind one endpoint, so what came as `reasoning` is given under both names.
"""

from __future__ import annotations

from typing import Any

import msgspec

_THEIRS, _OURS = "reasoning", "reasoning_content"
_SIGN = b'"reasoning"'
_DATA = b"data:"


def named_in_lines(lines: bytes) -> bytes:
    """Whole lines of a stream of events; those that need nothing are left byte for byte."""
    if _SIGN not in lines:
        return lines
    return b"".join(_named_in_line(line) for line in lines.splitlines(keepends=True))


def named_in(document: bytes) -> bytes:
    """A whole answer, or the data of one event; anything else is left as it is."""
    if _SIGN not in document:
        return document
    try:
        answer = msgspec.json.decode(document)
        renamed = [_name(part) for part in _parts(answer)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return document
    return msgspec.json.encode(answer) if any(renamed) else document


def _named_in_line(line: bytes) -> bytes:
    if _SIGN not in line or not line.startswith(_DATA):
        return line
    data = line[len(_DATA) :].strip()
    end = line[len(line.rstrip(b"\r\n")) :]
    named = named_in(data)
    return line if named is data else _DATA + b" " + named + end


def _parts(answer: Any) -> list[dict[str, Any]]:
    """What each choice of an answer says, whole or piece by piece."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    found = [
        choice.get(key)
        for choice in (choices if isinstance(choices, list) else [])
        if isinstance(choice, dict)
        for key in ("message", "delta")
    ]
    return [part for part in found if isinstance(part, dict)]


def _name(part: dict[str, Any]) -> bool:
    """Add our name to what has theirs alone; whether there was such a thing."""
    if not isinstance(part.get(_THEIRS), str) or _OURS in part:
        return False
    part[_OURS] = part[_THEIRS]
    return True
