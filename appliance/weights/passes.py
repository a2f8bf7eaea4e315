"""A file fetched and verified: one pass, and where it is wrong others that tell who lied."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from appliance.core.errors import ApplianceError, VerificationFailed
from appliance.core.i18n import Text, say
from appliance.core.progress import Cancel
from appliance.weights.chain import Chain
from appliance.weights.chunks import ChunkDigests, byte_ranges, chunk_count, show_ranges
from appliance.weights.fetch import Fetch, Fetched, FetchOptions, Wanted
from appliance.weights.limit import Limit
from appliance.weights.meter import Meter
from appliance.weights.pace import Pace
from appliance.weights.partial import JournalHeader, Partial
from appliance.weights.speeds import Speeds

logger = logging.getLogger(__name__)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the passes over a pull's files share."""

    options: FetchOptions
    cut: Callable[[], None]
    meter: Meter
    speeds: Speeds
    pace: Pace
    limit: Limit
    cancel: Cancel


def fetch_verified(
    job: Job, wanted: Wanted, header: JournalHeader, partial: Partial, chain: Chain
) -> Fetched:
    """Fetch what is missing of a file and hold it against the hash that is known.

    A mismatch costs another pass, from the source that sent least of what was wrong, and where
    several sent that, one pass for each of them at most; chunk digests of the passes show where
    they differ. Raises `VerificationFailed` when the last is wrong too; nothing is kept then.
    """
    found = _pass(job, wanted, partial, chain)
    wrong: list[Fetched] = []
    again = msgspec.structs.replace(wanted, chunks=None)
    while not _is_right(found, wanted, partial):
        logger.warning("%s from %s has another hash than listed", wanted.name, _names(found))
        wrong.append(found)
        if len(wrong) > max(1, len(wrong[0].sources)):
            partial.discard()
            raise _mismatch(wanted, wrong[0], found)
        chain.again(_chunks_sent(wrong))
        partial.restart(header)
        job.meter.reuse(-wanted.size)
        found = _pass(job, again, partial, chain)
    for one in wrong:
        for label, ranges in wrong_ranges(one, found).items():
            logger.warning("%s: %s were wrong from %s", wanted.name, ranges, label)
    return found


def _chunks_sent(passes: Sequence[Fetched]) -> Counter[str]:
    return Counter(label for one in passes for label in one.senders if label)


def _pass(job: Job, wanted: Wanted, partial: Partial, chain: Chain) -> Fetched:
    fetch = Fetch(
        wanted,
        partial,
        chain,
        options=job.options,
        cut=job.cut,
        meter=job.meter,
        speeds=job.speeds,
        pace=job.pace,
        limit=job.limit,
        cancel=job.cancel,
    )
    return fetch.run()


def _is_right(fetched: Fetched, wanted: Wanted, partial: Partial) -> bool:
    if wanted.sha256 is not None:
        return fetched.sha256 == wanted.sha256
    if wanted.git_sha1 is not None:
        return _git_sha1(partial, wanted.size) == wanted.git_sha1
    return True


def _git_sha1(partial: Partial, size: int) -> str:
    """The name git gives this content; hubs publish it for small files."""
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    for index in range(chunk_count(size)):
        for block in partial.blocks(index):
            digest.update(block)
    return digest.hexdigest()


def differing(first: ChunkDigests, second: ChunkDigests) -> list[int]:
    """Chunks in which two passes over the same file differ."""
    pairs = zip(first.digests, second.digests, strict=True)
    return [index for index, (one, other) in enumerate(pairs) if one != other]


def wrong_ranges(wrong: Fetched, right: Fetched) -> dict[str, str]:
    """Where the first of two passes was wrong, by who sent that."""
    by_sender: dict[str, list[int]] = {}
    for index in differing(wrong.chunks, right.chunks):
        by_sender.setdefault(wrong.senders[index] or "an earlier run", []).append(index)
    size = right.chunks.size
    return {label: show_ranges(byte_ranges(found, size)) for label, found in by_sender.items()}


def _names(fetched: Fetched) -> Text | str:
    return ", ".join(fetched.sources) or say("an earlier run")


def _mismatch(wanted: Wanted, first: Fetched, second: Fetched) -> ApplianceError:
    return VerificationFailed(
        say(
            "{name} is not what it must be: expected {expected}, got {found} from {source}, "
            "then {again} from {second_source}",
            name=wanted.name,
            expected=wanted.sha256 or wanted.git_sha1,
            found=first.sha256,
            source=_names(first),
            again=second.sha256,
            second_source=_names(second),
        ),
        hint=say("nothing of it was kept; use another source or mirror"),
        code="HASH-MISMATCH",
    )


def wrong_file(source: str, name: str, expected: str | None, found: str) -> VerificationFailed:
    """The error of a file on this server that is not the one wanted."""
    return VerificationFailed(
        say(
            "{name} of {source} is not what it must be: expected SHA-256 {expected}, found {found}",
            name=name,
            source=source,
            expected=expected,
            found=found,
        ),
        hint=say("copy it again from where it came, or pull it from a hub"),
        code="HASH-MISMATCH",
    )
