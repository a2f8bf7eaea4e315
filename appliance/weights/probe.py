"""Which sources answer, asked all at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import say
from appliance.core.progress import Cancel
from appliance.core.reference import (
    FileReference,
    HubReference,
    IndexReference,
    PeerReference,
    Reference,
)
from appliance.weights.faults import SourceFault, not_the_file
from appliance.weights.http import Http
from appliance.weights.names import files_in
from appliance.weights.request import glob_of
from appliance.weights.sources.base import Listing, RemoteFile, Source
from appliance.weights.sources.exported import ExportedSource, is_export
from appliance.weights.sources.files import DirectorySource
from appliance.weights.sources.huggingface import HuggingFace
from appliance.weights.sources.modelscope import ModelScope
from appliance.weights.sources.peer import PeerSource

logger = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What a source said within the time: `reached` when it answered at all, `ok` when it has it.

    `files` are those an engine needs; `why` is the reason in one line when it is not `ok`.
    """

    reference: Reference
    ok: bool
    reached: bool
    seconds: float
    why: str = ""
    files: list[RemoteFile] = []


def probe(sources: Sequence[Reference], *, timeout_s: float) -> list[Probe]:
    """Ask every hub for its listing, in parallel; what has not answered in time is not `ok`."""
    with Http(stall_s=timeout_s, connect_s=timeout_s) as http:
        asked = [_Asking(reference, http) for reference in sources]
        for one in asked:
            one.start()
        deadline = time.monotonic() + timeout_s
        for one in asked:
            one.join(max(0.0, deadline - time.monotonic()))
        return [one.answer or one.unanswered(timeout_s) for one in asked]


class _Asking(threading.Thread):
    def __init__(self, reference: Reference, http: Http) -> None:
        super().__init__(name=f"probe-{reference}", daemon=True)
        self.answer: Probe | None = None
        self._reference = reference
        self._http = http

    def run(self) -> None:
        began = time.monotonic()
        files: list[RemoteFile] = []
        why, reached = "", True
        try:
            files = _files_of(self._reference, self._http)
        except SourceFault as fault:
            why, reached = str(fault), fault.error.code != "NO-HUB"
        except ApplianceError as error:
            why = str(error)
        self.answer = Probe(
            reference=self._reference,
            ok=not why,
            reached=reached,
            seconds=time.monotonic() - began,
            why=why,
            files=files,
        )

    def unanswered(self, timeout_s: float) -> Probe:
        return Probe(
            reference=self._reference,
            ok=False,
            reached=False,
            seconds=timeout_s,
            why=f"no answer within {timeout_s:g} s",
        )


def _files_of(reference: Reference, http: Http) -> list[RemoteFile]:
    if isinstance(reference, IndexReference):
        return [RemoteFile(name=Path(reference.path).name)]
    source = source_for(reference, http)
    return files_in(source.listing(), glob_of(reference), source.label)


def source_for(reference: Reference, http: Http) -> Source:
    """The place a reference names. Raises `UsageError` for one that names no place."""
    match reference:
        case HubReference(hub="hf"):
            return HuggingFace(http, reference)
        case HubReference():
            return ModelScope(http, reference)
        case PeerReference():
            return PeerSource(http, reference)
        case FileReference():
            path = Path(reference.path).expanduser()
            return ExportedSource(path) if is_export(path) else DirectorySource(path)
        case _:
            raise UsageError(f"{reference} is not a place", code="BAD-REFERENCE")


def patiently(work: Callable[[], ResultT], cancel: Cancel) -> ResultT:
    """Run what may block for long in a thread, but not past a cancel. Raises what it raises."""
    results: list[ResultT] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="weights-ask", daemon=True)
    thread.start()
    while thread.is_alive():
        cancel.check()
        thread.join(0.1)
    if errors:
        raise errors[0]
    return results[0]


def listings(
    sources: Sequence[Source], *, timeout_s: float, cancel: Cancel
) -> list[tuple[Source, Listing | SourceFault]]:
    """What each source says, the fastest first; who is late or failed comes last.

    Waits `timeout_s` for the others once one has answered, and for as long as it takes for one.
    """
    answers: list[tuple[Source, Listing | SourceFault]] = []
    changed = threading.Condition()

    def ask(source: Source) -> None:
        answer: Listing | SourceFault
        try:
            answer = source.listing()
        except SourceFault as fault:
            answer = fault
        except ApplianceError as error:
            answer = SourceFault(error, lasting=True)
        except Exception as error:  # the others wait for an answer, whatever it was that broke
            logger.exception("asking %s", source.label)
            why = say("its listing is not the hub's protocol ({why})", why=repr(error))
            answer = not_the_file(source.label, why, lasting=True)
        with changed:
            answers.append((source, answer))
            changed.notify_all()

    for source in sources:
        threading.Thread(target=ask, args=(source,), name="weights-list", daemon=True).start()
    deadline = time.monotonic() + timeout_s
    with changed:
        while len(answers) < len(sources):
            good = any(isinstance(answer, Listing) for _, answer in answers)
            if good and time.monotonic() >= deadline:
                break
            changed.wait(0.1)
            cancel.check()
        found = list(answers)
    for source in sources:
        if source not in [who for who, _ in found]:
            logger.info("%s is late with its listing and is not used", source.label)
    return sorted(found, key=lambda pair: isinstance(pair[1], SourceFault))
