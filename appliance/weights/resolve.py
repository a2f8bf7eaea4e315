"""From a request to the files that will be fetched: who offers them, how large, which hash."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import PurePosixPath

import msgspec

from appliance.core.errors import ApplianceError, VerificationFailed
from appliance.core.i18n import say
from appliance.core.progress import Cancel
from appliance.core.pull import Trust
from appliance.weights.chain import Offer
from appliance.weights.faults import SourceFault, missing, not_the_file
from appliance.weights.names import files_in, is_sha256
from appliance.weights.probe import listings, patiently
from appliance.weights.request import PullRequest, WantedFile, glob_of
from appliance.weights.sources.base import Listing, RemoteFile, Source

logger = logging.getLogger(__name__)
Answers = Sequence[tuple[Source, Listing]]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be had, and who offers it."""

    name: str
    size: int
    sha256: str | None
    git_sha1: str | None
    trust: Trust
    offers: list[Offer]

    def key(self) -> str:
        """The name of the partial file: the same for every source of the same content."""
        if self.sha256 is not None:
            return f"sha256-{self.sha256}"
        first = self.offers[0]
        text = f"{first.source.label}|{self.name}|{self.size}|{self.git_sha1}"
        return f"unlisted-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def resolve(
    request: PullRequest, sources: Sequence[Source], *, probe_s: float, cancel: Cancel
) -> tuple[list[Target], str]:
    """The files of the request and the revision they are of, from the sources that answer.

    Raises the first source's `SourceFault` when none can serve it, `ApplianceError`, `Interrupted`.
    """
    if not sources:
        raise ApplianceError(
            say("no place is known to fetch {model} from", model=request.model),
            hint=say("take another variant (`appliance models list`), or import it from a disk"),
            code="NO-SOURCE",
        )
    answers = _ask(sources, probe_s, cancel)
    faults: list[SourceFault] = []
    for source, listing in answers:
        try:
            wanted = request.files or _needed(request, source, listing)
            targets = [_target(file, answers, faults, cancel) for file in wanted]
            return targets, listing.revision
        except SourceFault as fault:
            faults.append(fault)
    raise faults[0]


def _ask(sources: Sequence[Source], probe_s: float, cancel: Cancel) -> Answers:
    if len(sources) == 1:
        return [(sources[0], patiently(sources[0].listing, cancel))]
    answers = listings(sources, timeout_s=probe_s, cancel=cancel)
    good = [(source, answer) for source, answer in answers if isinstance(answer, Listing)]
    if not good:
        faults = [answer for _, answer in answers if isinstance(answer, SourceFault)]
        raise next((fault for fault in faults if fault.passing), faults[0])
    return good


def _needed(request: PullRequest, source: Source, listing: Listing) -> list[WantedFile]:
    globs = {str(place): glob_of(place) for place in request.sources}
    chosen = files_in(listing, globs[source.label], source.label)
    return [WantedFile(file.name) for file in chosen]


def _target(
    wanted: WantedFile, answers: Answers, faults: list[SourceFault], cancel: Cancel
) -> Target:
    offers: list[Offer] = []
    size, sha256 = wanted.bytes, wanted.sha256
    for source, listing in answers:
        try:
            file = _offered(source, listing, wanted.name, size, sha256)
        except SourceFault as fault:
            logger.warning("%s", fault)
            faults.append(fault)
            continue
        size = file.bytes if size is None else size
        sha256 = sha256 or file.sha256
        offers.append(Offer(source, file))
    if not offers:
        raise faults[-1]
    if size is None:
        size = patiently(lambda: offers[0].source.measure(offers[0].file), cancel)
    git_sha1 = None if sha256 else offers[0].file.git_sha1
    return Target(
        name=wanted.name,
        size=size,
        sha256=sha256,
        git_sha1=git_sha1,
        trust=wanted.trust if wanted.sha256 else _trust(sha256, git_sha1),
        offers=offers,
    )


def _offered(
    source: Source, listing: Listing, name: str, size: int | None, sha256: str | None
) -> RemoteFile:
    """The file as the source lists it. Raises `SourceFault` where that is not the one wanted."""
    file = listing.find(name)
    if file is None:
        if not listing.complete:
            raise not_the_file(source.label, say("its listing was cut short"), lasting=True)
        raise missing(name, source.label)
    _check_entry(source, file)
    if sha256 is not None and file.sha256 is not None and file.sha256 != sha256:
        raise _another_hash(source.label, name, sha256, file.sha256)
    if size is not None and file.bytes is not None and file.bytes != size:
        raise _another_size(source.label, name, size, file.bytes)
    return file


def _check_entry(source: Source, file: RemoteFile) -> None:
    """Hash and size go into names of ours and sums: they must be what they pass for."""
    if file.sha256 is not None and not is_sha256(file.sha256):
        why = say("the SHA-256 of {name} is none", name=file.name)
    elif file.bytes is not None and file.bytes < 0:
        why = say("{name} has {size} bytes", name=file.name, size=file.bytes)
    else:
        return
    text = say("its listing is not the hub's protocol ({why})", why=why)
    raise not_the_file(source.label, text, lasting=True)


def _another_hash(source: str, name: str, expected: str, listed: str) -> SourceFault:
    error = VerificationFailed(
        say(
            "{source} lists another {name}: expected SHA-256 {expected}, listed {listed}",
            source=source,
            name=PurePosixPath(name).name,
            expected=expected,
            listed=listed,
        ),
        hint=say("the repository was changed, or the listing lies; use another source"),
        code="LISTING-MISMATCH",
    )
    return SourceFault(error, lasting=True)


def _another_size(source: str, name: str, expected: int, listed: int) -> SourceFault:
    error = VerificationFailed(
        say(
            "{source} lists another {name}: expected {expected} bytes, listed {listed}",
            source=source,
            name=PurePosixPath(name).name,
            expected=expected,
            listed=listed,
        ),
        hint=say("the repository was changed, or the listing lies; use another source"),
        code="LISTING-MISMATCH",
    )
    return SourceFault(error, lasting=True)


def _trust(sha256: str | None, git_sha1: str | None) -> Trust:
    return "published" if sha256 or git_sha1 else "first-use"
