"""Headers of model files: looked at on a hub without fetching the file, and before it is placed."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from appliance.catalog.gguf import GgufHeader, read_header
from appliance.core.errors import UsageError, VerificationFailed
from appliance.core.i18n import say
from appliance.core.reference import HubReference, PeerReference
from appliance.weights.faults import SourceFault
from appliance.weights.http import Http
from appliance.weights.inspector import Verdict
from appliance.weights.names import entry_name, needed_files, split_set
from appliance.weights.probe import source_for
from appliance.weights.sources.base import RemoteFile, Source

logger = logging.getLogger(__name__)
_INSPECTION_S = 120.0


def remote_header(reference: HubReference | PeerReference) -> GgufHeader:
    """The header of the GGUF that `reference` names, read by HTTP range: a few MB at most.

    Raises `VerificationFailed` for a header that cannot be trusted, `UsageError` where there is
    no GGUF, `Unreachable` where no hub answers.
    """
    try:
        with Http() as http:
            source = source_for(reference, http)
            glob = reference.glob if isinstance(reference, HubReference) else None
            files = needed_files(source.listing().files, glob, source.label)
            name = entry_name([file.name for file in files])
            file = next((file for file in files if file.name == name), None)
            if file is None:
                raise UsageError(
                    say("{where} holds no GGUF file", where=source.label),
                    hint=say("name one that does, for example of the publisher's -GGUF repository"),
                    code="NO-GGUF-THERE",
                )
            size = file.bytes if file.bytes is not None else source.measure(file)
            return read_header(lambda offset, length: _read(source, file, offset, length), size)
    except SourceFault as fault:
        raise fault.error from fault


def _read(source: Source, file: RemoteFile, offset: int, length: int) -> bytes:
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
    """Refuse a model file whose header an engine could trip over, before any engine sees it.

    The header is read in a process without rights. Raises `VerificationFailed`.
    """
    if not name.lower().endswith((".gguf", ".safetensors")):
        return
    verdict = _inspected(path, name)
    if verdict.error is not None:
        raise VerificationFailed(
            say("{name}: {why}", name=name, why=verdict.error), hint=verdict.hint, code=verdict.code
        )
    part, split = split_set(name), verdict.split
    if part and split and (part[1], part[2]) != split:
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


def _inspected(path: Path, name: str) -> Verdict:
    with path.open("rb") as stream:
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "appliance.weights.inspector", name],
                stdin=stream,
                capture_output=True,
                timeout=_INSPECTION_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Verdict(error=say("its header takes too long to read"))
    try:
        return Verdict.read(done.stdout)
    except ValueError:
        logger.warning("inspecting %s: exit %s, %s", path, done.returncode, done.stderr[-500:])
        return Verdict(error=say("its header cannot be read"))
