"""What can go wrong at a source, told apart by what a pull should do next."""

from __future__ import annotations

from appliance.core.errors import ApplianceError, NeedsRights, Unreachable, UsageError
from appliance.core.i18n import Text, say

BAD_DISK = say(
    "the disk or the copy on it is bad, or it was unplugged: see `dmesg`; copy it again, or name a "
    "second copy as well: `appliance models import DIR DIR`"
)


_NOT_NOW = (408, 425, 429)
"""Statuses below 500 that are no word about the file (RFC 9110, 8470, 6585)."""


class SourceFault(Exception):
    """A source did not deliver; `error` is what the operator is told if no other one can.

    `lasting`: asking again will not help. `wait_s`: it asked to be left alone for so long.
    `stale`: the address was good once; resolve it again. `wrong`: it sent wrong bytes. `refused`:
    it said that we ask too much. `passing`: network or server are away, which may end by itself.
    """

    def __init__(
        self,
        error: ApplianceError,
        *,
        lasting: bool = False,
        wait_s: float = 0.0,
        stale: bool = False,
        wrong: bool = False,
        refused: bool = False,
        passing: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.lasting = lasting
        self.wait_s = wait_s
        self.stale = stale
        self.wrong = wrong
        self.refused = refused
        self.passing = passing


def no_answer(
    what: str, why: Text | str, hint: Text | str | None = None, *, passing: bool = True
) -> SourceFault:
    """The network, the name service, the proxy or the server is in the way."""
    error = Unreachable(
        say("{what} does not answer: {why}", what=what, why=why),
        hint=hint
        or say(
            "check the network and HTTPS_PROXY; behind a firewall set HF_ENDPOINT or "
            "MODELSCOPE_ENDPOINT to a mirror, or bring the weights on a disk: "
            "`appliance models import DIR`"
        ),
        code="NO-HUB",
    )
    return SourceFault(error, passing=passing)


def busy(what: str, status: int, wait_s: float) -> SourceFault:
    """The server is there, but not now: overloaded, or we asked too often."""
    error = Unreachable(
        say("{what} answers with status {status}", what=what, status=status),
        hint=say("try again later; with HF_TOKEN or MODELSCOPE_API_TOKEN set, hubs allow more"),
        code="HUB-BUSY",
    )
    return SourceFault(
        error,
        wait_s=wait_s,
        refused=status == 429 or wait_s > 0,
        passing=status >= 500 or status in _NOT_NOW,
    )


def bad_medium(what: str, why: Text | str, *, lasting: bool = False) -> SourceFault:
    """A disk or a directory of this server does not give the bytes that it should have."""
    error = Unreachable(
        say("cannot read {what}: {why}", what=what, why=why),
        hint=BAD_DISK,
        code="BAD-MEDIUM",
    )
    return SourceFault(error, lasting=lasting)


def missing(what: str, where: str, hint: Text | None = None) -> SourceFault:
    """The source says that there is no such thing."""
    error = UsageError(
        say("{where} has no {what}", where=where, what=what),
        hint=hint
        or say("check the spelling; a private one needs HF_TOKEN or MODELSCOPE_API_TOKEN"),
        code="NOT-ON-HUB",
    )
    return SourceFault(error, lasting=True)


def gated(what: str, where: str) -> SourceFault:
    """The hub wants a licence accepted or a token shown first."""
    error = NeedsRights(
        say("{where} does not let you have {what} yet", where=where, what=what),
        hint=say(
            "accept its licence on the hub's page, then set HF_TOKEN (or MODELSCOPE_API_TOKEN) "
            "to a token of that account"
        ),
        code="GATED",
    )
    return SourceFault(error, lasting=True)


def not_the_file(what: str, why: Text | str, *, lasting: bool = False) -> SourceFault:
    """Something answered, but not with the file."""
    error = Unreachable(
        say("{what} did not send the file: {why}", what=what, why=why),
        hint=say("a proxy or a sign-in page may be in between; try another source or a mirror"),
        code="BAD-ANSWER",
    )
    return SourceFault(error, lasting=lasting)
