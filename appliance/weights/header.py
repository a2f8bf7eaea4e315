"""Headers of model files: looked at on a hub without fetching the file, and before it is placed."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from appliance.catalog.gguf import GgufHeader, read_header
from appliance.core.errors import VerificationFailed
from appliance.core.i18n import say
from appliance.weights.inspector import Verdict
from appliance.weights.model_facts import TEMPLATE_DOCUMENTS
from appliance.weights.names import entry_name, split_set
from appliance.weights.sources.base import RemoteFile, Source

logger = logging.getLogger(__name__)
_INSPECTION_S = 120.0


def gguf_of(files: Sequence[RemoteFile]) -> RemoteFile | None:
    """The GGUF of a model, or its first part; `None` where it is of another form."""
    name = entry_name([file.name for file in files])
    return next((file for file in files if file.name == name), None)


def header_at(source: Source, file: RemoteFile) -> GgufHeader:
    """The header of a GGUF at a source. Raises `SourceFault`, `VerificationFailed`."""
    size = file.bytes if file.bytes is not None else source.measure(file)
    return read_header(lambda offset, length: read_range(source, file, offset, length), size)


def read_range(source: Source, file: RemoteFile, offset: int, length: int) -> bytes:
    """At most `length` bytes of a file from `offset`, whatever is sent. Raises `SourceFault`."""
    end = offset + length if file.bytes is None else min(offset + length, file.bytes)
    got = bytearray()
    if end > offset:
        with source.open(file, offset, end) as blocks:
            for block in blocks:
                got += block
                if len(got) >= end - offset:
                    break
    return bytes(got[: end - offset])


def check_header(path: Path, name: str) -> None:
    """Refuse a file whose header or chat template an engine could trip over, before one sees it.

    It is read in a process without rights. Raises `VerificationFailed`.
    """
    with inspecting(path, name) as inspect:
        inspect()


@contextmanager
def inspecting(path: Path, name: str) -> Iterator[Callable[[], None]]:
    """What `check_header` does, to be called once the file is whole: the process starts meanwhile.

    A file that is replaced by another in this time is not noticed.
    """
    if not is_inspected(name):
        yield lambda: None
        return
    with path.open("rb") as stream, _inspector(stream, name) as process:
        yield lambda: _check_split(name, _good(_verdict(process, name), name))


def _check_split(name: str, verdict: Verdict) -> None:
    part, split = split_set(name), verdict.split
    if split and (part is None or part[1:] != split):
        raise VerificationFailed(
            say(
                "{name} says inside that it is part {no} of {count}",
                name=name,
                no=split[0],
                count=split[1],
            ),
            hint=say("its name was changed; fetch the set again"),
            code="BAD-SPLIT",
        )


def is_inspected(name: str) -> bool:
    """Whether a file of this name has a header or chat templates that engines read."""
    document = PurePosixPath(name).name.lower() in TEMPLATE_DOCUMENTS
    return document or name.lower().endswith((".gguf", ".safetensors", ".jinja"))


def check_template(template: str, name: str) -> None:
    """Refuse the chat template that file `name` holds, read in a process without rights.

    Raises `VerificationFailed`.
    """
    with tempfile.TemporaryFile() as stream:
        stream.write(template.encode(errors="replace"))
        stream.seek(0)
        with _inspector(stream, "chat_template.jinja") as process:
            _good(_verdict(process, name), name)


def _good(verdict: Verdict, name: str) -> Verdict:
    if verdict.error is None:
        return verdict
    raise VerificationFailed(
        say("{name}: {why}", name=name, why=verdict.error), hint=verdict.hint, code=verdict.code
    )


@contextmanager
def _inspector(stream: IO[bytes], name: str) -> Iterator[subprocess.Popen[bytes]]:
    """The process that will look at an open file; it is gone afterwards, whether it did or not."""
    number, pipe = stream.fileno(), subprocess.PIPE
    argv = [sys.executable, "-P", "-m", "appliance.weights.inspector", name, str(number)]
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=[number]) as process:
        try:
            yield process
        finally:
            process.kill()


def _verdict(process: subprocess.Popen[bytes], name: str) -> Verdict:
    try:
        printed, errors = process.communicate(timeout=_INSPECTION_S)
    except subprocess.TimeoutExpired:
        return Verdict(error=say("its header takes too long to read"))
    try:
        return Verdict.read(printed)
    except ValueError:
        logger.warning("inspecting %s: exit %s, %s", name, process.returncode, errors[-500:])
        return Verdict(error=say("its header cannot be read"))
