"""Headers of model files: looked at on a hub without fetching the file, and before it is placed."""

from __future__ import annotations

from pathlib import Path

from appliance.catalog.gguf import GgufHeader, read_header, read_header_of
from appliance.core.errors import UsageError, VerificationFailed
from appliance.core.i18n import say
from appliance.core.reference import HubReference
from appliance.weights.faults import SourceFault
from appliance.weights.http import Http
from appliance.weights.names import entry_name, needed_files
from appliance.weights.probe import source_for
from appliance.weights.sources.base import RemoteFile, Source


def remote_header(reference: HubReference) -> GgufHeader:
    """The header of the GGUF that `reference` names, read by HTTP range: a few MB at most.

    Raises `VerificationFailed` for a header that cannot be trusted, `UsageError` where there is
    no GGUF, `Unreachable` where no hub answers.
    """
    try:
        with Http() as http:
            source = source_for(reference, http)
            files = needed_files(source.listing().files, reference.glob, source.label)
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
    """Refuse a GGUF whose header an engine could trip over. Raises `VerificationFailed`."""
    if not name.lower().endswith(".gguf"):
        return
    try:
        read_header_of(path)
    except VerificationFailed as error:
        what = say("{name}: {why}", name=name, why=error.what)
        raise VerificationFailed(what, hint=error.hint, code=error.code) from error
